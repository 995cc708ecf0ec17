"""Nuke: a Tracker node as script text, to open, import or paste."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from ..files.atomic import atomic_path
from ..tracks import PointTracks
from .paths_2d import paths_2d

# The columns of a Tracker4 node's table as Nuke itself writes them: type, shown, width, name, label, is a knob.
COLUMNS = (
    ("5 1 20", "enable", "e"),
    ("3 1 75", "name"),
    *(("2 1 58", name) for name in ("track_x", "track_y")),
    *(("2 1 63", name) for name in ("offset_x", "offset_y")),
    *(("4 1 27", name) for name in "TRS"),
    ("2 0 45", "error"),
    *(("1 1 0", name) for name in ("error_min", "error_max")),
    *(("1 1 0", f"{box}_{side}") for box in ("pattern", "search") for side in "xyrt"),
    ("2 1 0", "key_track"),
    *(("2 1 0", f"key_{box}_{side}") for box in ("search", "track") for side in "xyrt"),
    *(("2 1 0", f"key_centre_offset_{side}") for side in "xy"),
)
PATTERN, SEARCH = 12, 24  # half sides of the boxes of a track, pixels: where Nuke would look if tracking went on


def write_nuke(
    tracks: PointTracks,
    path: str | os.PathLike,
    max_tracks: int | None = 32,
    image_size: tuple[int, int] | None = None,
    first_frame: int = 1,
) -> None:
    """Write a few well visible tracks as a Tracker node (`Tracker4`, of Nuke 8 and newer).

    Nuke measures from the lower left corner of the picture, with pixel centres at halves. A position is keyed in every
    frame where it is known; the track's `enable` is off where the point is hidden.

    Args:
        tracks: any tracks; depth is dropped.
        path: the .nk file.
        max_tracks: at most this many, spread over the picture; None for all.
        image_size: (H, W) of the plate, if the clip was tracked at another size: positions are scaled to it.
        first_frame: Nuke's number of the clip's first frame.
    Raises:
        PointVidError: no track is ever visible, or nowhere to write.
    """
    paths = paths_2d(tracks, max_tracks, image_size)
    height, width = paths.image_size
    frames = np.arange(first_frame, first_frame + len(paths.xy))
    rows = []
    for number, xy, seen in zip(paths.index.tolist(), paths.xy.swapaxes(0, 1), paths.visible.T):
        known = np.isfinite(xy[:, 0])
        x, y = (_curve(frames[known], values[known]) for values in (xy[:, 0], height - xy[:, 1]))
        still = f"{{curve K x{first_frame} 0}}"
        cells = (_switch(frames, seen & known), f'"track {number}"', x, y, still, still, "1 0 0", still, "1 0")
        rows.append(f" {{ {' '.join(cells)} {_box(PATTERN)} {_box(SEARCH)} {'{} ' * 11}}}")
    columns = [f" {{ {kind} {name} {label[0] if label else name} 1 }}" for kind, name, *label in COLUMNS]
    lines = [
        "set cut_paste_input [stack 0]",
        "push $cut_paste_input",
        "Tracker4 {",
        f"tracks {{ {{ 1 {len(COLUMNS)} {len(rows)} }}",
        "{",
        *columns,
        "}",
        "{",
        *rows,
        "}",
        "}",
        f"reference_frame {first_frame}",
        f"center {{{width / 2:g} {height / 2:g}}}",
        f'label "{width}x{height}, {tracks.fps:g} fps"',
        "name PointVid",
        "selected true",
        "}",
    ]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="ascii", newline="\n")


def _curve(frames: NDArray, values: NDArray) -> str:
    """An animation curve that names the frame of every key, so that gaps need no rule."""
    return "{curve " + " ".join(f"x{frame} {value:.4f}" for frame, value in zip(frames, values)) + "}"


def _switch(frames: NDArray, on: NDArray) -> str:
    """A curve of constant pieces, keyed where it changes."""
    changes = np.flatnonzero(np.diff(on, prepend=~on[:1]))
    return "{curve K " + " ".join(f"x{frames[i]} {on[i]:d}" for i in changes) + "}"


def _box(half: int) -> str:
    return f"{-half} {-half} {half} {half}"
