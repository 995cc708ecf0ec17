"""`pointvid inspect`: what a checkpoint is, without loading its weights."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

HELP = "say what a model checkpoint is and holds"
DETAILS = "Say what a .safetensors checkpoint is: base, stage, size, point range, schedule, parts. Reads no weights."
EXAMPLES = ("pointvid inspect pointvid-initial.safetensors",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a .safetensors file")
    parser.add_argument("--json", action="store_true", help="print the metadata as JSON")
    parser.add_argument("--tensors", action="store_true", help="also list every tensor")


def run(options: argparse.Namespace) -> None:
    """Print it."""
    from math import prod

    from ..diffusion.checkpoint import NETWORK_PREFIX, PART_PREFIXES, CheckpointInfo, inspect_file
    from .terminal import table

    metadata, tensors = inspect_file(options.file)
    mine = {key.removeprefix("pointvid."): value for key, value in metadata.items() if key.startswith("pointvid.")}
    if options.json:
        print(json.dumps({key: json.loads(value) for key, value in mine.items()}, indent=1))
        return
    if mine:
        print(table(_facts(CheckpointInfo.from_metadata(metadata, options.file.name))))
    else:
        print(f"{options.file.name}: no pointvid metadata, not a joint checkpoint (`pointvid convert` makes one)")
    prefixes = {"denoiser": NETWORK_PREFIX, **PART_PREFIXES}
    groups: dict[str, list[str]] = {}
    for key in tensors:
        part = next(
            (name for name, prefix in prefixes.items() if key.startswith(prefix)), "denoiser" if mine else "tensors"
        )
        groups.setdefault(part, []).append(key)
    rows = []
    for part, keys in groups.items():
        count = sum(prod(tensors[key][1]) for key in keys)
        dtypes = ", ".join(sorted({tensors[key][0] for key in keys}))
        rows.append((part, f"{len(keys)} tensors, {count:,} values, {dtypes}"))
    print(table(rows))
    if options.tensors:
        for key, (dtype, shape) in tensors.items():
            print(f"{key} {dtype} {shape}")


def _facts(info) -> list[tuple[str, object]]:
    from ..diffusion.bases import base_model

    height, width = info.resolution
    span = info.point_range
    return [
        ("base", info.base),
        ("stage", f"{info.stage}, points untrained" if info.stage == "initial" else f"{info.stage}, step {info.step}"),
        ("trained at", f"{width}x{height} (WxH), {info.frames} frames, {info.fps:g} fps"),
        ("point range", f"depth {span.near:g} to {span.far:g}, margin {span.margin:g}"),
        ("schedule", info.process.describe()),
        *base_model(info.base).describe(info.config),
        ("written by", f"pointvid {info.version}, revision {info.revision}"),
    ]
