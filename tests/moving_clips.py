"""Clips made by hand whose every trajectory is known."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pointvid.camera import Camera
from pointvid.trackers.base import Tracked
from pointvid.tracks import PointTracks

SIZE, FRAMES, FPS = (64, 96), 8, 8.0
BOX = (14, 50, 12, 52)  # rows and columns in frame 0
STEP = 2  # pixels to the right, a frame


def texture(seed: int, size: tuple[int, int], low: int, high: int) -> Tensor:
    """uint8 [H, W, 3]: smooth noise that a tracker can hold on to."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, size[0] // 3 + 2, size[1] // 3 + 2, generator=generator)
    fine = F.interpolate(coarse, size, mode="bicubic", align_corners=False)[0].permute(1, 2, 0).clamp(0, 1)
    return (low + fine * (high - low)).round().to(torch.uint8)


def box_clip(seed: int = 0, frames: int = FRAMES, step: int = STEP, size: tuple[int, int] = SIZE) -> Tensor:
    """uint8 [T, H, W, 3]: a textured box that moves `step` pixels to the right a frame, before a still background."""
    top, bottom, left, right = BOX
    video = texture(seed, size, 0, 140).repeat(frames, 1, 1, 1)
    box = texture(seed + 1000, (bottom - top, right - left), 120, 255)
    for t in range(frames):
        video[t, top:bottom, left + step * t : right + step * t] = box
    return video


def box_mask(size: tuple[int, int] = SIZE) -> Tensor:
    """bool [H, W]: the box in frame 0."""
    mask = torch.zeros(size, dtype=torch.bool)
    mask[BOX[0] : BOX[1], BOX[2] : BOX[3]] = True
    return mask


def box_points(frames: int = FRAMES, step: int = STEP, depth: float = 1.0, size: tuple[int, int] = SIZE) -> Tensor:
    """float32 [T, H, W, 3]: where each pixel of the box is in each frame, 0 elsewhere."""
    v, u = torch.meshgrid(torch.arange(size[0]).float(), torch.arange(size[1]).float(), indexing="ij")
    points = torch.stack([torch.stack((u + step * t, v, torch.full_like(u, depth)), -1) for t in range(frames)])
    return points * box_mask(size)[None, :, :, None]


class Oracle:
    """A tracker that knows where the box goes; `damage` changes what it says."""

    def __init__(self, damage=lambda tracks: tracks):
        self.damage = damage

    def track(self, video, queries, depth=None, progress=None):
        frames, *size = video.shape[:3]
        u, v = queries.unbind(-1)
        in_box = box_mask(tuple(size))[v.long(), u.long()]
        t = torch.arange(frames).float()[:, None]
        d = torch.ones(frames, len(u))
        if depth is not None and depth.maps is not None:
            d = torch.stack([depth.maps[i] for i in range(frames)])[:, v.long(), u.long()]
        uvd = torch.stack((u + STEP * t * in_box, v.expand(frames, -1), d), -1)
        visible = torch.ones(uvd.shape[:2], dtype=torch.bool)
        tracks = self.damage(PointTracks(uvd, visible, tuple(size), Camera.default(tuple(size))))
        return Tracked(tracks.uvd[..., :2], tracks.visible, tracks.uvd[..., 2])
