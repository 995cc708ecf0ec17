"""`pointvid export`: tracks in the formats that other programs read."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

HELP = "write tracks as GLB, PLY, USD, CSV, JSON or HTML"
DETAILS = """Write tracks in other formats, beside the input or into --out:

  glb    animated point cloud: ComfyUI's Preview 3D, Blender, any glTF viewer
  ply    a folder with one point cloud a frame
  usda   time-sampled points as text: Houdini, Nuke, Maya, Blender (usdc, usdz: binary, need usd-core)
  csv    a row for each track and frame
  json   2D paths for Wan-Move, ATI and spline-editor nodes
  html   an interactive viewer in one file
  npz    the track file, for a sample given as input"""
EXAMPLES = (
    "pointvid export demo/tracks.npz --format usda csv",
    "pointvid export demo/tracks.npz --format json --points 20 --frames 81 --out for_wan",
    "pointvid export 000017.pointvid.tar --format glb --hidden",
)
FORMATS = ("glb", "ply", "usda", "usdc", "usdz", "csv", "json", "html", "npz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("tracks", metavar="TRACKS", help="a track file (.npz) or a sample (.pointvid.tar)")
    parser.add_argument(
        "--format", nargs="+", required=True, choices=FORMATS, metavar="FORMAT", help=", ".join(FORMATS)
    )
    parser.add_argument("--out", metavar="DIR", help="folder for the results (default: beside TRACKS)")
    parser.add_argument(
        "--hidden", action="store_true", help="3D files: keep points where they are hidden or off screen"
    )
    parser.add_argument("--points", type=int, default=64, metavar="N", help="json: how many paths (default: 64)")
    parser.add_argument("--frames", type=int, metavar="N", help="json: stretch the motion to so many frames")


def run(args: argparse.Namespace) -> None:
    """Read the tracks and write each format."""
    from .inputs import read_tracks
    from .terminal import Bars

    tracks, video = read_tracks(args.tracks)
    source = Path(args.tracks)
    stem = source.name.split(".")[0]
    folder = Path(args.out) if args.out else source.parent
    with Bars() as progress:
        for name in args.format:
            path = folder / (f"{stem}_ply" if name == "ply" else f"{stem}.{name}")
            _writer(name, args)(tracks, path, video, progress)
            print(path)


def _writer(name: str, args: argparse.Namespace) -> Callable:
    """A function (tracks, path, video, progress) for one format."""
    if name == "glb":
        from ..export.glb import write_glb

        return lambda tracks, path, video, progress: write_glb(tracks, path, args.hidden, progress)
    if name == "ply":
        from ..export.ply import write_ply_sequence

        return lambda tracks, path, video, progress: write_ply_sequence(tracks, path, args.hidden, progress)
    if name.startswith("usd"):
        from ..export.usd import write_usd

        return lambda tracks, path, video, progress: write_usd(tracks, path, None, args.hidden, progress)
    if name == "csv":
        from ..export.csv import write_csv

        return lambda tracks, path, video, progress: write_csv(tracks, path, progress)
    if name == "json":
        from ..export.coordinates import write_coordinate_json

        return lambda tracks, path, video, progress: write_coordinate_json(tracks, path, args.frames, args.points)
    if name == "html":
        from ..export.html import write_html

        return lambda tracks, path, video, progress: write_html(
            tracks, path, video, title=Path(args.tracks).name, progress=progress
        )
    from ..track_file import save_tracks

    return lambda tracks, path, video, progress: save_tracks(tracks, path)
