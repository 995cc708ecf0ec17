"""What every 3D file shares: axes, colour space, and which points of a frame are shown."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..tracks import PointTracks


def world_points(tracks: PointTracks) -> np.ndarray:
    """float32 [T, N, 3] in the axes of 3D programs: x right, y up, the camera at the origin looking along -z."""
    return (tracks.xyz.cpu() * torch.tensor([1.0, -1.0, -1.0])).numpy()


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
