"""A clip becomes foreground tracks: queries, tracker, foreground, smoothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..camera import Camera
from ..depth import Depth
from ..errors import PointVidError
from ..memory import memory_error
from ..point_map import UNKNOWN
from ..points.smoothing import smooth_tracks
from ..progress import Progress, silent
from ..tracks import PointTracks, colors_at, on_screen
from .base import Frames, Tracker, check_clip
from .foreground import mask_from_tracks, moving_foreground, texture_at
from .lift import lift_tracks
from .queries import dense_queries, grid_and_foreground_queries, grid_queries
from .registry import create_tracker
from .settings import TrackSettings
from .spatracker.queries import paper_queries

_JUDGED = 10_000
"""Tracks that are looked at one by one to find what moves: more than the default queries are."""

_SCOUTS = 40
"""Points a side that are followed first where what moves is not known yet."""

Mask = Tensor | Literal["everything"] | None
"""bool [H, W] foreground of frame 0, or an integer map with an object's number at each pixel; "everything"; or None:
what moves by itself is to be found."""

FoundBy = Literal["mask", "motion", "everything"]


class NothingToFollow(PointVidError):
    """None of the queries that were asked for lies in the mask."""


@dataclass(frozen=True)
class TrackQuality:
    """How good the tracks are, as far as that can be told without the truth.

    Attributes:
        points: N.
        survival: share of tracks that are visible in the last frame.
        valid: share of (frame, track) pairs that are visible.
        acceleration: median length of the second difference of visible (u, v), pixels / frame ** 2; mostly the true
            one, and the tracker's noise on top.
    """

    points: int
    survival: float
    valid: float
    acceleration: float

    @classmethod
    def of(cls, tracks: PointTracks) -> TrackQuality:
        """Of these tracks."""
        return cls(
            tracks.num_points,
            tracks.visible[-1].float().mean().item(),
            tracks.visible.float().mean().item(),
            acceleration(tracks),
        )


@dataclass(frozen=True, eq=False)
class TrackedClip:
    """What `track_clip` makes of a clip.

    Attributes:
        tracks: of the foreground alone, coloured, with object ids where objects are known.
        objects: int32 [H, W], as in `PointMap`: what `densify` fills.
        quality: of `tracks`.
        found_by: "mask" (given), "motion" (found from the tracks) or "everything".
    """

    tracks: PointTracks
    objects: Tensor
    quality: TrackQuality
    found_by: FoundBy

    @property
    def mask(self) -> Tensor:
        """bool [H, W], the foreground of frame 0."""
        return self.objects != 0


def track_clip(
    video: Frames,
    *,
    mask: Mask = None,
    depth: Depth | None = None,
    tracker: str | Tracker = "lucas_kanade",
    settings: TrackSettings | None = None,
    progress: Progress = silent,
) -> TrackedClip:
    """Track the foreground of a clip.

    Args:
        video: what `read_clip` gives, or anything with frames uint8 [T, H, W, 3], asked for one by one. Frames a second
            are its `fps`, 8 where it has none (a tensor).
        mask: see `Mask`.
        depth: None gives flat tracks of depth 1.0 with `Camera.default`.
        tracker: a name in `registry.TRACKERS`, or a tracker.
        settings: which points are followed, and how smooth the tracks are to be; None: every default.
    Raises:
        PointVidError: inputs that do not fit each other, an empty mask, or nothing that moves.
    """
    settings = settings or TrackSettings()
    size = video.shape[1], video.shape[2]
    follower = create_tracker(tracker) if isinstance(tracker, str) else tracker
    foreground = _checked(mask, size) if isinstance(mask, Tensor) else None
    kind = getattr(follower, "default_queries", "grid") if settings.queries == "auto" else settings.queries
    found_by: FoundBy = "everything" if mask == "everything" else "motion" if foreground is None else "mask"
    objects = mask.to(torch.int32) if isinstance(mask, Tensor) else None
    if found_by == "motion" and kind == "grid" and settings.grid > _SCOUTS:
        # A few points find what moves, and what moves is then followed densely.
        scout = getattr(follower, "scout", follower)
        scouts = track_points(video, grid_queries(size, _SCOUTS), tracker=scout, progress=progress)
        objects = _moving_objects(scouts, video[0], settings.seed)[0].cpu()
        foreground = objects != 0
    points = _queries(settings, kind, size, foreground)
    what = f"while tracking {len(points)} points through {video.shape[0]} frames of {size[0]}x{size[1]}"
    with memory_error(what, "use a smaller or shorter clip, or fewer points"):
        tracks = track_points(video, points, depth=depth, tracker=follower, progress=progress)
    device = tracks.uvd.device
    if objects is not None:
        objects = objects.to(device)
        u, v = points.to(device).round().long().unbind(-1)
        tracks = tracks.replace(object_id=objects[v, u])
    elif found_by == "everything":
        objects = torch.full(size, UNKNOWN, dtype=torch.int32, device=device)
    else:
        objects, ids = _moving_objects(tracks, video[0], settings.seed)
        tracks = tracks.replace(object_id=ids).select(ids != 0)
    smoothed = smooth(tracks, settings)
    return TrackedClip(smoothed, objects, TrackQuality.of(smoothed), found_by)


def track_points(
    video: Frames,
    queries: Tensor,
    *,
    depth: Depth | None = None,
    tracker: str | Tracker = "lucas_kanade",
    progress: Progress = silent,
) -> PointTracks:
    """Follow given pixels of frame 0: the tracker, then what all trackers have in common.

    Args:
        video, depth, tracker: as in `track_clip`.
        queries: float [N, 2], (u, v) in pixels of frame 0. They come back exactly as `uvd[0, :, :2]`.
    Returns:
        Coloured tracks on the device of the frames; relative and of depth 1.0 without depth maps.
    Raises:
        PointVidError: the inputs do not fit each other.
    """
    check_clip(video, queries, depth)
    follower = create_tracker(tracker) if isinstance(tracker, str) else tracker
    known = depth or Depth()
    first = video[0]
    size = video.shape[1], video.shape[2]
    queries = queries.to(first.device, torch.float32)
    found = follower.track(video, queries, depth, progress)
    uv = torch.cat((queries[None], found.uv[1:]))
    visible = found.visible & on_screen(*uv.unbind(-1), image_size=size)
    visible[0] = True
    if found.depth is None:
        uvd = lift_tracks(uv, visible, known.maps)
    else:
        uvd = torch.cat((uv, found.depth[..., None]), -1)
    return PointTracks(
        uvd,
        visible,
        size,
        known.camera or Camera.default(size),
        known.unit,
        float(getattr(video, "fps", None) or 8.0),
        colors_at(first, queries),
    )


def smooth(tracks: PointTracks, settings: TrackSettings) -> PointTracks:
    """As the settings say; two frames have nothing to smooth."""
    if not settings.smooth or tracks.num_frames < 3:
        return tracks
    return smooth_tracks(tracks, tau=settings.tau, tau_depth=settings.tau_depth)


def _moving_objects(tracks: PointTracks, frame: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Object of each pixel of frame 0, int32 [H, W], and of each track, int32 [N]; 0 for the background.

    Of many tracks some are judged and the others are as the pixel they start at: the search grows faster than they do.
    """
    judged = tracks
    if tracks.num_points > _JUDGED:
        order = torch.randperm(tracks.num_points, generator=torch.Generator().manual_seed(seed))[:_JUDGED]
        judged = tracks.select(order.sort().values.to(tracks.uvd.device))
    texture = texture_at(frame, judged.queries)
    ids = moving_foreground(judged, seed=seed, texture=texture).object_id
    object_map = mask_from_tracks(judged, ids, frame)
    if judged is not tracks:
        u, v = tracks.queries.round().long().unbind(-1)
        ids = object_map[v, u]
    return object_map, ids


