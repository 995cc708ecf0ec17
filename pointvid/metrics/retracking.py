"""Do the points go where the video goes? The video is tracked anew, from its pixels alone, and compared."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import PointVidError
from ..points.spread import spread_pixels
from ..progress import Progress, silent
from ..trackers.base import Frames, Tracker
from ..trackers.pipeline import track_points
from ..tracks import PointTracks
from .color import check_video
from .measurement import Measurement
from .trajectories import Measurable, share, trajectories

LIMIT = 256


def retracking(
    video: Frames,
    points: Measurable,
    limit: int = LIMIT,
    tracker: str | Tracker = "lucas_kanade",
    progress: Progress = silent,
) -> Measurement:
    """The distance in the image between the points and where a tracker finds their pixels of frame 0 again.

    Args:
        video: uint8 [T, H, W, 3], or anything that gives its frames one by one.
        points: tracks or a point map of that video.
        limit: how many points, evenly spread.
        tracker: any; by default the one without weights, so that nobody's training speaks.
        progress: the tracker's.
    Returns:
        "retracking" in px: the median over points and frames 1.., of the points that the tracker still sees; its
        coverage says how many those are. Few of them, say under a third, mean that the video fell apart or blurred.
        The course is the median of each frame.
    Raises:
        PointVidError: the video has other frames or another size than the points, or no point starts on screen.
    """
    found = trajectories(points)
    check_video(video, found)
    found = found.select(found.on_screen[0])
    if not found.uv.shape[1]:
        raise PointVidError("points are all off screen in frame 0, expected some on screen to track again")
    found = found.select(spread_pixels(found.uv[0], limit, found.counted.sum(0)))
    again = track_points(video, found.uv[0].float(), tracker=tracker, progress=progress)
    distance = (again.uvd[..., :2].cpu().double() - found.uv).norm(dim=-1)
    # A point said to be off screen cannot be confirmed, but one that is seen where it was said not to be is judged.
    counted = again.visible.cpu() & found.counted
    return Measurement(
        "retracking",
        "px",
        _median(distance[1:], counted[1:]),
        tuple(_median(distance[t], counted[t]) for t in range(len(distance))),
        coverage=share(counted[1:]),
    )


def track_video(
    video: Frames,
    mask: Tensor,
    limit: int = LIMIT,
    tracker: str | Tracker = "lucas_kanade",
    progress: Progress = silent,
) -> PointTracks:
    """Tracks of a video that came without: the same metrics then work on RGB alone, in the image.

    Args:
        video: uint8 [T, H, W, 3].
        mask: bool [H, W], the foreground of frame 0, from where `limit` pixels are taken, evenly spread.
    Returns:
        Flat PointTracks (depth 1, relative): distances are in the image, in units of the focal length.
    """
    v, u = mask.cpu().nonzero(as_tuple=True)
    if not len(u):
        raise PointVidError("mask is all zero, expected at least one foreground pixel to track")
    queries = torch.stack((u, v), -1).float()
    queries = queries[spread_pixels(queries, limit)]
    return track_points(video, queries, tracker=tracker, progress=progress)


def _median(values: Tensor, counted: Tensor) -> float:
    return values[counted].median().item() if counted.any() else float("nan")
