"""A small model of the full-size model's classes, from scratch: UNet, AutoencoderKL, two CLIP towers, tokenizer."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, CLIPVisionConfig, CLIPVisionModelWithProjection

from pointvid.denoiser.config import UNetConfig
from pointvid.denoiser.joint import JointConfig

from .config import Autoencoder, SmallModel

_SPECIAL = ("<|startoftext|>", "<|endoftext|>")


def joint_config(small: SmallModel) -> JointConfig:
    """The joint UNet's shape."""
    return JointConfig(UNetConfig(**small.unet.model_dump()), small.entry_attention)


def make_vae(config: Autoencoder) -> AutoencoderKL:
    """Random weights; Stable Diffusion's layout: 4 latent channels, attention in the middle, groups of 32."""
    levels = len(config.channels)
    return AutoencoderKL(
        block_out_channels=config.channels,
        layers_per_block=config.layers_per_block,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=4,
        norm_num_groups=32,
    )


def make_text_encoder(small: SmallModel, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Random weights, as wide as the UNet's context."""
    text = small.text
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=text.width,
        intermediate_size=4 * text.width,
        projection_dim=small.unet.cross_attention_dim,
        num_hidden_layers=text.layers,
        num_attention_heads=text.heads,
        max_position_embeddings=text.tokens,
        hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def make_image_encoder(small: SmallModel) -> CLIPVisionModelWithProjection:
    """Random weights; projects to the width of the UNet's context."""
    image = small.image
    config = CLIPVisionConfig(
        hidden_size=image.width,
        intermediate_size=4 * image.width,
        projection_dim=small.unet.cross_attention_dim,
        num_hidden_layers=image.layers,
        num_attention_heads=image.heads,
        image_size=image.size,
        patch_size=image.patch,
        hidden_act="gelu",
    )
    return CLIPVisionModelWithProjection(config)


def tokenizer_files(words: list[str]) -> dict[str, bytes]:
    """vocab.json and merges.txt of a CLIP tokenizer to which each of `words` is one token.

    A byte-pair encoding whose merges build exactly these words, letter by letter; any other word is spelled out in
    letters, so every prompt has tokens, and any program that reads CLIP tokenizers reads this one.
    """
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + [*"0123456789.,'!?-"]
    vocabulary = letters + [f"{letter}</w>" for letter in letters]
    merges: list[tuple[str, str]] = []
    for word in dict.fromkeys(word.lower() for word in words):
        left = word[0]
        for right in [*word[1:-1], f"{word[-1]}</w>"] if len(word) > 1 else []:
            if (left, right) not in merges:
                merges.append((left, right))
                vocabulary.append(left + right)
            left += right
    vocabulary = [*dict.fromkeys(vocabulary), *_SPECIAL]
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges), ""]
    return {
        "vocab.json": json.dumps({token: i for i, token in enumerate(vocabulary)}).encode(),
        "merges.txt": "\n".join(lines).encode(),
        "tokenizer_config.json": json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}).encode(),
    }


def load_tokenizer(files: dict[str, bytes], tokens: int) -> CLIPTokenizer:
    """The tokenizer in `files`; prompts are cut and padded to `tokens`."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        return CLIPTokenizer.from_pretrained(folder, model_max_length=tokens)


def as_tensors(files: dict[str, bytes]) -> dict[str, Tensor]:
    """Files as a checkpoint holds them: uint8 tensors."""
    return {name: torch.frombuffer(bytearray(content), dtype=torch.uint8) for name, content in files.items()}
