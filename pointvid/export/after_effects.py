"""After Effects: keyframe data as text, one file a track, to paste onto a layer (a null object, say)."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from ..files.atomic import atomic_folder
from ..tracks import PointTracks
from .paths_2d import paths_2d


def write_after_effects(
    tracks: PointTracks,
    folder: str | os.PathLike,
    max_tracks: int | None = 32,
    image_size: tuple[int, int] | None = None,
) -> None:
    """Write `track_0012.txt`, ... into `folder`: Position of track 12, and Opacity, 0 where the point is hidden.

    The text is what After Effects itself puts on the clipboard when keyframes are copied: select a layer at the time of
    the clip's first frame and paste. Positions are in pixels from the upper left corner of the composition.

    Args:
        tracks: any tracks; depth is dropped.
        folder: appears whole; track files of an earlier export in it are replaced, so that no two clips mix.
        max_tracks: at most this many, spread over the picture; None for all.
        image_size: (H, W) of the composition, if the clip was tracked at another size: positions are scaled to it.
    Raises:
        PointVidError: no track is ever visible, or nowhere to write.
    """
    paths = paths_2d(tracks, max_tracks, image_size)
    with atomic_folder(folder, r"track_\d{4,}\.txt") as temporary:
        for number, xy, seen in zip(paths.index.tolist(), paths.xy.swapaxes(0, 1), paths.visible.T):
            text = "\n".join(_lines(xy, seen, paths.image_size, tracks.fps))
            (temporary / f"track_{number:04d}.txt").write_text(text, encoding="ascii", newline="\r\n")


def _lines(xy: NDArray, seen: NDArray, image_size: tuple[int, int], fps: float) -> list[str]:
    known = np.isfinite(xy[:, 0])
    height, width = image_size
    header = {
        "Units Per Second": f"{fps:g}",
        "Source Width": width,
        "Source Height": height,
        "Source Pixel Aspect Ratio": 1,
        "Comp Pixel Aspect Ratio": 1,
    }
    return [
        "Adobe After Effects 8.0 Keyframe Data",
        "",
        *(f"\t{name}\t{value}" for name, value in header.items()),
        "",
        "Transform\tPosition",
        "\tFrame\tX pixels\tY pixels\tZ pixels",
        *(f"\t{frame}\t{xy[frame, 0]:.4f}\t{xy[frame, 1]:.4f}\t0" for frame in np.flatnonzero(known)),
        "",
        "Transform\tOpacity",
        "\tFrame\tpercent",
        *(f"\t{frame}\t{100 * shown:d}" for frame, shown in enumerate(seen & known)),
        "",
        "End of Keyframe Data",
        "",
    ]
