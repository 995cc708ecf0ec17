"""`pointvid convert`: a published base model -> the initial joint checkpoint; a checkpoint -> a diffusers folder."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "make a joint checkpoint of a published base model, or a diffusers folder of a checkpoint"
_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("source", type=Path, help="folder of ali-vilab/i2vgen-xl or ModelScopeT2V; or a .safetensors")
    parser.add_argument("target", type=Path, help=".safetensors to write; or, from a checkpoint, a new folder")
    parser.add_argument("--unet-only", action="store_true", help="leave out text encoder, image encoder and VAE")
    parser.add_argument("--dtype", choices=_DTYPES, help="of the written weights; default: the files' own")
    parser.add_argument("--entry-attention", default="spatial", choices=["spatial", "temporal", "channel", "none"])
    parser.add_argument("--size", metavar="WxH", help="pixels it will be trained at, e.g. 448x256")
    parser.add_argument("--frames", type=int, help="frames it will be trained at")
    parser.add_argument("--fps", type=float, help="frames a second it will be trained at")
    parser.add_argument("--near", type=float, default=0.1, help="nearest depth that points encode (default: 0.1)")
    parser.add_argument("--far", type=float, default=100.0, help="farthest (default: 100)")
    parser.add_argument("--margin", type=float, default=0.25, help="image widths that points may be off screen")


def run(options: argparse.Namespace) -> None:
    """Convert and say what was written."""
    import torch

    from ..checkpoint import load_checkpoint, save_checkpoint
    from ..convert import from_diffusers, to_diffusers
    from ..point_range import PointRange

    dtype = getattr(torch, _DTYPES[options.dtype]) if options.dtype else None
    if options.source.is_file():
        to_diffusers(load_checkpoint(options.source, dtype), options.target)
        print(f"wrote {options.target}: the base part; points have no place in diffusers' classes")
        return
    checkpoint = from_diffusers(
        options.source,
        entry_attention=options.entry_attention,
        dtype=dtype,
        all_in_one=not options.unet_only,
        resolution=_size(options.size),
        frames=options.frames,
        fps=options.fps,
        point_range=PointRange(options.near, options.far, options.margin),
        progress=lambda done, total, what: print(f"[{done}/{total}] {what}"),
    )
    save_checkpoint(checkpoint, options.target)
    count = sum(value.numel() for value in checkpoint.unet.values())
    held = ", ".join(["unet", *checkpoint.parts])
    print(f"wrote {options.target}: {checkpoint.info.base}, {count:,} UNet parameters; holds {held}")
    print("its video is the base's and its points are untrained: train stage 1 next")


def _size(text: str | None) -> tuple[int, int] | None:
    from ..errors import PointVidError

    if text is None:
        return None
    try:
        width, height = map(int, text.lower().split("x"))
    except ValueError:
        raise PointVidError(f"--size is {text!r}, expected WIDTHxHEIGHT, e.g. 448x256") from None
    return height, width
