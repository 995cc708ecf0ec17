"""The pinhole camera that turns (u, v, depth) into (x, y, z) and back.

Axes: x right, y down, z along the view (OpenCV's). u right, v down, in pixels, pixel centres at integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .errors import PointVidError

FARTHEST = 1e9
"""Pixels. Focal lengths and centres beyond it, or below its inverse, overflow in float32."""


@dataclass(frozen=True)
class Camera:
    """Pinhole intrinsics in pixels of the clip they belong to.

    Of one clip and all its frames they are numbers. Of B clips, or of T frames that differ, they are float tensors [B],
    [T] or [B, T], which go with the first axes of what is projected.
    """

    fx: float | Tensor
    fy: float | Tensor
    cx: float | Tensor
    cy: float | Tensor

    def __post_init__(self) -> None:
        values = [torch.as_tensor(value, dtype=torch.float64) for value in self.intrinsics]
        sane = all((value.abs() <= FARTHEST).all() for value in values)  # no number that is not finite is
        if not sane or not all((f >= 1 / FARTHEST).all() for f in values[:2]):
            found = tuple(value.tolist() for value in values)
            raise PointVidError(
                f"camera has intrinsics {found}, expected finite (fx, fy, cx, cy) in pixels with fx, fy > 0, "
                f"none beyond {FARTHEST:g}"
            )

    @classmethod
    def default(cls, image_size: tuple[int, int]) -> Camera:
        """The camera assumed where none is known: f = W, as SpaTracker does, centred on the image (H, W).

        Its centre is ((W - 1) / 2, (H - 1) / 2), as pixel centres are at integers; 0.1 had it at (W / 2, H / 2). Files
        keep the camera that they were written with.
        """
        height, width = image_size
        return cls(float(width), float(width), (width - 1) / 2, (height - 1) / 2)

    @classmethod
    def from_fov(cls, image_size: tuple[int, int], fov_y: float) -> Camera:
        """Square pixels, vertical field of view `fov_y` in degrees, centred on the image (H, W)."""
        height, width = image_size
        f = height / (2 * math.tan(math.radians(fov_y) / 2))
        return cls(f, f, (width - 1) / 2, (height - 1) / 2)

    @property
    def intrinsics(self) -> tuple:
        """(fx, fy, cx, cy), pixels."""
        return self.fx, self.fy, self.cx, self.cy

    def resized(self, old: tuple[float, float], new: tuple[float, float]) -> Camera:
        """The same camera after its image was resized from `old` (H, W) to `new` (H, W); pixel centres at integers."""
        sy, sx = new[0] / old[0], new[1] / old[1]
        return Camera(self.fx * sx, self.fy * sy, (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5)

    def cropped(self, left: float, top: float) -> Camera:
        """The same camera after `left` columns and `top` rows were cut off its image."""
        return Camera(self.fx, self.fy, self.cx - left, self.cy - top)

    def unproject(self, uvd: Tensor) -> Tensor:
        """(u, v, depth) [..., 3] -> (x, y, z) [..., 3] in the unit of depth (paper section 3.1)."""
        fx, fy, cx, cy = self._along(uvd)
        u, v, d = uvd.unbind(-1)
        return torch.stack(((u - cx) / fx * d, (v - cy) / fy * d, d), -1)

    def project(self, xyz: Tensor) -> Tensor:
        """(x, y, z) [..., 3] -> (u, v, depth) [..., 3]. Points at z = 0 give infinities, as the camera does."""
        fx, fy, cx, cy = self._along(xyz)
        x, y, z = xyz.unbind(-1)
        return torch.stack((x / z * fx + cx, y / z * fy + cy, z), -1)

    def _along(self, points: Tensor) -> list:
        """The intrinsics, of tensors with axes of length 1 for the axes of points [..., 3] that they do not have."""
        return [
            value.reshape(value.shape + (1,) * (points.ndim - 1 - value.ndim)) if isinstance(value, Tensor) else value
            for value in self.intrinsics
        ]
