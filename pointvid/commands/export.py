"""`pointvid export`: tracks in the formats that other programs read."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from .arguments import size

HELP = "write tracks for 3D and compositing programs, as CSV, JSON or HTML"
DETAILS = """Write tracks in other formats, beside the input or into --out:

  glb    animated point cloud: ComfyUI's Preview 3D, Blender, any glTF viewer
  ply    a folder with one point cloud a frame
  usda   time-sampled points as text: Houdini, Nuke, Maya, Blender (usdc, usdz: binary, need usd-core)
  csv    a row for each track and frame
  json   2D paths for Wan-Move, ATI and spline-editor nodes
  html   an interactive viewer in one file
  npz    the track file, for a sample given as input
  blender        a folder with a script that builds points and camera in Blender 4.2 or newer
  nuke           2D tracks as a Tracker node (.nk)
  after_effects  a folder with keyframe data of one 2D track a file, to paste onto layers"""
EXAMPLES = (
    "pointvid export demo/tracks.npz --format usda csv",
    "pointvid export demo/tracks.npz --format json --points 20 --frames 81 --out for_wan",
    "pointvid export 000017.pointvid.tar --format glb --hidden",
    "pointvid export demo/tracks.npz --format nuke --points 32 --size 1920x1080 --first-frame 1001",
)
FORMATS = ("glb", "ply", "usda", "usdc", "usdz", "csv", "json", "html", "npz", "blender", "nuke", "after_effects")
NAMES = {"ply": "{}_ply", "blender": "{}_blender", "nuke": "{}.nk", "after_effects": "{}_after_effects"}


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
    parser.add_argument(
        "--points", type=int, default=64, metavar="N", help="json, nuke, after_effects: how many paths (default: 64)"
    )
    parser.add_argument("--frames", type=int, metavar="N", help="json: stretch the motion to so many frames")
    parser.add_argument(
        "--size", type=size, metavar="WxH", help="json, nuke, after_effects: scale positions to a picture of this size"
    )
    parser.add_argument("--first-frame", type=int, default=1, metavar="N", help="nuke: number of frame 1 (default: 1)")


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
            path = folder / NAMES.get(name, f"{{}}.{name}").format(stem)
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

        return lambda tracks, path, video, progress: write_coordinate_json(
            tracks, path, args.frames, args.points, args.size
        )
    if name == "html":
        from ..export.html import write_html

        return lambda tracks, path, video, progress: write_html(
            tracks, path, video, title=Path(args.tracks).name, progress=progress
        )
    if name == "blender":
        from ..export.blender import write_blender

        return lambda tracks, path, video, progress: write_blender(tracks, path, args.hidden)
    if name == "nuke":
        from ..export.nuke import write_nuke

        return lambda tracks, path, video, progress: write_nuke(tracks, path, args.points, args.size, args.first_frame)
    if name == "after_effects":
        from ..export.after_effects import write_after_effects

        return lambda tracks, path, video, progress: write_after_effects(tracks, path, args.points, args.size)
    from ..files.track_file import save_tracks

    return lambda tracks, path, video, progress: save_tracks(tracks, path)
