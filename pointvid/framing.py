"""Framing: scale to cover another size, crop the middle; the same for pixels, masks, depth and camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .camera import Camera


@dataclass(frozen=True)
class Framing:
    """How a clip of `source` (H, W) becomes `target` (H, W): keep the aspect, cover the target, crop the middle."""

    source: tuple[int, int]
    target: tuple[int, int]

    @property
    def is_identity(self) -> bool:
        """True where nothing changes."""
        return self.source == self.target

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of the source that is kept, in pixels, edges at integers."""
        (h, w), (th, tw) = self.source, self.target
        scale = min(h / th, w / tw)
        left, top = (w - tw * scale) / 2, (h - th * scale) / 2
        return left, top, left + tw * scale, top + th * scale

    def pixels(self, frame: np.ndarray) -> np.ndarray:
        """uint8 [H, W, 3] of the source -> uint8 [H, W, 3] of the target, antialiased."""
        if self.is_identity:
            return frame
        height, width = self.target
        resized = Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS, box=self.box)
        return np.asarray(resized)

    def nearest(self, values: Tensor) -> Tensor:
        """[..., H, W] of the source -> [..., H, W] of the target, without mixing values: for masks and depth."""
        if self.is_identity:
            return values
        left, top, right, bottom = self.box
        height, width = self.target
        rows = (top + (torch.arange(height, dtype=torch.float64) + 0.5) * ((bottom - top) / height)).long()
        columns = (left + (torch.arange(width, dtype=torch.float64) + 0.5) * ((right - left) / width)).long()
        return values[..., rows.clamp(max=self.source[0] - 1), :][..., columns.clamp(max=self.source[1] - 1)]

    def camera(self, camera: Camera) -> Camera:
        """The source's camera as it is after the framing."""
        left, top, right, bottom = self.box
        return camera.cropped(left, top).resized((bottom - top, right - left), self.target)
