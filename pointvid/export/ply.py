"""PLY: one point cloud a file, little-endian binary."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..files.atomic import atomic_folder
from ..progress import Progress, silent
from ..render.colors import track_colors
from ..tracks import PointTracks
from .scene import frame_name, shown, world_points

VERTEX = np.dtype(
    [(axis, "<f4") for axis in "xyz"]
    + [(channel, "u1") for channel in ("red", "green", "blue")]
    + [("visible", "u1"), ("track", "<i4")]
)
PLY_TYPES = {"<f4": "float", "|u1": "uchar", "<i4": "int"}


def write_ply_sequence(
    tracks: PointTracks, folder: str | os.PathLike, hidden: bool = False, progress: Progress = silent
) -> None:
    """Write `frame_0000.ply`, ... into `folder`, as Houdini, Blender and CloudCompare read sequences.

    Each holds the points of a frame: x, y, z (y up, -z ahead), colour, visible (0 or 1), track (the index over N).

    The folder appears whole. Frames of an earlier sequence in it are replaced, so that no two clips mix.
    """
    with atomic_folder(folder, r"frame_\d{4,}\.ply") as temporary:
        for frame in range(tracks.num_frames):
            _write(temporary / f"{frame_name(frame)}.ply", _vertices(tracks, frame, hidden))
            progress(frame + 1, tracks.num_frames, "writing PLY")


def _vertices(tracks: PointTracks, frame: int, hidden: bool) -> np.ndarray:
    one = tracks.replace(uvd=tracks.uvd[frame : frame + 1], visible=tracks.visible[frame : frame + 1])
    index = np.flatnonzero(shown(one, hidden)[0])
    vertices = np.empty(len(index), VERTEX)
    for axis, values in zip("xyz", world_points(one)[0, index].T):
        vertices[axis] = values
    # Colours come from the whole clip's frame 0: of one frame alone, a rainbow would change with the motion.
    for channel, values in zip(("red", "green", "blue"), track_colors(tracks).numpy()[index].T):
        vertices[channel] = values
    vertices["visible"] = one.visible[0].cpu().numpy()[index]
    vertices["track"] = index
    return vertices


def _write(path: Path, vertices: np.ndarray) -> None:
    properties = [f"property {PLY_TYPES[kind]} {name}" for name, kind in VERTEX.descr]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}", *properties, "end_header"]
    path.write_bytes("\n".join(header).encode("ascii") + b"\n" + vertices.tobytes())
