"""A checkpoint's own CLIP text encoder and tokenizer as the host's CLIP, whatever their size."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import comfy.sd
import comfy.sd1_clip
import comfy.supported_models_base
import torch
from torch import Tensor
from transformers import CLIPTokenizer

from .....pointvid.errors import PointVidError

_NAME = "pointvid"


class TextModel(comfy.sd1_clip.SDClipModel):
    """The host's CLIP text model in the shape a transformers `config.json` gives."""

    def __init__(
        self,
        config: dict[str, Any],
        layers_skipped: int,
        special_tokens: dict[str, int],
        device: Any = "cpu",
        dtype: torch.dtype | None = None,
        model_options: dict[str, Any] | None = None,
    ):
        super().__init__(
            device=device,
            dtype=dtype,
            max_length=config["max_position_embeddings"],
            layer="last",
            textmodel_json_config=config,
            special_tokens=special_tokens,
            model_options=model_options or {},
        )
        if layers_skipped:
            # Set afterwards: the host's constructor refuses to stop after the first layer, which small encoders do.
            self.set_clip_options({"layer": -1 - layers_skipped})
            self.options_default = (self.layer, self.layer_idx, self.return_projected_pooled)
        # The host's class has the published vocabulary built in.
        embeddings = self.transformer.text_model.embeddings
        embeddings.token_embedding = self.operations.Embedding(
            config["vocab_size"], config["hidden_size"], device=device, dtype=dtype
        )


def make_clip(
    weights: dict[str, Tensor], config: dict[str, Any], tokenizer_files: dict[str, Tensor], layers_skipped: int
) -> comfy.sd.CLIP:
    """CLIP for CLIP Text Encode.

    Args:
        weights: state dict of transformers' CLIPTextModel.
        config: its config.json.
        tokenizer_files: file name -> its bytes as uint8; a CLIP tokenizer's.
        layers_skipped: how many of the last layers the denoiser was trained without.
    Raises:
        PointVidError: tensors are missing or do not fit.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, content in tokenizer_files.items():
            Path(folder, Path(name).name).write_bytes(bytes(content.tolist()))
        tokenizer = comfy.sd1_clip.SDTokenizer(
            folder,
            max_length=config["max_position_embeddings"],
            embedding_size=config["hidden_size"],
            embedding_key=_NAME,
            tokenizer_class=CLIPTokenizer,
        )
        pad = CLIPTokenizer.from_pretrained(folder).pad_token_id
    tokenizer.pad_token = pad
    special_tokens = {"start": tokenizer.start_token, "end": tokenizer.end_token, "pad": pad}
    target = comfy.supported_models_base.ClipTarget(
        # The host hands both constructors keywords of its own; the tokenizer is already made.
        partial(_Tokenizer, tokenizer),
        partial(
            comfy.sd1_clip.SD1ClipModel,
            name=_NAME,
            clip_model=partial(TextModel, config, layers_skipped, special_tokens),
        ),
    )
    weights = {key if key.startswith("text_") else f"text_model.{key}": value for key, value in weights.items()}
    # Only the pooled output would use it, and the denoiser takes tokens.
    weights.setdefault("text_projection.weight", torch.eye(config["hidden_size"]))
    clip = comfy.sd.CLIP(target, parameters=sum(value.numel() for value in weights.values()))
    missing, unknown = clip.load_sd(weights)
    unknown = [key for key in unknown if not key.endswith("position_ids")]
    if missing or unknown:
        raise PointVidError(f"text encoder: missing {missing[:8]}, unknown {unknown[:8]}; convert the checkpoint again")
    return clip


class _Tokenizer(comfy.sd1_clip.SD1Tokenizer):
    """The host's bundle of one tokenizer."""

    def __init__(self, tokenizer: comfy.sd1_clip.SDTokenizer, **_: Any):
        super().__init__(name=_NAME, tokenizer=lambda **_: tokenizer)
