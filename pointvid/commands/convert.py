"""`pointvid convert`: a published base model -> the initial joint checkpoint; a checkpoint -> a diffusers folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import MOST_FPS, number, size, whole

HELP = "make a joint checkpoint of a published base model, or a diffusers folder of a checkpoint"
DETAILS = """Make the initial joint video + point checkpoint of a published base model (I2VGen-XL or ModelScopeT2V, as
folders in diffusers' layout). Its video is the base's, its points are untrained. Given a checkpoint instead, write its
base part as a diffusers folder."""
EXAMPLES = (
    "pointvid convert i2vgen-xl pointvid-initial.safetensors --dtype bf16",
    "pointvid convert pointvid-initial.safetensors i2vgen-xl-back",
)
_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="model folder as published; or a checkpoint")
    parser.add_argument(
        "target", type=Path, metavar="TARGET", help=".safetensors to write; or, from a checkpoint, a new folder"
    )
    parser.add_argument(
        "--denoiser-only", "--unet-only", action="store_true", help="leave out text encoder, image encoder and VAE"
    )
    parser.add_argument("--dtype", choices=_DTYPES, help="of the written weights; default: the files' own")
    parser.add_argument("--entry-attention", default="spatial", choices=["spatial", "temporal", "channel", "none"])
    parser.add_argument("--size", type=size, metavar="WxH", help="pixels it will be trained at (default: the base's)")
    parser.add_argument("--frames", type=whole(1, 10_000), help="frames it will be trained at")
    parser.add_argument("--fps", type=number(0, MOST_FPS, above=True), help="frames a second it will be trained at")
    parser.add_argument(
        "--near", type=number(1e-9, 1e12), default=0.1, help="nearest depth that points encode (default: 0.1)"
    )
    parser.add_argument("--far", type=number(1e-9, 1e12), default=100.0, help="farthest (default: 100)")
    parser.add_argument(
        "--margin", type=number(0, 1000), default=0.25, help="image widths that points may be off screen"
    )


def run(options: argparse.Namespace) -> None:
    """Convert and say what was written."""
    import torch

    from ..diffusion.checkpoint import load_checkpoint, save_checkpoint
    from ..diffusion.convert import from_published, to_published
    from ..points.point_range import PointRange
    from .terminal import Bars

    dtype = getattr(torch, _DTYPES[options.dtype]) if options.dtype else None
    if options.source.is_file():
        to_published(load_checkpoint(options.source, dtype), options.target)
        print(f"wrote {options.target}: the base part; points have no place in diffusers' classes")
        return
    with Bars() as bars:
        checkpoint = from_published(
            options.source,
            entry_attention=options.entry_attention,
            dtype=dtype,
            all_in_one=not options.denoiser_only,
            resolution=options.size,
            frames=options.frames,
            fps=options.fps,
            point_range=PointRange(options.near, options.far, options.margin),
            progress=bars,
        )
    save_checkpoint(checkpoint, options.target)
    count = sum(value.numel() for value in checkpoint.weights.values())
    held = ", ".join(["denoiser", *checkpoint.parts])
    print(f"wrote {options.target}: {checkpoint.info.base}, {count:,} parameters in its denoiser; holds {held}")
    print("its video is the base's and its points are untrained: train stage 1 next")
