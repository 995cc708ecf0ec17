"""A clip becomes foreground tracks: queries, tracker, foreground, smoothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..camera import Camera
from ..errors import PointVidError
from ..memory import memory_error
from ..points.smoothing import smooth_tracks
from ..progress import Progress, silent
from ..tracks import PointTracks
from .base import DepthMaps, Frames, Tracker, create_tracker
from .foreground import mask_from_tracks, moving_foreground
from .queries import dense_queries, grid_and_foreground_queries
from .spatracker.queries import paper_queries

_JUDGED = 10_000
"""Tracks that are looked at one by one to find what moves: more than the default queries are."""

QUERIES = ("auto", "grid", "dense", "paper")


@dataclass(frozen=True)
class TrackQuality:
    """How good the tracks are, as far as that can be told without the truth.

    Attributes:
        points: N.
        survival: share of tracks that are visible in the last frame.
        valid: share of (frame, track) pairs that are visible.
        jitter: median length of the second difference of visible (u, v), pixels / frame ** 2, as tracked.
        jitter_smoothed: the same after smoothing; equal to `jitter` without.
    """

    points: int
    survival: float
    valid: float
    jitter: float
    jitter_smoothed: float


@dataclass(frozen=True, eq=False)
class TrackedClip:
    """What `track_clip` makes of a clip.

    Attributes:
        tracks: of the foreground alone, coloured, with object ids.
        mask: bool [H, W], the foreground of frame 0.
        object_map: int32 [H, W], 0 for background, the object of each foreground pixel; None where it is not known.
        quality: of `tracks`.
        found_by: "mask" (given), "motion" (found from the tracks) or "everything".
    """

    tracks: PointTracks
    mask: Tensor
    object_map: Tensor | None
    quality: TrackQuality
    found_by: str


def track_clip(
    video: Frames,
    mask: Tensor | None = None,
    depth: DepthMaps | None = None,
    camera: Camera | None = None,
    depth_unit: str = "relative",
    tracker: str | Tracker = "lucas_kanade",
    everything: bool = False,
    grid: int = 80,
    extra: int = 1600,
    queries: str = "auto",
    smooth: bool = True,
    seed: int = 0,
    fps: float | None = None,
    progress: Progress = silent,
) -> TrackedClip:
    """Track the foreground of a clip.

    Args:
        video: uint8 [T, H, W, 3], or anything that gives its frames one by one (`video.VideoFile`).
        mask: bool [H, W] foreground of frame 0, or an integer map with an object's number at each pixel. None finds
            what moves by itself.
        depth: [T, H, W] along the camera's axis, above 0; None gives flat tracks of depth 1.0.
        camera: intrinsics in pixels of the clip; None is `Camera.default`.
        depth_unit: "metric" or "relative", what `depth` is in.
        tracker: a name in `base.TRACKERS`, or a tracker.
        everything: every pixel is foreground.
        grid: query points a side, over the whole image.
        extra: random query pixels, in the mask where one is given.
        queries: "grid" (those two); "dense", every pixel (`queries.dense_queries`); "paper", the published preset for
            SpaTracker (`spatracker.queries.paper_queries`; needs a mask); or "auto": dense for a tracker that follows
            every pixel anyway, else grid.
        smooth: smooth the tracks in time (Kalman, RTS).
        seed: of the random pixels.
        fps: frames a second; None takes `video.fps` where there is one, else 8.
    Raises:
        PointVidError: inputs that do not fit each other, an empty mask, or nothing that moves.
    """
    height, width = video.shape[1:3]
    if mask is not None:
        if everything:
            raise PointVidError("mask is given and everything is to be tracked; expected one of the two")
        _check_mask(mask, (height, width))
    follower = create_tracker(tracker) if isinstance(tracker, str) else tracker
    foreground = None if mask is None else mask != 0
    points = _queries(queries, follower, (height, width), foreground, grid, extra, seed)
    fps = float(fps or getattr(video, "fps", None) or 8.0)
    what = f"while tracking {len(points)} points through {video.shape[0]} frames of {height}x{width}"
    with memory_error(what, "use a smaller or shorter clip, or fewer points"):
        tracks = follower.track(video, points, depth, progress, camera, fps, depth_unit)
    device = tracks.uvd.device
    object_map = None
    if everything:
        found_by, mask = "everything", torch.ones(height, width, dtype=torch.bool, device=device)
    elif mask is None:
        found_by, (object_map, ids) = "motion", _moving_objects(tracks, seed)
        mask = object_map != 0
        tracks = tracks.replace(object_id=ids).select(ids != 0)
    else:
        found_by, ids = "mask", mask.to(device).to(torch.int32)
        u, v = points.to(device).round().long().unbind(-1)
        tracks = tracks.replace(object_id=ids[v, u])
        object_map, mask = ids, ids != 0
    smoothed = smooth_tracks(tracks) if smooth and tracks.num_frames > 2 else tracks
    return TrackedClip(smoothed, mask, object_map, _quality(tracks, smoothed), found_by)


def _moving_objects(tracks: PointTracks, seed: int) -> tuple[Tensor, Tensor]:
    """Object of each pixel of frame 0, int32 [H, W], and of each track, int32 [N]; 0 for the background.

    Of many tracks some are judged and the others are as the pixel they start at: the search grows faster than they do.
    """
    judged = tracks
    if tracks.num_points > _JUDGED:
        order = torch.randperm(tracks.num_points, generator=torch.Generator().manual_seed(seed))[:_JUDGED]
        judged = tracks.select(order.sort().values.to(tracks.uvd.device))
    ids = moving_foreground(judged, seed=seed).object_id
    object_map = mask_from_tracks(judged, ids)
    if judged is not tracks:
        u, v = tracks.queries.round().long().unbind(-1)
        ids = object_map[v, u]
    return object_map, ids


def _queries(
    kind: str,
    follower: Tracker,
    size: tuple[int, int],
    mask: Tensor | None,
    grid: int,
    extra: int,
    seed: int,
) -> Tensor:
    """float32 [N, 2]; of the foreground alone where it is known."""
    if kind not in QUERIES:
        raise PointVidError(f"queries is {kind!r}, expected one of {', '.join(QUERIES)}")
    if kind == "auto":
        kind = "dense" if getattr(follower, "follows_every_pixel", False) else "grid"
    if kind == "dense":
        return dense_queries(size, mask)
    if kind == "paper":
        if mask is None:
            raise PointVidError("queries is 'paper' and mask is not given; expected one, that preset starts in it")
        points = paper_queries(mask, seed)
    else:
        points = grid_and_foreground_queries(size, mask, grid, extra, seed)
    if mask is None:
        return points
    # The background is not asked for: a tracker that wants context adds its own.
    u, v = points.round().long().unbind(-1)
    return points[mask.cpu()[v, u]]


def _check_mask(mask: Tensor, size: tuple[int, int]) -> None:
    if tuple(mask.shape) != size:
        found = "x".join(map(str, mask.shape))
        raise PointVidError(f"mask is {found}, clip is {size[0]}x{size[1]} (HxW); expected the size of the clip")
    if mask.is_floating_point():
        raise PointVidError(f"mask is {mask.dtype}, expected bool or an integer map of objects; threshold it first")
    if not (mask != 0).any():
        raise PointVidError("mask is all zero, expected at least one foreground pixel; give none to find what moves")


def _quality(tracks: PointTracks, smoothed: PointTracks) -> TrackQuality:
    return TrackQuality(
        tracks.num_points,
        tracks.visible[-1].float().mean().item(),
        tracks.visible.float().mean().item(),
        jitter(tracks),
        jitter(smoothed),
    )


def jitter(tracks: PointTracks) -> float:
    """Median length of the second difference of (u, v), pixels / frame ** 2, over triples of visible frames."""
    uv, seen = tracks.uvd[..., :2], tracks.visible
    if len(uv) < 3:
        return 0.0
    bend = (uv[2:] - 2 * uv[1:-1] + uv[:-2]).norm(dim=-1)[seen[2:] & seen[1:-1] & seen[:-2]]
    return bend.median().item() if len(bend) else 0.0
