"""Text encoder, image encoder and VAE of an all-in-one checkpoint, for training and the command line.

Inside ComfyUI its own loaders serve the same parts. Needs transformers and diffusers (the extra `demo`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import PointVidError
from ..weights.read import check_keys
from .bases.base import base_model
from .checkpoint import Checkpoint, wants_float32


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """Prompts -> context tokens.

    Attributes:
        model: transformers' CLIPTextModel; tokenizer: its CLIPTokenizer.
        layers_skipped: how many of the last layers are left out, as the base was trained.
    """

    model: nn.Module
    tokenizer: Any
    layers_skipped: int

    def __call__(self, prompts: list[str]) -> Tensor:
        """[B,M,D]; prompts are cut and padded to the M tokens the model has positions for."""
        length = self.model.config.max_position_embeddings
        ids = self.tokenizer(prompts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        return self.tokens(ids.input_ids.to(next(self.model.parameters()).device))

    def tokens(self, ids: Tensor) -> Tensor:
        """Token ids [B,M] -> [B,M,D]; the final norm follows whichever layer is the last used."""
        output = self.model(ids, output_hidden_states=True)
        inner = getattr(self.model, "text_model", self.model)  # transformers 5 dropped this level
        return inner.final_layer_norm(output.hidden_states[-1 - self.layers_skipped])


@dataclass(frozen=True, eq=False)
class ImageEncoder:
    """Images -> CLIP embeddings. model: transformers' CLIPVisionModelWithProjection; mean, std: of its RGB input."""

    model: nn.Module
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 [B,H,W,3] -> [B,1,D]: the middle square, resized to what the encoder takes."""
        parameter = next(self.model.parameters())
        pixels = images.to(parameter.device).permute(0, 3, 1, 2).float() / 255
        side = min(pixels.shape[-2:])
        top, left = (pixels.shape[-2] - side) // 2, (pixels.shape[-1] - side) // 2
        size = self.model.config.image_size
        square = pixels[..., top : top + side, left : left + side]
        square = F.interpolate(square, (size, size), mode="bilinear", antialias=True)
        mean, std = (square.new_tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return self.model(((square - mean) / std).to(parameter.dtype)).image_embeds[:, None]


@dataclass(frozen=True, eq=False)
class VideoCodec:
    """Frames <-> scaled latents, one by one. model: diffusers' AutoencoderKL."""

    model: nn.Module

    def encode(self, frames: Tensor) -> Tensor:
        """[N,3,H,W] in [-1,1] -> [N,C,h,w]: the mean of the posterior, scaled."""
        parameter = next(self.model.parameters())
        posterior = self.model.encode(frames.to(parameter.device, parameter.dtype)).latent_dist
        return posterior.mode() * self.model.config.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        """[N,C,h,w] -> [N,3,H,W], about [-1,1], in the weights' precision also under autocast.

        Coordinates do not survive bfloat16: the small model's decoder then puts every point 15 px to the right, and
        stage 2 would teach the denoiser to make up for that.
        """
        parameter = next(self.model.parameters())
        latents = latents.to(parameter.device, parameter.dtype) / self.model.config.scaling_factor
        with torch.autocast(parameter.device.type, enabled=False):
            return self.model.decode(latents).sample


@dataclass(frozen=True, eq=False)
class Encoders:
    """What a generating run needs beside the denoiser; `image` is None for bases that take no image."""

    text: TextEncoder
    image: ImageEncoder | None
    video: VideoCodec


def load_encoders(
    checkpoint: Checkpoint, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> Encoders:
    """Build the encoders that an all-in-one checkpoint holds, in eval mode.

    Raises:
        PointVidError: the file lacks one, its weights do not fit its config, or a library is missing.
    """
    try:
        from diffusers import AutoencoderKL
        from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection
    except ImportError as error:
        raise PointVidError(
            f"{error.name} is not installed, expected it for work outside ComfyUI: pip install comfyui-pointvid[demo]"
        ) from error
    info = checkpoint.info
    adapter = base_model(info.base)
    needed = {"text_encoder", "tokenizer", "vae"} | (
        {"image_encoder"} if info.config.unet.image_conditioning else set()
    )
    missing = sorted(needed - set(checkpoint.parts))
    if missing:
        raise PointVidError(
            f"checkpoint holds no {', '.join(missing)}; expected an all-in-one file: convert without --unet-only"
        )

    def built(model: nn.Module, part: str) -> nn.Module:
        weights = checkpoint.parts[part]
        if part == "text_encoder" and not any(key.startswith("text_model.") for key in model.state_dict()):
            weights = {key.removeprefix("text_model."): value for key, value in weights.items()}
        check_keys(weights, model, part)
        model.load_state_dict(weights)
        own = torch.float32 if wants_float32(weights) else next(iter(weights.values())).dtype
        return nn.Module.to(model, device, dtype or own).eval()  # diffusers' own `to` warns of every cast

    configs = info.configs
    text = TextEncoder(
        built(CLIPTextModel(CLIPTextConfig.from_dict(configs["text_encoder"])), "text_encoder"),
        load_tokenizer(checkpoint.parts["tokenizer"]),
        adapter.text_layers_skipped,
    )
    image = None
    if "image_encoder" in needed:
        vision = CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(configs["image_encoder"]))
        processor = configs["image_processor"]
        mean, std = tuple(processor["image_mean"]), tuple(processor["image_std"])
        image = ImageEncoder(built(vision, "image_encoder"), mean, std)
    return Encoders(text, image, VideoCodec(built(AutoencoderKL.from_config(configs["vae"]), "vae")))


def load_tokenizer(files: Mapping[str, Tensor]) -> Any:
    """transformers' CLIPTokenizer of the files in a checkpoint."""
    from transformers import CLIPTokenizer

    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / Path(name).name).write_bytes(data.cpu().numpy().tobytes())
        return CLIPTokenizer.from_pretrained(folder)
