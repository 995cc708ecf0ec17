"""`pointvid track`: any clip becomes 3D tracks."""

from __future__ import annotations

import argparse

from .arguments import add_out, add_tracking, field_of_view, frame_count, intrinsics, number, size
from .objects import add_objects

HELP = "track a video in 3D and write the results"
DETAILS = """Track a video in 3D. Writes into DIR:

  tracks.npz     the tracks (docs/track-format.md)
  overlay.mp4    the tracks drawn over the video
  tracks.glb     the moving point cloud: ComfyUI's Preview 3D, Blender, any glTF viewer
  ply/           the same, one PLY a frame
  preview.html   an interactive viewer in one file
  preview.png    a picture
  report.json    what was done and the figures

The tracks are of what moves in front of the camera, or of what a mask marks; --all keeps the
background; --labels and --caption find what to track by its name. The 3D files hold every
foreground pixel, filled in between the tracks.

Depth comes from --depth, or is estimated by --depth-model. Without it the tracks are flat: their
depth is 1 everywhere."""
EXAMPLES = (
    "pointvid track clip.mp4 --out tracked",
    "pointvid track clip.mp4 --out tracked --start 2.5 --frames 48 --size 448x256",
    "pointvid track clip.mp4 --out tracked --mask mask.png --depth depth.npz --fov 40",
    "pointvid track clip.mp4 --out tracked --labels 'man, baseball bat' --segmenter models",
    "pointvid track clip.mp4 --out tracked --depth-model zoedepth-nyu-kitti",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("video", metavar="VIDEO", help="the clip, in any format FFmpeg reads")
    add_out(parser)
    parser.add_argument(
        "--mask", metavar="FILE", help="foreground: a PNG, or a video whose first frame counts; white is in"
    )
    depth = parser.add_mutually_exclusive_group()
    depth.add_argument(
        "--depth", metavar="FILE", help="metres: .npz or .npy, float [T,H,W], or a folder of 16-bit PNGs in millimetres"
    )
    depth.add_argument(
        "--depth-model",
        metavar="DIR",
        help="estimate the depth with the model of the transformers library in this folder (ZoeDepth, Depth Anything, "
        "...), or with the one of this name that `pointvid download` fetched",
    )
    parser.add_argument(
        "--depth-kind",
        choices=("auto", "metric", "disparity"),
        default="auto",
        help="what that model predicts: metres, or disparity of unknown scale (default: as its config says)",
    )
    parser.add_argument(
        "--frames", type=frame_count, default=16, metavar="N", help="how many frames, or 'all' (default: 16)"
    )
    parser.add_argument(
        "--size", type=size, metavar="WxH", help="scale and crop the clip to this size (default: as it is)"
    )
    parser.add_argument(
        "--start", type=number(0, 1e7), default=0.0, metavar="SECONDS", help="where to begin (default: 0)"
    )
    camera = parser.add_mutually_exclusive_group()
    camera.add_argument(
        "--camera",
        type=intrinsics,
        metavar="FX,FY,CX,CY",
        help="intrinsics in pixels of the clip file (default: those of a depth npz, else focal = width)",
    )
    camera.add_argument("--fov", type=field_of_view, metavar="DEGREES", help="vertical field of view of the clip file")
    add_tracking(parser)
    add_objects(parser)


def run(args: argparse.Namespace) -> None:
    """Track the clip and write the results."""
    from ..camera import Camera
    from ..depth import Depth
    from ..errors import PointVidError
    from ..files.depth_file import read_depth
    from ..files.mask_file import read_mask
    from ..files.video import VideoFile
    from ..preprocess import Footage
    from .objects import load_segmenter, named_labels
    from .tracking import find_depth_model, track_and_write

    with VideoFile(args.video, args.frames, args.size, args.start) as video:
        framing, frames = video.framing, video.shape[0]
        labels = named_labels(args)
        segmenter = None if labels is None else load_segmenter(args)
        if args.mask and args.all:
            raise PointVidError("--mask and --all are both given; expected one of the two")
        mask = read_mask(args.mask, framing, args.start) if args.mask else None
        depth = read_depth(args.depth, frames, framing, video.first_frame) if args.depth else Depth()
        if args.camera:
            depth = depth.replace(camera=framing.camera(Camera(*args.camera)))
        elif args.fov:
            depth = depth.replace(camera=framing.camera(Camera.from_fov(framing.source, args.fov)))
        model = find_depth_model(args.depth_model, args.depth_kind) if args.depth_model else None
        footage = Footage(
            video,
            video.fps,
            labels=tuple(labels or ()),
            mask="everything" if args.all else mask,
            depth=depth,
            unlabelled="labels is empty, expected at least one object to look for, such as 'dog' or 'red car'",
        )
        track_and_write(video, footage, args, segmenter, model)
