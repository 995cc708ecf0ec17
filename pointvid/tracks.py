"""PointTracks: N points of a clip through its T frames."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .camera import Camera
from .depth import DEPTH_UNITS
from .errors import PointVidError

MOST_FPS = 10_000.0
"""Frames a second, of anything: cameras for science get there."""


def on_screen(u, v, image_size: tuple[int, int]):
    """Whether pixel positions (tensors or arrays) lie on an image of (H, W) pixels, whose centres are at integers."""
    height, width = image_size
    return (u >= -0.5) & (u <= width - 0.5) & (v >= -0.5) & (v <= height - 0.5)


def colors_at(frame: Tensor, queries: Tensor) -> Tensor:
    """The colour of the nearest pixel: frame [H, W, 3], queries [N, 2] (u, v) -> [N, 3]."""
    height, width = frame.shape[:2]
    column, row = queries.round().long().unbind(-1)
    return frame[row.clamp(0, height - 1), column.clamp(0, width - 1)]


@dataclass(frozen=True, eq=False)
class PointTracks:
    """N points of the reference frame (frame 0), followed through T frames in image space plus depth.

    Attributes:
        uvd: float32 [T, N, 3]: u right and v down in pixels of the clip (pixel centres at integers), depth along the
            camera's axis. The query of track n is `uvd[0, n, :2]`, exactly, also after smoothing.
        visible: bool [T, N]: False where the point is hidden or off screen.
        image_size: (H, W) of the clip, pixels.
        camera: intrinsics in pixels of the clip.
        depth_unit: "metric" (metres) or "relative" (unknown scale; flat 1.0 where no depth was given).
        fps: frames a second.
        color: uint8 [N, 3], RGB of the query pixel, or None.
        object_id: int32 [N], 0 for background, or None when objects are unknown.
    """

    uvd: Tensor
    visible: Tensor
    image_size: tuple[int, int]
    camera: Camera
    depth_unit: str = "relative"
    fps: float = 8.0
    color: Tensor | None = None
    object_id: Tensor | None = None

    def __post_init__(self) -> None:
        _expect(self.uvd, "uvd", torch.float32, (None, None, 3))
        frames, points = self.uvd.shape[:2]
        if frames == 0:
            raise PointVidError("tracks: uvd has 0 frames, expected at least 1")
        _expect(self.visible, "visible", torch.bool, (frames, points))
        if self.color is not None:
            _expect(self.color, "color", torch.uint8, (points, 3))
        if self.object_id is not None:
            _expect(self.object_id, "object_id", torch.int32, (points,))
        if self.depth_unit not in DEPTH_UNITS:
            raise PointVidError(f"tracks: depth_unit is {self.depth_unit!r}, expected one of {DEPTH_UNITS}")
        if not 0 < self.fps <= MOST_FPS:
            raise PointVidError(f"tracks: fps is {self.fps}, expected a number above 0, up to {MOST_FPS:g}")
        if len(self.image_size) != 2 or min(self.image_size) < 1:
            raise PointVidError(f"tracks: image_size is {self.image_size}, expected (height, width) in pixels")

    @property
    def num_frames(self) -> int:
        """T."""
        return self.uvd.shape[0]

    @property
    def num_points(self) -> int:
        """N."""
        return self.uvd.shape[1]

    @property
    def queries(self) -> Tensor:
        """float32 [N, 2], the (u, v) each track started from."""
        return self.uvd[0, :, :2]

    @property
    def xyz(self) -> Tensor:
        """float32 [T, N, 3] in camera space, in the unit of depth."""
        return self.camera.unproject(self.uvd)

    def select(self, index: Tensor) -> PointTracks:
        """The tracks picked by a bool or integer index over N."""
        return replace(
            self,
            uvd=self.uvd[:, index],
            visible=self.visible[:, index],
            color=None if self.color is None else self.color[index],
            object_id=None if self.object_id is None else self.object_id[index],
        )

    def to(self, device: torch.device | str) -> PointTracks:
        """The same tracks with every tensor on `device`."""
        return replace(
            self,
            uvd=self.uvd.to(device),
            visible=self.visible.to(device),
            color=None if self.color is None else self.color.to(device),
            object_id=None if self.object_id is None else self.object_id.to(device),
        )

    def replace(self, **changes: object) -> PointTracks:
        """A copy with some fields changed; the result is checked as a new one is."""
        return replace(self, **changes)


def _expect(tensor: Tensor, name: str, dtype: torch.dtype, shape: tuple[int | None, ...]) -> None:
    fits = tensor.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, tensor.shape))
    if not fits or tensor.dtype != dtype:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise PointVidError(f"tracks: {name} is {tensor.dtype} {list(tensor.shape)}, expected {dtype} [{wanted}]")
