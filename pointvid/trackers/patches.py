"""Image pyramids, and patches sampled from them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

Pyramid = list[Tensor]
"""float32 [1, C, H / 2**l, W / 2**l] for l = 0, 1, ...; each pixel of a level averages 2x2 of the level below."""


def pyramid(frame: Tensor, levels: int) -> Pyramid:
    """The RGB pyramid of a uint8 frame [H, W, 3], in [0, 1], lightly blurred so that its gradients are trustworthy.

    Levels stop before a side falls below 16 pixels.
    """
    image = frame.movedim(-1, 0).float()[None] / 255
    levels_of_image = [_blur(image)]
    while len(levels_of_image) < levels and min(image.shape[-2:]) >= 32:
        pad = (0, image.shape[-1] % 2, 0, image.shape[-2] % 2)
        image = F.avg_pool2d(F.pad(image, pad, mode="replicate"), 2)
        levels_of_image.append(_blur(image))
    return levels_of_image


def grey(image: Tensor) -> Tensor:
    """The mean of the channels, [1, 1, H, W]."""
    return image.mean(1, keepdim=True)


def with_gradient(image: Tensor) -> Tensor:
    """[1, C, H, W] -> [1, 3 C, H, W]: the values, their derivatives along u, and along v (central differences)."""
    wide = F.pad(image, (1, 1, 1, 1), mode="replicate")
    du = (wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]) / 2
    dv = (wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]) / 2
    return torch.cat((image, du, dv), 1)


def to_level(uv: Tensor, level: int) -> Tensor:
    """Pixels of the clip to pixels of a pyramid level; centres at integers in both."""
    return (uv + 0.5) / 2**level - 0.5


def from_level(uv: Tensor, level: int) -> Tensor:
    """The inverse of `to_level`."""
    return (uv + 0.5) * 2**level - 0.5


def square(radius: int, device: torch.device, step: int = 1) -> tuple[Tensor, Tensor]:
    """The offsets (u, v) [P, 2] of a square patch, every `step`-th pixel, and Gaussian weights [P] that sum to 1."""
    line = torch.arange(-radius, radius + 1, step, device=device, dtype=torch.float32)
    v, u = torch.meshgrid(line, line, indexing="ij")
    offsets = torch.stack((u, v), -1).reshape(-1, 2)
    weight = torch.exp(-0.5 * offsets.square().sum(-1) / (0.7 * radius) ** 2)
    return offsets, weight / weight.sum()


def scaled(uv: Tensor, image: Tensor) -> Tensor:
    """Distances in pixels as `grid_sample` counts them: half the image's width and height are 1."""
    height, width = image.shape[-2:]
    return uv * uv.new_tensor((2 / max(width - 1, 1), 2 / max(height - 1, 1)))


def lookup(image: Tensor, uv: Tensor, offsets: Tensor | None = None) -> Tensor:
    """Bilinear samples of `image` [1, C, H, W] at `uv` [N, P, 2]; outside, the border's colour. Returns [C, N, P].

    `offsets`, already `scaled`, are added to `uv` [N, 1, 2].
    """
    grid = scaled(uv, image) - 1
    if offsets is not None:
        grid = grid + offsets
    return F.grid_sample(image, grid[None], padding_mode="border", align_corners=True)[0]


def _blur(image: Tensor) -> Tensor:
    """A 3-tap binomial blur of [1, C, H, W]."""
    wide = F.pad(image, (1, 1, 1, 1), mode="replicate")
    wide = 0.25 * wide[..., :-2] + 0.5 * wide[..., 1:-1] + 0.25 * wide[..., 2:]
    return 0.25 * wide[..., :-2, :] + 0.5 * wide[..., 1:-1, :] + 0.25 * wide[..., 2:, :]