def _queries(settings: TrackSettings, kind: str, size: tuple[int, int], mask: Tensor | None) -> Tensor:
    """float32 [N, 2]; of the foreground alone where it is known."""
    if kind == "dense":
        return dense_queries(size, mask)
    if kind == "paper":
        if mask is None:
            raise PointVidError("queries is 'paper' and mask is not given; expected one, that preset starts in it")
        points = paper_queries(mask, settings.seed)
    else:
        points = grid_and_foreground_queries(size, mask, settings.grid, settings.extra, settings.seed)
    if mask is None:
        return points
    # The background is not asked for: a tracker that wants context adds its own.
    u, v = points.round().long().unbind(-1)
    inside = points[mask.cpu()[v, u]]
    if not len(inside):
        pixels = int(mask.sum())
        raise NothingToFollow(
            f"none of the {len(points)} points of the grid lies in the mask of {pixels} pixels; ask for a finer grid "
            "or more random points"
        )
    return inside


def _checked(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Where a mask or a map of objects is foreground, bool [H, W]."""
    if tuple(mask.shape) != size:
        found = "x".join(map(str, mask.shape))
        raise PointVidError(f"mask is {found}, clip is {size[0]}x{size[1]} (HxW); expected the size of the clip")
    if mask.is_floating_point():
        raise PointVidError(f"mask is {mask.dtype}, expected bool or an integer map of objects; threshold it first")
    if not (mask != 0).any():
        raise PointVidError("mask is all zero, expected at least one foreground pixel; give none to find what moves")
    return mask != 0


def acceleration(tracks: PointTracks) -> float:
    """Median length of the second difference of (u, v), pixels / frame ** 2, over triples of visible frames."""
    uv, seen = tracks.uvd[..., :2], tracks.visible
    if len(uv) < 3:
        return 0.0
    bend = (uv[2:] - 2 * uv[1:-1] + uv[:-2]).norm(dim=-1)[seen[2:] & seen[1:-1] & seen[:-2]]
    return bend.median().item() if len(bend) else 0.0
