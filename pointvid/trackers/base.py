"""What every tracker is: a clip and pixels of its first frame in, tracks out."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import signature
from typing import Protocol

from torch import Tensor

from ..camera import Camera
from ..errors import PointVidError
from ..progress import Progress, silent
from ..tracks import PointTracks, on_screen


class Frames(Protocol):
    """A clip that need not sit in memory: a uint8 tensor [T, H, W, 3] is one, `video.VideoFile` another."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W, 3)."""

    def __getitem__(self, t: int) -> Tensor:
        """Frame `t`, uint8 [H, W, 3]; asked for once each, in rising t."""


class DepthMaps(Protocol):
    """Depth that need not sit in memory: a float32 tensor [T, H, W] is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W)."""

    def __getitem__(self, t: int) -> Tensor:
        """The depth of frame `t`, float32 [H, W]; asked for once each, in rising t."""


class Tracker(Protocol):
    """Follows points of frame 0 through a clip."""

    def track(
        self,
        video: Frames,
        queries: Tensor,
        depth: DepthMaps | None = None,
        progress: Progress = silent,
        camera: Camera | None = None,
        fps: float = 8.0,
        depth_unit: str = "relative",
    ) -> PointTracks:
        """Track `queries` through `video`.

        Args:
            video: uint8 [T, H, W, 3].
            queries: float32 [N, 2], (u, v) in pixels of frame 0. They come back exactly as `uvd[0, :, :2]`.
            depth: [T, H, W], above 0 along the camera's axis; None gives flat tracks of depth 1.0.
            progress: called about once a frame; may raise to cancel.
            camera: intrinsics in pixels of the clip; None is `Camera.default`.
            fps: frames a second, handed on to the tracks.
            depth_unit: what `depth` is in. Without depth the tracks are always "relative".
        """
        ...


TRACKERS: dict[str, str] = {
    "alltracker": ".alltracker.tracker:AllTracker",
    "lucas_kanade": ".lucas_kanade:LucasKanade",
    "spatracker": ".spatracker.tracker:SpaTracker",
}
"""Name -> "module:factory"; the module is imported when the tracker is asked for."""


def create_tracker(name: str, **options: object) -> Tracker:
    """The tracker called `name`, made with `options`.

    Raises:
        PointVidError: there is none of that name, or it has no such option.
    """
    if name not in TRACKERS:
        raise PointVidError(f"tracker is {name!r}, expected one of {', '.join(sorted(TRACKERS))}")
    module, _, factory = TRACKERS[name].partition(":")
    make: Callable[..., Tracker] = getattr(import_module(module, __package__), factory)
    surplus = sorted(set(options) - set(signature(make).parameters))
    if surplus:
        raise PointVidError(f"tracker {name} takes no {', '.join(surplus)}; leave that out or choose another tracker")
    return make(**options)


def check_clip(video: Frames, queries: Tensor, depth: DepthMaps | None = None) -> None:
    """Raise PointVidError where the inputs of a tracker do not fit each other."""
    if len(video.shape) != 4 or video.shape[-1] != 3 or min(video.shape) < 1:
        raise PointVidError(f"video is {list(video.shape)}, expected uint8 frames [T, H, W, 3] with at least one frame")
    frames, height, width = video.shape[:3]
    if queries.ndim != 2 or queries.shape[-1] != 2 or not queries.is_floating_point():
        raise PointVidError(f"queries is {queries.dtype} {list(queries.shape)}, expected float32 [N, 2] pixels (u, v)")
    if not len(queries):
        raise PointVidError("queries is empty, expected at least one pixel (u, v) of frame 0 to follow")
    outside = ~on_screen(*queries.unbind(-1), (height, width))
    if outside.any():
        bad = queries[outside][0].tolist()
        raise PointVidError(f"queries holds {bad}, which is off the {height}x{width} clip (HxW); expected pixels of it")
    if depth is None:
        return
    if len(depth.shape) != 3:
        raise PointVidError(f"depth is {list(depth.shape)}, expected float32 [T, H, W]")
    if tuple(depth.shape[1:]) != (height, width):
        found = f"{depth.shape[1]}x{depth.shape[2]}"
        raise PointVidError(f"depth is {found}, clip is {height}x{width} (HxW); expected the size of the clip")
    if depth.shape[0] < frames:
        raise PointVidError(f"depth has {depth.shape[0]} frames, clip has {frames}; expected one for each frame")
