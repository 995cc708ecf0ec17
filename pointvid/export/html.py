"""One self-contained page that plays tracks: the viewer's modules and the data inside it, opens from disk."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

from ..errors import PointVidError
from ..report.page import data_url, render, write_page
from ..tracks import PointTracks
from .viewer_data import viewer_bytes

_TEMPLATE = Path(__file__).with_name("viewer_page.html")
_IMPORT = re.compile(r'(\bfrom\s+|\bimport\s+)"\./([\w.]+\.mjs)"')


def write_html(
    tracks: PointTracks,
    path: str | os.PathLike,
    video=None,
    compare: PointTracks | None = None,
    *,
    title: str = "PointVid",
    **options,
) -> None:
    """Write the page, atomically.

    Args:
        tracks: what is shown.
        path: the .html file.
        video: uint8 [T, H, W, 3] frames of the clip, or None.
        compare: a second set over the same frames, or None.
        title: of the page.
        **options: `names`, `max_points`, `image_side`, `jpeg_quality`, `progress` of `viewer_bytes`.

    Raises:
        PointVidError: as `viewer_bytes`; or the installation lacks the viewer's files.
    """
    write_page(path, _TEMPLATE, **_values(viewer_bytes(tracks, video, compare, title=title, **options), title))


def html_page(data: bytes, title: str = "PointVid") -> str:
    """The page around the bytes of a .pvt file."""
    return render(_TEMPLATE, **_values(data, title))


def viewer_folder() -> Path:
    """Where the viewer's modules lie: inside the installed package, or in the checkout's web/viewer."""
    package = Path(__file__).resolve().parents[1]
    folders = (package / "web", package.parent / "web" / "viewer")
    for folder in folders:
        if (folder / "viewer.mjs").is_file():
            return folder
    raise PointVidError(
        f"viewer files are missing: looked for viewer.mjs in {folders[0]} and {folders[1]}; reinstall comfyui-pointvid"
    )


def _values(data: bytes, title: str) -> dict[str, object]:
    """What the template shows.

    Modules cannot be fetched from a page on disk, so an import map names each one by a data URL; relative imports
    between them become the map's names.
    """
    urls = {
        f"pointvid/{module.name}": data_url(_bundled(module).encode(), "text/javascript")
        for module in sorted(viewer_folder().glob("*.mjs"))
    }
    return {"title": title, "modules": {"imports": urls}, "data": base64.b64encode(data).decode("ascii")}


def _bundled(module: Path) -> str:
    return _IMPORT.sub(r'\1"pointvid/\2"', module.read_text(encoding="utf-8"))
