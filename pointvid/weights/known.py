"""Which tracker a file of weights belongs to, and which files of a folder `auto` may take."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from ..errors import PointVidError
from .folder import models_folder
from .read import state_dict_keys

FOLDER = "pointvid_trackers"
"""Where trackers lie in the models folder."""

SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")

# Beginnings of keys that only this tracker's published files hold, all of them.
_SIGNATURES = {
    "alltracker": ("visconf_head.", "update_block."),
    "spatracker": ("updateformer.", "headyz.", "zeroMLPflow."),
}
_NAMES = {"alltracker": "alltracker", "spatracker": "spat"}
"""How the published file names begin."""


def tracker_of(path: str | PathLike) -> str:
    """The name in `base.TRACKERS` that the weights in `path` are for, told by their keys.

    Raises:
        PointVidError: unreadable, or weights of something else.
    """
    path = Path(path)
    keys = state_dict_keys(path, "a tracker's published weights")
    for name, beginnings in _SIGNATURES.items():
        if all(any(key.startswith(beginning) for key in keys) for beginning in beginnings):
            return name
    some = ", ".join(sorted(keys)[:3]) or "no tensors"
    raise PointVidError(
        f"{path.name} holds {some}, expected the published weights of AllTracker (alltracker.pth) or SpaTracker "
        "(spaT_final.pth)"
    )


def find_weights(tracker: str, files: Iterable[Path] | None = None) -> Path | None:
    """The file of `tracker` among `files`, known by how its published name begins; None where there is none.

    Of several, the first by name is taken, which of AllTracker's two is the larger.

    Args:
        tracker: "alltracker" or "spatracker".
        files: where to look; None looks into FOLDER of the models folder.
    """
    if files is None:
        folder = models_folder() / FOLDER
        files = folder.iterdir() if folder.is_dir() else ()
    found = [
        path
        for path in files
        if path.suffix.lower() in SUFFIXES and path.name.lower().startswith(_NAMES[tracker]) and path.is_file()
    ]
    return min(found, key=lambda path: path.name.lower(), default=None)
