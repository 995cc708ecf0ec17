"""What a base model is to the rest of PointVid. Another base, a diffusion transformer say, is one new file like these.

Nothing here loads encoders: the VAE, the text and the image encoder come in as callables, or as what they returned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...errors import PointVidError
from ..process import Schedule
from .unet.joint import JointConfig

FrameCodec = Callable[[Tensor], Tensor]
"""Frames [N,3,H,W] in [-1,1] -> scaled latents [N,4,h,w], or back."""


@dataclass(frozen=True, eq=False)
class Conditions:
    """What a denoiser is told beside the noisy latent: the keyword arguments of `VideoUNet.forward`.

    Attributes:
        context: text tokens [B,M,D].
        image_latents: [B,4,T,h,w] or None; image_embeds: [B,1,D] or None; fps: [B] or None.
    """

    context: Tensor
    image_latents: Tensor | None = None
    image_embeds: Tensor | None = None
    fps: Tensor | None = None

    def inputs(self) -> dict[str, Tensor]:
        """Those that are there, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Conditions:
        """The same on another device, in another floating dtype."""
        return replace(self, **{name: value.to(device, dtype) for name, value in self.inputs().items()})

    @staticmethod
    def cat(parts: list[Conditions]) -> Conditions:
        """Several as one batch; all must have the same conditions."""
        return Conditions(**{name: torch.cat([getattr(p, name) for p in parts]) for name in parts[0].inputs()})


class BaseModel(Protocol):
    """Everything that differs between base models."""

    name: ClassVar[str]
    """As checkpoints call it."""
    schedule: ClassVar[Schedule]
    """The published one; a checkpoint's own goes first."""
    fps: ClassVar[float]
    resolution: ClassVar[tuple[int, int]]
    """(H, W) in pixels that PointVid trains it at."""
    frames: ClassVar[int]
    lora_targets: ClassVar[tuple[str, ...]]
    """Name endings of the linear layers that low-rank training usually adapts."""
    text_layers_skipped: ClassVar[int]
    """How many of the text encoder's last layers are not used."""

    def build(self, config: JointConfig, **options: Any) -> nn.Module:
        """The joint denoiser; options: operations, dtype, device, attention."""

    def expand(self, base: Mapping[str, Tensor], config: JointConfig) -> dict[str, Tensor]:
        """Base weights -> the joint model's, behaving the same."""

    def extract(self, joint: Mapping[str, Tensor], config: JointConfig) -> dict[str, Tensor]:
        """The joint model's weights -> the base part of them."""

    def check_clip(self, frames: int, height: int, width: int) -> None:
        """Raise PointVidError where the model cannot take a clip of that size (pixels)."""

    def conditions(
        self, text: Tensor, frames: int, fps: float, image_latent: Tensor | None, image_embeds: Tensor | None
    ) -> Conditions:
        """From text tokens [B,M,D], the first frame's latent [B,4,h,w] and its CLIP embedding [B,D] or [B,1,D]."""

    def unconditional(self, conditions: Conditions, empty_text: Tensor) -> Conditions:
        """What the other half of classifier-free guidance is told; `empty_text` [1 or B,M,D] encodes ""."""


def base_model(name: str) -> BaseModel:
    """The adapter that a checkpoint names.

    Raises:
        PointVidError: no such base.
    """
    from .unet.i2vgen import I2VGenXL
    from .unet.modelscope import ModelScope

    known = {adapter.name: adapter for adapter in (I2VGenXL(), ModelScope())}
    if name not in known:
        raise PointVidError(f"base is {name!r}, expected one of {sorted(known)}")
    return known[name]


def encode_video(frames: Tensor, encode: FrameCodec, chunk: int = 8) -> Tensor:
    """Frames [B,3,T,H,W] in [-1,1] -> latents [B,4,T,h,w], `chunk` frames at a time. RGB and points alike."""
    batch, time = frames.shape[0], frames.shape[2]
    flat = frames.transpose(1, 2).flatten(0, 1)
    latents = torch.cat([encode(part) for part in flat.split(chunk)])
    return latents.unflatten(0, (batch, time)).transpose(1, 2)


def decode_video(latents: Tensor, decode: FrameCodec, chunk: int = 8) -> Tensor:
    """Latents [B,4,T,h,w] of one half -> frames [B,3,T,H,W], `chunk` frames at a time."""
    return encode_video(latents, decode, chunk)


def decode_video_in_little_memory(latents: Tensor, decode: FrameCodec, chunk: int) -> Tensor:
    """`decode_video` for a gradient: more pieces than one are computed again in the backward pass."""
    if latents.shape[0] * latents.shape[2] > chunk:
        decode = partial(checkpoint, decode, use_reentrant=False)
    return decode_video(latents, decode, chunk)


def join(video: Tensor, points: Tensor) -> Tensor:
    """Video and point latents [B,C,T,h,w] -> the joint latent [B,2C,T,h,w]."""
    if video.shape != points.shape:
        raise PointVidError(
            f"video latent is {list(video.shape)}, point latent is {list(points.shape)}, expected equal"
        )
    return torch.cat((video, points), 1)


def split(latent: Tensor) -> tuple[Tensor, Tensor]:
    """The joint latent [B,2C,T,h,w] -> video and point latents [B,C,T,h,w]."""
    if latent.ndim != 5 or latent.shape[1] % 2:
        raise PointVidError(f"joint latent is {list(latent.shape)}, expected [B, 2C, T, h, w]")
    video, points = latent.chunk(2, 1)
    return video, points


def check_clip(frames: int, height: int, width: int, multiple: int = 8) -> None:
    """The rule of models whose VAE works frame by frame: any number of frames, sides a multiple of `multiple`."""
    if frames < 1:
        raise PointVidError(f"length is {frames} frames, expected at least 1")
    if height < multiple or width < multiple or height % multiple or width % multiple:
        raise PointVidError(f"size is {height}x{width} (HxW), expected multiples of {multiple}")


def image_frames(latent: Tensor, frames: int) -> Tensor:
    """The image's latent [B,C,h,w] -> [B,C,T,h,w]: itself in frame 0, then frames of the constant k / (T-1)."""
    time = torch.arange(frames, device=latent.device, dtype=latent.dtype) / max(frames - 1, 1)
    repeated = time.view(1, 1, -1, 1, 1).expand(*latent.shape[:2], -1, *latent.shape[2:]).clone()
    repeated[:, :, 0] = latent
    return repeated
