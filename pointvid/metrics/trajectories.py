"""Tracks and point maps in the one form that metrics are computed on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import PointVidError
from ..point_map import PointMap
from ..tracks import PointTracks, on_screen


@dataclass(frozen=True, eq=False)
class Trajectories:
    """N points through T frames, in double precision on the CPU.

    Attributes:
        uv: float64 [T, N, 2], pixels.
        xyz: float64 [T, N, 3], camera space, in `unit`.
        counted: bool [T, N], what may be judged. Of tracks: where they are visible, since elsewhere a tracker guesses.
            Of a point map: everywhere, since it is a statement about every frame. Never what is not finite or not in
            front of the camera.
        object_id: int32 [N]; all 1 where objects are not known.
        image_size: (H, W), pixels.
        unit: "m", or "rel" where depth is relative.
        fps: frames a second.
    """

    uv: Tensor
    xyz: Tensor
    counted: Tensor
    object_id: Tensor
    image_size: tuple[int, int]
    unit: str
    fps: float

    @property
    def on_screen(self) -> Tensor:
        """bool [T, N], counted and inside the image."""
        return self.counted & on_screen(*self.uv.unbind(-1), image_size=self.image_size)

    def select(self, index: Tensor) -> Trajectories:
        """The points picked by a bool or integer index over N."""
        return replace(
            self,
            uv=self.uv[:, index],
            xyz=self.xyz[:, index],
            counted=self.counted[:, index],
            object_id=self.object_id[index],
        )


Points = PointTracks | PointMap
"""What is measured."""

Measurable = Points | Trajectories
"""What metrics take: points, or their trajectories where several metrics look at the same."""


def trajectories(points: Measurable) -> Trajectories:
    """The points of tracks, or the foreground pixels of a point map; trajectories are what they are.

    Raises:
        PointVidError: there is no point.
    """
    if isinstance(points, Trajectories):
        return points
    if isinstance(points, PointMap):
        mask = points.mask
        uvd, object_id = points.points[:, mask], points.objects[mask] if points.knows_objects else None
        counted = torch.ones(uvd.shape[:2], dtype=torch.bool, device=uvd.device)
    else:
        uvd, object_id, counted = points.uvd, points.object_id, points.visible
    if not uvd.shape[1]:
        what = "point map has no foreground pixel" if isinstance(points, PointMap) else "tracks hold no point"
        raise PointVidError(f"{what}, expected at least one to measure")
    uvd, counted = uvd.detach().cpu().double(), counted.cpu()
    counted = counted & torch.isfinite(uvd).all(-1) & (uvd[..., 2] > 0)
    if object_id is None:
        object_id = torch.ones(uvd.shape[1], dtype=torch.int32)
    unit = "m" if points.depth_unit == "metric" else "rel"
    xyz = points.camera.unproject(uvd)
    return Trajectories(uvd[..., :2], xyz, counted, object_id.cpu().int(), points.image_size, unit, float(points.fps))


def num_frames(points: Points) -> int:
    """T."""
    return points.points.shape[0] if isinstance(points, PointMap) else points.num_frames


def frame_means(values: Tensor, counted: Tensor) -> tuple[float, ...]:
    """The mean over the counted points of each frame, [T, N] both; NaN where none counts."""
    total = torch.where(counted, values, 0.0).sum(1)
    return tuple((total / counted.sum(1)).tolist())  # 0 / 0 is NaN


def overall_mean(values: Tensor, counted: Tensor) -> float:
    """The mean over all that counts, NaN where nothing does."""
    return values[counted].mean().item() if counted.any() else float("nan")


def share(counted: Tensor) -> float:
    """How much of a bool tensor is True; NaN of an empty one."""
    return counted.double().mean().item()
