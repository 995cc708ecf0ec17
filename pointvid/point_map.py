"""P, the pixel-aligned point tensor of the paper (section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .camera import Camera
from .depth import DEPTH_UNITS
from .errors import PointVidError
from .tracks import MOST_FPS, PointTracks, on_screen

UNKNOWN = -1
"""The object of a foreground pixel that is of no object known."""


@dataclass(frozen=True, eq=False)
class PointMap:
    """Where every foreground pixel of the reference frame has gone, in every frame.

    Attributes:
        points: float32 [T, H, W, 3]: entry (row v, column u) of EVERY frame holds the (u, v, depth) that the
            pixel (u, v) of frame 0 has in that frame. It is aligned to frame 0, not to its own frame. Background is 0.
        objects: int32 [H, W], the object of each pixel of frame 0: 0 is background, UNKNOWN foreground of no object
            known. A bool mask may be given in its place: its pixels become UNKNOWN.
        camera, depth_unit, fps: as in PointTracks.
        visible: bool [T, H, W], False where the pixel's point is hidden or off screen; None where that is not known.
    """

    points: Tensor
    objects: Tensor
    camera: Camera
    depth_unit: str = "relative"
    fps: float = 8.0
    visible: Tensor | None = None

    def __post_init__(self) -> None:
        if self.points.ndim != 4 or self.points.shape[-1] != 3 or self.points.dtype != torch.float32:
            raise PointVidError(
                f"point map: points is {self.points.dtype} {list(self.points.shape)}, "
                "expected torch.float32 [T, H, W, 3]"
            )
        objects = self.objects
        if objects.dtype == torch.bool:
            objects = torch.where(objects, UNKNOWN, 0).to(torch.int32)
            object.__setattr__(self, "objects", objects)
        for name, found, dtype, shape in (
            ("objects", objects, torch.int32, self.points.shape[1:3]),
            ("visible", self.visible, torch.bool, self.points.shape[:3]),
        ):
            if found is not None and (found.dtype != dtype or found.shape != shape):
                raise PointVidError(
                    f"point map: {name} is {found.dtype} {list(found.shape)}, expected {dtype} {list(shape)}"
                )
        if not 0 < self.fps <= MOST_FPS:
            raise PointVidError(f"point map: fps is {self.fps}, expected a number above 0, up to {MOST_FPS:g}")
        if self.depth_unit not in DEPTH_UNITS:
            raise PointVidError(f"point map: depth_unit is {self.depth_unit!r}, expected one of {DEPTH_UNITS}")

    @property
    def mask(self) -> Tensor:
        """bool [H, W]: the foreground of frame 0."""
        return self.objects != 0

    @property
    def knows_objects(self) -> bool:
        """Whether any foreground pixel's object is known."""
        return bool(((self.objects != 0) & (self.objects != UNKNOWN)).any())

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.points.shape[1], self.points.shape[2]

    def replace(self, **changes: object) -> PointMap:
        """A copy with some fields changed; the result is checked as a new one is."""
        return replace(self, **changes)

    def restricted(self, mask: Tensor) -> PointMap:
        """The same with the foreground of bool [H, W] alone; its points stay where they are."""
        return self.replace(objects=torch.where(mask, self.objects, 0))

    def to_tracks(self, frame0: Tensor | None = None, stride: int = 1) -> PointTracks:
        """The foreground pixels as tracks, each `stride`-th row and column.

        Args:
            frame0: uint8 [H, W, 3], gives the tracks their colours.
        Returns:
            PointTracks in row order of frame 0, with object ids where objects are known. A point counts as visible
            while it is in front of the camera, on screen and, where that is known, not hidden.
        """
        picked = torch.zeros_like(self.mask)
        picked[::stride, ::stride] = self.mask[::stride, ::stride]
        uvd = self.points[:, picked]
        u, v, d = uvd.unbind(-1)
        visible = (d > 0) & on_screen(u, v, self.image_size)
        if self.visible is not None:
            visible &= self.visible[:, picked]
        color = None if frame0 is None else frame0[picked]
        ids = self.objects[picked] if self.knows_objects else None
        return PointTracks(uvd, visible, self.image_size, self.camera, self.depth_unit, self.fps, color, ids)
