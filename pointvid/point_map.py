"""P, the pixel-aligned point tensor of the paper (section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .camera import Camera
from .errors import PointVidError
from .tracks import DEPTH_UNITS, PointTracks, on_screen


@dataclass(frozen=True, eq=False)
class PointMap:
    """Where every foreground pixel of the reference frame has gone, in every frame.

    Attributes:
        points: float32 [T, H, W, 3]: entry (row v, column u) of EVERY frame holds the (u, v, depth) that the
            pixel (u, v) of frame 0 has in that frame. It is aligned to frame 0, not to its own frame. Background is 0.
        mask: bool [H, W]: the foreground of frame 0.
        camera, depth_unit, fps: as in PointTracks.
    """

    points: Tensor
    mask: Tensor
    camera: Camera
    depth_unit: str = "relative"
    fps: float = 8.0

    def __post_init__(self) -> None:
        if self.points.ndim != 4 or self.points.shape[-1] != 3 or self.points.dtype != torch.float32:
            raise PointVidError(
                f"point map: points is {self.points.dtype} {list(self.points.shape)}, "
                "expected torch.float32 [T, H, W, 3]"
            )
        if self.mask.dtype != torch.bool or self.mask.shape != self.points.shape[1:3]:
            height, width = self.points.shape[1:3]
            raise PointVidError(
                f"point map: mask is {self.mask.dtype} {list(self.mask.shape)}, expected torch.bool [{height}, {width}]"
            )
        if self.depth_unit not in DEPTH_UNITS:
            raise PointVidError(f"point map: depth_unit is {self.depth_unit!r}, expected one of {DEPTH_UNITS}")

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.points.shape[1], self.points.shape[2]

    def replace(self, **changes: object) -> PointMap:
        """A copy with some fields changed; the result is checked as a new one is."""
        return replace(self, **changes)

    def to_tracks(self, frame0: Tensor | None = None, stride: int = 1) -> PointTracks:
        """The foreground pixels as tracks, each `stride`-th row and column.

        Args:
            frame0: uint8 [H, W, 3], gives the tracks their colours.
        Returns:
            PointTracks in row order of frame 0. A point counts as visible while it is in front of the camera and on
            screen: P does not record occlusion.
        """
        picked = torch.zeros_like(self.mask)
        picked[::stride, ::stride] = self.mask[::stride, ::stride]
        uvd = self.points[:, picked]
        u, v, d = uvd.unbind(-1)
        visible = (d > 0) & on_screen(u, v, self.image_size)
        color = None if frame0 is None else frame0[picked]
        return PointTracks(uvd, visible, self.image_size, self.camera, self.depth_unit, self.fps, color)
