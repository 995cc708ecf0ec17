"""Frames as files and hosts have them, bytes, and as networks take them, in [-1, 1]."""

from __future__ import annotations

import torch
from torch import Tensor


def to_range(frames: Tensor) -> Tensor:
    """uint8 [...,H,W,3] -> float32 [...,3,H,W] in [-1, 1]."""
    return frames.movedim(-1, -3).float() / 127.5 - 1


def to_pixels(frames: Tensor) -> Tensor:
    """[...,3,H,W], clamped to [-1, 1] -> uint8 [...,H,W,3], contiguous."""
    return ((frames.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).movedim(-3, -1).contiguous()
