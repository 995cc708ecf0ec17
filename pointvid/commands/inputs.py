"""Reading whatever holds tracks: a track file or a training sample."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ..errors import PointVidError
from ..sample import read_sample
from ..track_file import load_tracks
from ..tracks import PointTracks


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
