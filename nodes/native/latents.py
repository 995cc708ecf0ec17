"""Latents of two streams in the host: their format, and each half through a VAE of the host's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import comfy.latent_formats
import torch
from torch import Tensor

if TYPE_CHECKING:
    from ...pointvid.diffusion.latents import LatentSpace


class VideoPointLatent(comfy.latent_formats.LatentFormat):
    """[B,2C,T',h,w]: the channels of the video, then those of the points.

    Args:
        rgb_factors: rough RGB of each channel of the video; the live preview shows that half only.
        scale_factor: of both halves.
    """

    latent_dimensions = 3

    def __init__(self, space: LatentSpace, rgb_factors: Sequence[Sequence[float]], scale_factor: float = 1.0):
        self.latent_channels = 2 * space.channels
        self.temporal_downscale_ratio, self.spacial_downscale_ratio = space.strides[:2]
        self.scale_factor = scale_factor
        self.latent_rgb_factors = [list(row) for row in rgb_factors] + [[0.0, 0.0, 0.0]] * space.channels


def decode_half(vae: Any, latents: Tensor, space: LatentSpace, *, chunk: int, report: Callable[[int], None]) -> Tensor:
    """One half [B,C,T',h,w], as the host keeps latents, through its VAE: IMAGE [B*T,H,W,3].

    Args:
        chunk: images decoded at once, where every frame is coded alone; clips are decoded one by one.
        report: called with the number of frames that are done.
    """
    parts = latents.transpose(1, 2).flatten(0, 1).split(chunk) if space.by_frame else latents.split(1)
    frames: list[Tensor] = []
    for part in parts:
        decoded = vae.decode(part)[..., :3]
        frames.append(decoded if space.by_frame else decoded.flatten(0, 1))
        report(sum(map(len, frames)))
    return torch.cat(frames)


def encode_half(vae: Any, frames: Tensor, space: LatentSpace) -> Tensor:
    """[B,3,T,H,W] in [-1,1] through the host's VAE: [B,C,T',h,w] as the host keeps latents."""
    images = frames.movedim(1, -1) / 2 + 0.5
    if space.by_frame:
        flat = vae.encode(images.flatten(0, 1))
        return flat.unflatten(0, (len(frames), -1)).transpose(1, 2)
    return torch.cat([vae.encode(clip) for clip in images])
