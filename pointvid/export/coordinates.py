"""Coordinate JSON: the 2D paths that Wan-Move, ATI and spline-editor nodes take as a string.

The format is a list of tracks, each a list of `{"x": ..., "y": ...}` in pixels, one a frame. It cannot say that a point
is hidden, so the tracks that stay visible longest are chosen.
"""

from __future__ import annotations

import json
import os

import torch
from torch import Tensor

from ..errors import PointVidError
from ..files.atomic import atomic_path
from ..points.spread import spread_out
from ..tracks import PointTracks


def tracks_to_coordinate_json(
    tracks: PointTracks,
    num_frames: int | None = None,
    max_points: int | None = 64,
    image_size: tuple[int, int] | None = None,
) -> str:
    """The tracks as coordinate JSON.

    Args:
        tracks: any tracks; depth is dropped.
        num_frames: length to stretch the motion to (81 for Wan 2.1; the ATI nodes pad to 121), linear in between.
        max_points: at most this many tracks, spread over the image, those visible longest; None for all.
        image_size: (H, W) of the video to be made, if not the clip's: positions are scaled to it.
    Raises:
        PointVidError: there are no tracks.
    """
    if tracks.num_points == 0:
        raise PointVidError("tracks have 0 points, expected at least 1 to write coordinates")
    if max_points is not None and tracks.num_points > max_points:
        tracks = tracks.select(spread_out(tracks, max_points))
    uv = tracks.uvd[..., :2].cpu().double()
    if num_frames is not None and num_frames != tracks.num_frames:
        uv = _stretch(uv, num_frames)
    if image_size is not None:
        scale = torch.tensor([image_size[1] / tracks.image_size[1], image_size[0] / tracks.image_size[0]]).double()
        uv = (uv + 0.5) * scale - 0.5
    paths = uv.transpose(0, 1).tolist()
    return json.dumps([[{"x": round(x, 2), "y": round(y, 2)} for x, y in path] for path in paths])


def write_coordinate_json(
    tracks: PointTracks,
    path: str | os.PathLike,
    num_frames: int | None = None,
    max_points: int | None = 64,
    image_size: tuple[int, int] | None = None,
) -> None:
    """Write `tracks_to_coordinate_json` to a file."""
    text = tracks_to_coordinate_json(tracks, num_frames, max_points, image_size)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _stretch(uv: Tensor, frames: int) -> Tensor:
    at = torch.linspace(0, len(uv) - 1, frames, dtype=uv.dtype)
    low = at.floor().long().clamp(max=max(len(uv) - 2, 0))
    high = (low + 1).clamp(max=len(uv) - 1)
    return torch.lerp(uv[low], uv[high], (at - low)[:, None, None])
