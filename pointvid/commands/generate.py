"""`pointvid generate`: a video and its 3D trajectories from an all-in-one checkpoint, without a host."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import add_out, size

if TYPE_CHECKING:
    from torch import Tensor

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
    image = read_image(args.image) if args.image else None
    generate_and_write(
        Path(args.out),
        args.checkpoint,
        args.prompt,
        image,
        args.device,
        negative_prompt=args.negative_prompt,
        steps=args.steps,
        guidance=args.guidance,
        seed=args.seed,
        size=args.size,
        frames=args.frames,
    )


def generate_and_write(
    out: Path, checkpoint_file: Path, prompt: str, image: Tensor | None, device: str | None = None, **options
) -> dict[str, float]:
    """Generate a clip, write it and its tracks to `out`, say so, and give back its figures.

    Args:
        image: uint8 [H, W, 3], or None for bases that take none.
        device: None: a GPU where there is one.
        options: of `pointvid.diffusion.generator.generate`.
    Raises:
        PointVidError: as `generate`, or nothing but the video came out.
    """
    import torch

    from ..diffusion.checkpoint import load_checkpoint
    from ..diffusion.encoders import load_encoders
    from ..diffusion.generator import generate
    from ..errors import PointVidError
    from ..files.video import VideoFile, write_video
    from ..metrics.agreement import generation_figures
    from .results import write_results
    from .terminal import Bars

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    with Bars() as bars:
        # half precision is slow on CPUs, and full precision needs twice the memory elsewhere
        checkpoint = load_checkpoint(checkpoint_file, torch.float32 if device == "cpu" else None, device)
        encoders = load_encoders(checkpoint, device)
        result = generate(checkpoint, encoders, prompt, image, device=device, progress=bars, **options)
        write_video(out / "video.mp4", result.video, result.point_map.fps)
        count = int(result.point_map.mask.sum())
        if not count:
            raise PointVidError(
                f"{checkpoint_file.name} generated no foreground points (stage {checkpoint.info.stage}), only "
                f"{out / 'video.mp4'} was written; expected a checkpoint trained through stage 1"
            )
        cloud = result.point_map.to_tracks(result.video[0])
        tracks = result.point_map.to_tracks(result.video[0], stride=max(1, result.video.shape[1] // 32))
        figures = generation_figures(result.video, result.point_map).as_dict()
        report = {"prompt": prompt, "seed": options["seed"], "steps": options["steps"], "points": count}
        with VideoFile(out / "video.mp4") as video:
            write_results(out, video, tracks, cloud, {**report, "generation": figures}, bars)
    print(f"wrote {out}: {count} points over {result.video.shape[0]} frames; open {out / 'preview.html'} first")
    return figures


def read_image(path: Path) -> Tensor:
    """A picture file as uint8 [H, W, 3]."""
    import torch

    from ..files.pictures import read_picture

    return torch.from_numpy(read_picture(path, f"image {path}"))
