"""`pointvid view`: tracks in the browser."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "open tracks in an interactive viewer"
DETAILS = "Write tracks as a page that needs no network, and open it in the browser."
EXAMPLES = (
    "pointvid view demo/tracks.npz",
    "pointvid view demo/tracks.npz --video clip.mp4 --out tracks.html --no-open",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("tracks", metavar="FILE", help="a track file (.npz) or a sample (.pointvid.tar)")
    parser.add_argument("--video", metavar="VIDEO", help="the tracks' clip, shown behind them")
    parser.add_argument(
        "--out", metavar="HTML", help="the page, replaced where it is there (default: a temporary file)"
    )
    parser.add_argument("--no-open", action="store_true", help="only write the page")


def run(args: argparse.Namespace) -> None:
    """Write the page and open it."""
    import tempfile
    import webbrowser

    from ..errors import PointVidError
    from ..export.html import write_html
    from ..files.video import read_clip
    from .inputs import read_tracks, stem
    from .terminal import Bars

    tracks, video = read_tracks(args.tracks)
    if args.video:
        video = read_clip(args.video, tracks.num_frames, tracks.image_size).frames
    source = Path(args.tracks)
    path = Path(args.out) if args.out else Path(tempfile.mkdtemp(prefix="pointvid-")) / f"{stem(source)}.html"
    if path.suffix.lower() not in (".html", ".htm"):  # no track file is to be replaced by a page
        raise PointVidError(f"--out is {path}, expected a name that ends in .html")
    with Bars() as progress:
        write_html(tracks, path, video, title=source.name, progress=progress)
    print(path)
    if not args.no_open:
        webbrowser.open(path.resolve().as_uri())
