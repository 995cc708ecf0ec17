"""`pointvid demo`: both main jobs on what comes with the package: track a clip, and generate one."""

from __future__ import annotations

import argparse
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from .arguments import LARGEST_SEED, add_out, add_tracking, whole

ASSETS = Path(__file__).resolve().parent.parent / "assets"
SMALL_MODEL = ASSETS / "pointvid-small.safetensors"
START_IMAGE = ASSETS / "start.png"
START_PROMPT = "the blue box is pushed to the left"
STEPS, GUIDANCE = 16, 3.0

HELP = "track the clip that comes with PointVid, and generate one"
DETAILS = """Track the clip that comes with PointVid, with its depth and mask; then let the small model that comes with
it generate a video and its 3D tracks from a picture and a prompt. Nothing is downloaded. Writes the same files
as `pointvid track`; open DIR/preview.html and DIR/generated/preview.html first. Generating needs the extra
`demo`; without it only the tracking is done."""
EXAMPLES = (
    "pointvid demo --out demo",
    'pointvid demo --out demo --prompt "the blue box is lifted up"',
    "pointvid demo --out demo --no-generate",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_out(parser)
    add_tracking(parser)
    parser.add_argument("--prompt", default=START_PROMPT, help=f"what to generate (default: {START_PROMPT})")
    parser.add_argument("--seed", type=whole(0, LARGEST_SEED), default=0, help="of the generated clip (default: 0)")
    parser.add_argument("--no-generate", action="store_true", help="only track")


def run(args: argparse.Namespace) -> None:
    """Track the shipped clip, generate another, write the results of both."""
    from ..files.depth_file import read_depth
    from ..files.mask_file import read_mask
    from ..files.video import VideoFile
    from ..preprocess import Footage
    from .tracking import track_and_write

    with VideoFile(ASSETS / "demo.mp4") as video:
        depth = read_depth(ASSETS / "demo_depth.npz", video.shape[0], video.framing)
        mask = "everything" if args.all else read_mask(ASSETS / "demo_mask.png", video.framing)
        track_and_write(video, Footage(video, video.fps, mask=mask, depth=depth), args)
    if not args.no_generate:
        _generate(args)


def _generate(args: argparse.Namespace) -> None:
    """The small model's clip into DIR/generated, its figures into both reports."""
    from .generate import generate_and_write, read_image
    from .results import extend_report

    missing = [name for name in ("transformers", "diffusers") if find_spec(name) is None]
    if missing:
        print(
            f"pointvid: note: nothing was generated, {' and '.join(missing)} is not installed; "
            "pip install comfyui-pointvid[demo]",
            file=sys.stderr,
        )
        return
    out, began = Path(args.out), time.perf_counter()
    image = read_image(START_IMAGE)
    options = {"steps": STEPS, "guidance": GUIDANCE, "seed": args.seed}
    figures = generate_and_write(out / "generated", SMALL_MODEL, args.prompt, image, **options)
    figures["seconds"] = round(time.perf_counter() - began, 2)
    extend_report(out / "report.json", generation={"prompt": args.prompt, **figures})
    shown = ("agreement", "agreement_shuffled", "rigidity", "motion_px", "seconds")
    print("generation: " + ", ".join(f"{name} {figures[name]:.3g}" for name in shown))
