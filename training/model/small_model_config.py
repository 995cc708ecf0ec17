"""What the YAML of a small model may say (configs/tiny_model.yaml)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..config import Strict


class Range(Strict):
    """`pointvid.points.point_range.PointRange` of the points."""

    near: float = Field(gt=0)
    far: float = Field(gt=0)
    margin: float = Field(0.25, ge=0)


class Unet(Strict):
    """`pointvid.diffusion.bases.unet.config.UNetConfig`."""

    block_out_channels: tuple[int, ...]
    attention_levels: tuple[bool, ...]
    layers_per_block: int = Field(1, ge=1)
    cross_attention_dim: int = Field(ge=1)
    attention_head_dim: int = Field(ge=1)
    norm_num_groups: int = Field(32, ge=1)


class Autoencoder(Strict):
    """AutoencoderKL with Stable Diffusion's layout: `ddconfig` ch and ch_mult are channels[0] and its multiples."""

    channels: tuple[int, ...]
    layers_per_block: int = Field(1, ge=1)
    groups: int = Field(32, ge=1, description="of every GroupNorm; several channels a group, or colour cannot pass")


class Encoder(Strict):
    """A CLIP tower."""

    width: int = Field(ge=1)
    layers: int = Field(ge=1)
    heads: int = Field(ge=1)
    tokens: int = Field(16, ge=4, description="text: longest prompt")
    patch: int = Field(8, ge=1, description="image: pixels of a patch")
    size: int = Field(64, ge=1, description="image: pixels of a side")


class SmallModel(Strict):
    """A model of the full-size model's classes, made from scratch (configs/tiny_model.yaml)."""

    resolution: tuple[int, int] = Field(description="(H, W) pixels")
    frames: int = Field(16, ge=1)
    fps: float = Field(gt=0)
    point_range: Range
    unet: Unet
    entry_attention: Literal["spatial", "temporal", "channel", "none"] = "spatial"
    vae: Autoencoder
    text: Encoder
    image: Encoder
    words: list[str] = Field(description="the captions' vocabulary; other words are spelled")
