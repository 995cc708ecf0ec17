"""Blender: a folder with the track file and a script that builds the scene from it, run inside Blender."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import PointVidError
from ..files.atomic import atomic_folder
from ..files.track_file import save_tracks
from ..render.colors import track_colors
from ..tracks import PointTracks

SCRIPT = Path(__file__).with_name("blender_script.py")


def write_blender(tracks: PointTracks, folder: str | os.PathLike, hidden: bool = False) -> None:
    """Write `tracks.npz` (the public track file) and `import_tracks.py` into `folder`.

    In Blender 4.2 or newer, open the script in the Text editor and run it, or start
    `blender --python FOLDER/import_tracks.py`. It adds the points as one mesh that moves without any handler or
    add-on, and the clip's camera, at the origin.

    Args:
        tracks: any tracks with at least one point.
        folder: appears whole; replaces an earlier export, and leaves what else lies in it.
        hidden: let the script show points in the frames where they are hidden, too. Blender can switch it later.
    Raises:
        PointVidError: there are no tracks, or nowhere to write.
    """
    if tracks.num_points == 0:
        raise PointVidError("tracks have 0 points, expected at least 1 to show in Blender")
    script = SCRIPT.read_text(encoding="utf-8")
    if hidden:
        script = script.replace("SHOW_HIDDEN = False", "SHOW_HIDDEN = True")
    with atomic_folder(folder, r"tracks\.npz|import_tracks\.py") as temporary:
        save_tracks(tracks.replace(color=track_colors(tracks)), temporary / "tracks.npz")
        (temporary / "import_tracks.py").write_text(script, encoding="utf-8")
