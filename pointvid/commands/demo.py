"""`pointvid demo`: the main job on the clip that comes with the package."""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import add_out, add_tracking

ASSETS = Path(__file__).resolve().parent.parent / "assets"

HELP = "track the clip that comes with PointVid"
DETAILS = """Track the clip that comes with PointVid, with its depth and mask. Nothing is downloaded.
Writes the same files as `pointvid track`; open DIR/preview.html first."""
EXAMPLES = ("pointvid demo --out demo", "pointvid demo --out demo --all")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_out(parser)
    add_tracking(parser)


def run(args: argparse.Namespace) -> None:
    """Track the shipped clip and write the results."""
    from ..depth_file import read_depth, read_intrinsics
    from ..mask_file import read_mask
    from ..video import VideoFile
    from .tracking import track_and_write

    with VideoFile(ASSETS / "demo.mp4") as video:
        depth = read_depth(ASSETS / "demo_depth.npz", video.shape[0], video.framing)
        mask = None if args.all else read_mask(ASSETS / "demo_mask.png", video.framing)
        camera = read_intrinsics(ASSETS / "demo_depth.npz", video.framing)
        track_and_write(video, mask, depth, camera, args)
