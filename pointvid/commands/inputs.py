"""Reading whatever holds tracks: a track file or a training sample; and what can be measured, a video too."""

from __future__ import annotations

import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..errors import PointVidError
from ..files.npz import npz_names
from ..files.sample import read_sample
from ..files.tapvid3d import read_tapvid3d, read_tapvid3d_video
from ..files.track_file import load_tracks
from ..files.video import read_clip
from ..point_map import PointMap
from ..progress import Progress
from ..tracks import PointTracks

SUFFIXES = (".pointvid.tar", ".tar", ".npz")
"""How names of what holds tracks end."""

GRID = 48
"""Points a side that a video is followed by to be measured."""


@dataclass(frozen=True, eq=False)
class Measurable:
    """What a file holds to measure.

    Attributes:
        points: the tracks of a track file or a tracked video, the point map of a sample.
        video: uint8 [T, H, W, 3], or None.
        tracked: the points were found in the video just now.
    """

    points: PointTracks | PointMap
    video: Tensor | None = None
    tracked: bool = False


def read_tracks(path: str) -> tuple[PointTracks, Tensor | None]:
    """The tracks of a file, and its video where it has one.

    A sample gives a track for each foreground pixel.

    Raises:
        PointVidError: unreadable, or neither of the two.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".npz":
        return load_tracks(path), None
    if suffix == ".tar":
        sample = read_sample(path)
        return sample.point_map.to_tracks(sample.video[0]), sample.video
    raise PointVidError(f"{path} ends in {suffix or 'nothing'}, expected tracks (.npz) or a sample (.pointvid.tar)")


def stem(path: Path) -> str:
    """A file's name without what tells its kind: `clip.v2.npz` is `clip.v2`, `.tracks.npz` is `.tracks`."""
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix) and len(path.name) > len(suffix):
            return path.name[: -len(suffix)]
    return path.name


def read_points(path: str, video: str | None, progress: Progress) -> Measurable:
    """Read a track file (also TAPVid-3D's), a sample or a video.

    A video is tracked: what moves in it, or all of it where nothing does.

    Args:
        path: the file.
        video: the clip that belongs to the points; goes before a sample's own.
    Raises:
        PointVidError: unreadable.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".npz" and _is_tapvid3d(path):
        return Measurable(read_tapvid3d(path), read_clip(video).frames if video else read_tapvid3d_video(path))
    if suffix == ".npz":
        return Measurable(load_tracks(path), read_clip(video).frames if video else None)
    if suffix == ".tar":
        sample = read_sample(path)
        return Measurable(sample.point_map, read_clip(video).frames if video else sample.video)
    from ..trackers.foreground import NothingMoves, moving_foreground
    from ..trackers.pipeline import track_clip
    from ..trackers.settings import TrackSettings

    clip = read_clip(path)
    # Smoothing would hide what is to be measured.
    settings = TrackSettings(grid=GRID, extra=0, smooth=False)
    tracks = track_clip(clip, mask="everything", settings=settings, progress=progress).tracks
    with suppress(NothingMoves):
        found = moving_foreground(tracks)
        tracks = tracks.replace(object_id=found.object_id).select(found.moving)
    return Measurable(tracks, clip.frames, tracked=True)


def _is_tapvid3d(path: str) -> bool:
    """Whether an npz holds TAPVid-3D's arrays; what is no npz at all is for the reader of track files to refuse."""
    return Path(path).is_file() and zipfile.is_zipfile(path) and "tracks_XYZ" in npz_names(Path(path), "tracks file")
