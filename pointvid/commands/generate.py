"""`pointvid generate`: a video and its 3D trajectories from an all-in-one checkpoint, without a host."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import LARGEST_SEED, add_out, number, pair, share, size, whole

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
    parser.add_argument("--steps", type=whole(1, 100_000), help="of sampling (default: what the model recommends)")
    parser.add_argument(
        "--guidance", type=number(-1000, 1000), help="how strongly the prompt counts (default: the model's)"
    )
    parser.add_argument(
        "--inner-guidance",
        type=pair,
        metavar="TEXT,POINTS",
        help="instead of --guidance: away from ignoring the prompt, and the model's own points; VideoJAM uses 5,3",
    )
    parser.add_argument(
        "--rigidity-guidance",
        type=share,
        metavar="SHARE",
        help="0 to 1: of the points' bending, how much every late step aims to take away (0.5 is a start)",
    )
    parser.add_argument("--seed", type=whole(0, LARGEST_SEED), default=0)
    parser.add_argument("--size", type=size, metavar="WxH", help="default: what the model was trained at")
    parser.add_argument("--frames", type=whole(1, 10_000), help="default: what the model was trained at")
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
        image_size=args.size,
        frames=args.frames,
        inner=args.inner_guidance,
        rigidity=args.rigidity_guidance,
    )


def generate_and_write(
    out: Path, checkpoint_file: Path, prompt: str, image: Tensor | None, device: str | None = None, **options
) -> dict[str, float]:
    """Generate a clip, write it and its tracks to `out`, say so, and give back its figures.

    Args:
        image: uint8 [H, W, 3], or None for bases that take none.
        device: None: a GPU where there is one.
        options: of `pointvid.diffusion.generator.Generator.plan`.
    Raises:
        PointVidError: as the generator, or nothing but the video came out.
    """
    import torch

    from ..diffusion.generator import Generator
    from ..errors import PointVidError
    from ..files.readable import reason
    from ..files.video import VideoFile, write_video
    from ..metrics.agreement import generation_figures
    from .results import write_results
    from .terminal import Bars

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, ValueError) as error:  # whatever torch was built without
        raise PointVidError(
            f"--device is {device!r}, which cannot be used here ({reason(error)}); expected cpu, or a GPU that is there"
        ) from error
    with Bars() as bars:
        generator = Generator.load(checkpoint_file, device)
        plan = generator.plan([prompt], None if image is None else [image], **options)
        (result,) = generator.run(plan, bars)
        found = result.points()
        write_video(out / "video.mp4", result.video, found.fps)
        count = int(found.mask.sum())
        if not count:
            raise PointVidError(
                f"{checkpoint_file.name} generated no foreground points (stage {generator.info.stage}), only "
                f"{out / 'video.mp4'} was written; expected a checkpoint trained through stage 1"
            )
        cloud = found.to_tracks(result.video[0])
        tracks = found.to_tracks(result.video[0], stride=max(1, result.video.shape[1] // 32))
        figures = generation_figures(result.video, found).as_dict()
        report = {"prompt": prompt, "seed": options["seed"], "steps": plan.steps, "points": count}
        with VideoFile(out / "video.mp4") as video:
            write_results(out, video, tracks, cloud, {**report, "generation": figures}, bars)
    print(f"wrote {out}: {count} points over {result.video.shape[0]} frames; open {out / 'preview.html'} first")
    return figures


def read_image(path: Path) -> Tensor:
    """A picture file as uint8 [H, W, 3]."""
    import torch

    from ..files.pictures import read_picture

    return torch.from_numpy(read_picture(path, f"image {path}"))
