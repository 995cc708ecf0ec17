"""One self-contained page that plays tracks: the viewer's modules and the data inside it, opens from disk."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from pathlib import Path

from ..errors import PointVidError
from ..files.atomic import atomic_path
from ..tracks import PointTracks
from .viewer_data import viewer_bytes

_IMPORT = re.compile(r'(\bfrom\s+|\bimport\s+)"\./([\w.]+\.mjs)"')

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
html, body {{ height: 100%; margin: 0; background: #15161a; color: #dcdee3; font: 13px/1.4 system-ui, sans-serif; }}
body {{ display: flex; flex-direction: column; }}
h1 {{ font-size: 13px; font-weight: 600; margin: 0; padding: 7px 12px; border-bottom: 1px solid #26282e; }}
main {{ flex: 1; min-height: 0; }}
</style>
<script type="importmap">{modules}</script>
</head>
<body>
<h1>{title}</h1>
<main id="viewer"><noscript>This page needs JavaScript to draw the point cloud.</noscript></main>
<script type="text/plain" id="data">{data}</script>
<script type="module">
import {{ createViewer }} from "pointvid/viewer.mjs";
const viewer = createViewer(document.getElementById("viewer"), {{ locale: navigator.language }});
const element = document.getElementById("data");
const text = atob(element.textContent);
element.remove();
const bytes = new Uint8Array(text.length);
for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
viewer.load(bytes.buffer);
globalThis.pointvidViewer = viewer;
</script>
</body>
</html>
"""


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
    page = html_page(viewer_bytes(tracks, video, compare, title=title, **options), title)
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def html_page(data: bytes, title: str = "PointVid") -> str:
    """The page around the bytes of a .pvt file.

    Modules cannot be fetched from a page on disk, so an import map names each one by a data URL; relative imports
    between them become the map's names.
    """
    urls = {
        f"pointvid/{module.name}": "data:text/javascript;base64," + _base64(_bundled(module).encode())
        for module in sorted(viewer_folder().glob("*.mjs"))
    }
    return _PAGE.format(title=html.escape(title), modules=json.dumps({"imports": urls}), data=_base64(data))


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


def _bundled(module: Path) -> str:
    return _IMPORT.sub(r'\1"pointvid/\2"', module.read_text(encoding="utf-8"))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
