"""Where downloaded weights are kept: the layout of ComfyUI's `models` folder, so that one folder can serve both."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "POINTVID_MODELS"
"""Environment variable that names the folder."""


def models_folder() -> Path:
    """The folder that commands read weights from and download them to; it need not exist.

    It is what POINTVID_MODELS names; else, where this package lies in a ComfyUI's `custom_nodes`, that ComfyUI's
    `models`; else `pointvid/models` in the user's cache folder.
    """
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE]).expanduser()
    pack = Path(__file__).resolve().parents[2]
    if pack.parent.name == "custom_nodes":
        return pack.parent.parent / "models"
    cache = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    return Path(cache or Path.home() / ".cache") / "pointvid" / "models"
