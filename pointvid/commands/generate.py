"""`pointvid generate`: a video and its 3D trajectories from an all-in-one checkpoint, without a host."""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import add_out, size

HELP = "generate a video and its 3D trajectories from an image and a prompt"
DETAILS = """Generate a video and the 3D trajectories of its pixels with an all-in-one checkpoint, without ComfyUI.
Writes video.mp4 and the same files as `pointvid track`; open DIR/preview.html first. Needs the extra `demo`."""
EXAMPLES = ('pointvid generate pointvid.safetensors --image first.png --prompt "a ball rolls off" --out ball',)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="an all-in-one .safetensors file")
    parser.add_argument("--prompt", required=True, help="what happens")
    parser.add_argument("--negative-prompt", default="", help="what should not be seen")
    parser.add_argument("--image", type=Path, help="the first frame; not needed for text-to-video bases")
    add_out(parser)
    parser.add_argument("--steps", type=int, default=50, help="DDIM steps (default: 50)")
    parser.add_argument("--guidance", type=float, default=9.0, help="how strongly the prompt counts (default: 9)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=size, metavar="WxH", help="default: what the model was trained at")
    parser.add_argument("--frames", type=int, help="default: what the model was trained at")
    parser.add_argument("--device", help="cuda, mps or cpu (default: cuda where there is one)")


def run(args: argparse.Namespace) -> None:
    """Generate and write the results."""
    import torch

    from ..agreement import generation_figures
    from ..checkpoint import load_checkpoint
    from ..encoders import load_encoders
    from ..errors import PointVidError
    from ..generate import generate
    from ..video import VideoFile, write_video
    from .results import write_results
    from .terminal import Bars

    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    out = Path(args.out)
    image = _image(args.image) if args.image else None
    with Bars() as bars:
        # half precision is slow on CPUs, and full precision needs twice the memory elsewhere
        checkpoint = load_checkpoint(args.checkpoint, torch.float32 if device == "cpu" else None, device)
        result = generate(
            checkpoint,
            load_encoders(checkpoint, device),
            args.prompt,
            image,
            negative_prompt=args.negative_prompt,
            steps=args.steps,
            guidance=args.guidance,
            seed=args.seed,
            size=args.size,
            frames=args.frames,
            device=device,
            progress=bars,
        )
        write_video(out / "video.mp4", result.video, result.point_map.fps)
        count = int(result.point_map.mask.sum())
        if not count:
            raise PointVidError(
                f"{args.checkpoint.name} generated no foreground points (stage {checkpoint.info.stage}), only "
                f"{out / 'video.mp4'} was written; expected a checkpoint trained through stage 1"
            )
        cloud = result.point_map.to_tracks(result.video[0])
        tracks = result.point_map.to_tracks(result.video[0], stride=max(1, result.video.shape[1] // 32))
        report = {"prompt": args.prompt, "seed": args.seed, "steps": args.steps, "points": count}
        report["generation"] = generation_figures(result.video, result.point_map).as_dict()
        with VideoFile(out / "video.mp4") as video:
            write_results(out, video, tracks, cloud, report, bars)
    print(f"wrote {out}: {count} points over {result.video.shape[0]} frames; open {out / 'preview.html'} first")


def _image(path: Path):
    import numpy as np
    import torch
    from PIL import Image

    from ..errors import PointVidError

    try:
        with Image.open(path) as image:
            return torch.from_numpy(np.array(image.convert("RGB")))
    except OSError as error:
        raise PointVidError(f"image {path}: {error.strerror or 'cannot be read'}, expected a picture file") from error
