"""Which tracker a file of weights belongs to, and which files of a folder `auto` may take."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from ..errors import PointVidError
from .folder import models_folder

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
    keys = _keys(path)
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


def _keys(path: Path) -> list[str]:
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                return list(file.keys())
        found = torch.load(path, map_location="meta", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise PointVidError(f"{path.name} cannot be read ({reason}), expected a tracker's published weights") from error
    if isinstance(found, dict) and isinstance(found.get("model"), dict):
        found = found["model"]
    return [key for key in found if isinstance(key, str)] if isinstance(found, dict) else []
