"""CSV: one row a track and frame, for spreadsheets, R and Nuke's tracker import scripts."""

from __future__ import annotations

import os

import numpy as np

from ..files.atomic import atomic_path
from ..progress import Progress, silent
from ..tracks import PointTracks

COLUMNS = ("frame", "track", "u", "v", "depth", "x", "y", "z", "visible", "object")


def write_csv(tracks: PointTracks, path: str | os.PathLike, progress: Progress = silent) -> None:
    """Write u, v (pixels), depth, and x, y, z in camera space (x right, y down, z ahead), frame by frame.

    `object` is empty where objects are unknown.
    """
    uvd, xyz = tracks.uvd.cpu().numpy(), tracks.xyz.cpu().numpy()
    visible = tracks.visible.cpu().numpy()
    objects = [""] * tracks.num_points if tracks.object_id is None else tracks.object_id.tolist()
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(COLUMNS) + "\n")
        for frame in range(tracks.num_frames):
            numbers = np.concatenate((uvd[frame], xyz[frame]), 1).tolist()
            for track, (row, seen, owner) in enumerate(zip(numbers, visible[frame].tolist(), objects)):
                file.write(f"{frame},{track},{','.join(f'{value:.7g}' for value in row)},{seen:d},{owner}\n")
            progress(frame + 1, tracks.num_frames, "writing CSV")
