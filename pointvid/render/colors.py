"""Colours of tracks: their own, by where they start, or by depth."""

from __future__ import annotations

import colorsys

import torch
from torch import Tensor

from ..tracks import PointTracks

# From near to far, sRGB: light and warm comes forward, dark and cold recedes.
NEAR_TO_FAR = ((255, 244, 140), (255, 176, 72), (240, 92, 92), (166, 56, 150), (84, 54, 170), (40, 60, 120))


def track_colors(tracks: PointTracks) -> Tensor:
    """uint8 [N, 3]: the tracks' own colours, or a rainbow where they have none."""
    return position_colors(tracks) if tracks.color is None else tracks.color.cpu()


def position_colors(tracks: PointTracks) -> Tensor:
    """uint8 [N, 3], told apart by where a track starts: hue from left to right, lighter towards the top."""
    wheel = torch.tensor([colorsys.hsv_to_rgb(0.85 * step / 255, 0.75, 1.0) for step in range(256)])
    queries = tracks.queries.cpu().nan_to_num()
    if not len(queries):
        return torch.zeros(0, 3, dtype=torch.uint8)
    low, high = queries.min(0).values, queries.max(0).values
    u, v = ((queries - low) / (high - low).clamp(min=1)).unbind(-1)
    hue = (u * 255).round().long()
    shade = 1 - 0.35 * v
    return (wheel[hue] * shade[:, None] * 255).round().to(torch.uint8)


def depth_colors(depth: Tensor, near: float, far: float) -> Tensor:
    """uint8 [..., 3] for depths [...]: from `near` to `far` in equal steps of 1/depth, which is what parallax shows."""
    stops = torch.tensor(NEAR_TO_FAR, dtype=torch.float32)
    span = max(1 / near - 1 / far, 1e-9)
    place = ((1 / near - 1 / depth.clamp(near, far)) / span).clamp(0, 1) * (len(stops) - 1)
    low = place.floor().long().clamp(max=len(stops) - 2)
    return torch.lerp(stops[low], stops[low + 1], (place - low)[..., None]).round().to(torch.uint8)
