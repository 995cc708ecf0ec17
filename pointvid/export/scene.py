"""What every 3D file shares: axes, colours, and which points of a frame are shown."""

from __future__ import annotations

import colorsys

import numpy as np
import torch
from torch import Tensor

from ..tracks import PointTracks


def world_points(tracks: PointTracks) -> np.ndarray:
    """float32 [T, N, 3] in the axes of 3D programs: x right, y up, the camera at the origin looking along -z."""
    return (tracks.xyz.cpu() * torch.tensor([1.0, -1.0, -1.0])).numpy()


def track_colors(tracks: PointTracks) -> Tensor:
    """uint8 [N, 3]: the tracks' own colours, or a rainbow over the image where they have none."""
    return position_colors(tracks) if tracks.color is None else tracks.color.cpu()


def position_colors(tracks: PointTracks) -> Tensor:
    """uint8 [N, 3], told apart by where a track starts: hue from left to right, lighter towards the top."""
    height, width = tracks.image_size
    wheel = torch.tensor([colorsys.hsv_to_rgb(0.85 * step / 255, 0.75, 1.0) for step in range(256)])
    u, v = tracks.queries.cpu().unbind(-1)
    hue = (u / max(width - 1, 1) * 255).round().long().clamp(0, 255)
    shade = 1 - 0.35 * (v / max(height - 1, 1)).clamp(0, 1)
    return (wheel[hue] * shade[:, None] * 255).round().to(torch.uint8)


def linear_colors(color: Tensor) -> np.ndarray:
    """float32 [N, 3] in [0, 1]: sRGB bytes to linear light, which glTF and USD store."""
    srgb = color.numpy().astype(np.float32) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)


def shown(tracks: PointTracks, hidden: bool) -> np.ndarray:
    """bool [T, N]: the visible points, all of them if `hidden`; never one that is not a finite position."""
    finite = torch.isfinite(tracks.xyz).all(-1)
    return (finite if hidden else finite & tracks.visible).cpu().numpy()


def frame_name(frame: int) -> str:
    """The name of a frame in files and folders."""
    return f"frame_{frame:04d}"
