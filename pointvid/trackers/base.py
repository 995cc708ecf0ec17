"""What every tracker is: a clip and pixels of its first frame in, where they go in the image out."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor

from ..depth import Depth
from ..errors import PointVidError
from ..progress import Progress, silent
from ..tracks import on_screen


class Frames(Protocol):
    """A clip that need not sit in memory: a uint8 tensor [T, H, W, 3] is one, `video.VideoFile` another.

    Frames a second are its attribute `fps`, where it has one.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W, 3)."""
        ...

    def __getitem__(self, t: int, /) -> Tensor:
        """Frame `t`, uint8 [H, W, 3]; asked for in rising t, perhaps several times over."""
        ...


class Tracked(NamedTuple):
    """What a tracker found; `pipeline.track_points` makes `PointTracks` of it.

    Attributes:
        uv: float32 [T, N, 2], pixels of the clip. Frame 0 is overwritten with the queries.
        visible: bool [T, N]. Points off screen count as hidden whatever is said here.
        depth: float32 [T, N] along the camera's axis, above 0, of a tracker that tracks in 3D; None: read from the
            depth maps.
    """

    uv: Tensor
    visible: Tensor
    depth: Tensor | None = None


class Tracker(Protocol):
    """Follows points of frame 0 through a clip.

    A tracker that follows every pixel anyway says so by an attribute `default_queries = "dense"`. One may have an
    attribute `scout`, a faster tracker that is good enough to find out what moves.
    """

    def track(self, video: Frames, queries: Tensor, depth: Depth | None = None, progress: Progress = silent) -> Tracked:
        """Track `queries` through `video`.

        Args:
            video: uint8 [T, H, W, 3].
            queries: float32 [N, 2], at least one, (u, v) in pixels of frame 0 and on it; on the device of its frames.
            depth: of the clip, for trackers that need it. Others leave it: the pipeline lifts what they found.
            progress: called about once a frame; may raise to cancel.
        """
        ...


def check_clip(video: Frames, queries: Tensor, depth: Depth | None = None) -> None:
    """Raise PointVidError where the inputs of a tracker do not fit each other."""
    if len(video.shape) != 4 or video.shape[-1] != 3 or min(video.shape) < 1:
        raise PointVidError(f"video is {list(video.shape)}, expected uint8 frames [T, H, W, 3] with at least one frame")
    frames, height, width = video.shape[:3]
    if queries.ndim != 2 or queries.shape[-1] != 2 or not queries.is_floating_point():
        raise PointVidError(f"queries is {queries.dtype} {list(queries.shape)}, expected float32 [N, 2] pixels (u, v)")
    if not len(queries):
        raise PointVidError("queries is empty, expected at least one pixel (u, v) of frame 0 to follow")
    outside = ~on_screen(*queries.unbind(-1), image_size=(height, width))
    if outside.any():
        bad = queries[outside][0].tolist()
        raise PointVidError(f"queries holds {bad}, which is off the {height}x{width} clip (HxW); expected pixels of it")
    if depth is None or depth.maps is None:
        return
    if tuple(depth.maps.shape[1:]) != (height, width):
        found = f"{depth.maps.shape[1]}x{depth.maps.shape[2]}"
        raise PointVidError(f"depth is {found}, clip is {height}x{width} (HxW); expected the size of the clip")
    if depth.maps.shape[0] < frames:
        raise PointVidError(f"depth has {depth.maps.shape[0]} frames, clip has {frames}; expected one for each frame")
