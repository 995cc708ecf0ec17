"""Where downloaded weights are kept: the layout of ComfyUI's `models` folder, so that one folder can serve both."""

from __future__ import annotations

import os
from contextlib import suppress
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
    pack = _pack()
    if pack:
        return pack.parent.parent / "models"
    cache = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    return Path(cache or Path.home() / ".cache") / "pointvid" / "models"


def download_command(name: str) -> str:
    """What the reader types to get `name`: in a pack of ComfyUI there is no command `pointvid`."""
    return f"`python -m pointvid download {name}` in the pack's folder" if _pack() else f"`pointvid download {name}`"


def _pack() -> Path | None:
    """This pack's folder in a ComfyUI's `custom_nodes`; None where the package lies elsewhere.

    A pack may be a link there to somewhere else, which Python resolves where it is started in the folder: the shell
    knows by which way it went.
    """
    here = Path(__file__).absolute().parents[2]
    places = [here]
    with suppress(OSError, KeyError):
        if Path(os.environ["PWD"]).samefile(here):
            places.append(Path(os.environ["PWD"]))
    return next((place for place in places if place.parent.name == "custom_nodes"), None)
