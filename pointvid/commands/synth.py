"""`pointvid synth`: clips whose every trajectory is known."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import PointVidError
from .arguments import LARGEST_SEED, MOST_FPS, add_out, number, size, whole

if TYPE_CHECKING:
    from ..synthetic.clip import SyntheticClip

HELP = "render synthetic clips with exact ground truth"
DETAILS = """Render clips of objects in contact, each with the truth about every pixel. For each clip a folder in DIR:

  clip.mp4       the video
  depth.npz      metric depth, float32 [T,H,W]
  mask.png       the movable objects in the first frame
  tracks.npz     the exact tracks
  preview.png    a picture
  clip.json      caption, labels, scene, seed

Needs MuJoCo: pip install "comfyui-pointvid[synthetic]"."""
EXAMPLES = ("pointvid synth --out clips --count 10", "pointvid synth --out clips --seed 7 --split test --size 448x256")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_out(parser)
    parser.add_argument("--count", type=whole(1, 10**9), default=1, metavar="N", help="how many clips (default: 1)")
    parser.add_argument(
        "--seed",
        type=whole(0, LARGEST_SEED // 2),
        default=0,
        help="the first clip's seed; the others follow (default: 0)",
    )
    parser.add_argument("--split", choices=("train", "val", "test"), default="train", help="default: train")
    parser.add_argument("--scene", metavar="NAME", help="one kind of scene (default: the seed chooses)")
    parser.add_argument("--frames", type=whole(1, 10_000), default=16, metavar="N", help="default: 16")
    parser.add_argument("--fps", type=number(0.1, MOST_FPS), default=24.0, help="frames a second (default: 24)")
    parser.add_argument("--size", type=size, default=(256, 448), metavar="WxH", help="default: 448x256")


def run(args: argparse.Namespace) -> None:
    """Render the clips, one folder each."""
    from tqdm import tqdm

    from .terminal import Bars

    try:
        from ..synthetic import ClipGenerator
    except ModuleNotFoundError as error:
        if error.name != "mujoco":
            raise
        raise PointVidError(
            'synthetic clips need MuJoCo, which is not installed; run: pip install "comfyui-pointvid[synthetic]"'
        ) from error
    with ClipGenerator(args.size) as generator, Bars() as progress:
        for done, seed in enumerate(range(args.seed, args.seed + args.count), 1):
            clip = generator(seed, args.split, args.frames, args.fps, args.scene)
            folder = Path(args.out) / f"{args.split}_{seed:06d}"
            _write_clip(folder, clip)
            progress(done, args.count, "rendering clips")
            tqdm.write(f"{folder}  {clip.caption}")


def _write_clip(folder: Path, clip: SyntheticClip) -> None:
    import numpy as np
    from PIL import Image

    from ..files.atomic import atomic_folder
    from ..files.track_file import save_tracks
    from ..files.video import write_video
    from .results import write_preview

    tracks = clip.tracks(clip.mask.nonzero().flip(-1))
    facts = {
        "caption": clip.caption,
        "labels": clip.labels,
        "scene": clip.scene,
        "split": clip.split,
        "seed": clip.seed,
        "fps": clip.fps,
        "camera": clip.camera.intrinsics,
        "objects": clip.object_names,
    }
    with atomic_folder(folder, r"clip\.mp4|depth\.npz|mask\.png|tracks\.npz|preview\.png|clip\.json") as temporary:
        write_video(temporary / "clip.mp4", clip.video, clip.fps, crf=12)
        np.savez_compressed(temporary / "depth.npz", depth=clip.depth.numpy())
        Image.fromarray(clip.mask.numpy()).save(temporary / "mask.png")
        save_tracks(tracks, temporary / "tracks.npz")
        write_preview(temporary / "preview.png", clip.video, tracks, tracks)
        (temporary / "clip.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
