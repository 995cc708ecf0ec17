"""Sines and cosines of places, times and motions."""

from __future__ import annotations

import torch
from torch import Tensor


def fourier(x: Tensor, bands: int = 10, octaves: float = 10.0) -> Tensor:
    """[..., D] -> [..., D (1 + 2 bands)]: x, then sin and cos of 2^f x for `bands` frequencies f in 0..octaves."""
    frequencies = (2.0 ** torch.linspace(0.0, octaves, bands, dtype=torch.float32)).tolist()
    parts = [x]
    for frequency in frequencies:
        parts += [(x * frequency).sin(), (x * frequency).cos()]
    return torch.cat(parts, -1)


def motion_embedding(xyz: Tensor, channels: int = 64) -> Tensor:
    """[..., 3] -> [..., 3 channels + 3]: of each axis sin and cos in turn at linear frequencies, then xyz itself."""
    rate = torch.arange(0, channels, 2, device=xyz.device, dtype=xyz.dtype) * (1000.0 / channels)
    angle = xyz[..., None] * rate
    return torch.cat((torch.stack((angle.sin(), angle.cos()), -1).flatten(-3), xyz), -1)


def sincos(values: Tensor, channels: int, dtype: torch.dtype) -> Tensor:
    """[N] -> [N, channels]: sines, then cosines, of geometrically falling frequencies."""
    rate = 10000 ** -(torch.arange(channels // 2, dtype=torch.float64) / (channels / 2))
    angle = values.double()[:, None] * rate.to(values.device)
    return torch.cat((angle.sin(), angle.cos()), -1).to(dtype)


def position(xy: Tensor, size: tuple[int, int], channels: int) -> Tensor:
    """Embedding [N, channels] of places [N, 2]: that of whole cells of a grid (H, W), mixed bilinearly.

    Beyond the grid the edge's is taken.
    """
    tables = [sincos(torch.arange(side, device=xy.device), channels // 2, xy.dtype) for side in (size[1], size[0])]
    parts = []
    for values, table in zip(xy.unbind(-1), tables):
        low = values.floor()
        share = (values - low)[:, None]
        low = low.clamp(-1, len(table)).long()
        before, after = (table[index.clamp(0, len(table) - 1)] for index in (low, low + 1))
        parts.append(before * (1 - share) + after * share)
    return torch.cat(parts, -1)
