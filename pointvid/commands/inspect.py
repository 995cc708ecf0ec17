"""`pointvid inspect`: what a checkpoint is, without loading its weights."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

HELP = "say what a checkpoint is and holds"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("file", type=Path, help="a .safetensors file")
    parser.add_argument("--json", action="store_true", help="print the metadata as JSON")
    parser.add_argument("--tensors", action="store_true", help="also list every tensor")


def run(options: argparse.Namespace) -> None:
    """Print it."""
    from math import prod

    from ..checkpoint import PART_PREFIXES, UNET_PREFIX, CheckpointInfo, inspect_file
    from ..errors import PointVidError

    metadata, tensors = inspect_file(options.file)
    mine = {key.removeprefix("pointvid."): value for key, value in metadata.items() if key.startswith("pointvid.")}
    if options.json:
        print(json.dumps({key: json.loads(value) for key, value in mine.items()}, indent=1))
        return
    if mine:
        info = CheckpointInfo.from_metadata(metadata, options.file.name)
        height, width = info.resolution
        steps = f" step {info.step}" if info.stage != "initial" else ", untrained points"
        print(f"{options.file.name}: joint video + point model on {info.base}")
        print(f"  stage            {info.stage}{steps}")
        print(f"  trained at       {width}x{height} (WxH), {info.frames} frames, {info.fps:g} fps")
        span = info.point_range
        print(f"  point range      depth {span.near:g} to {span.far:g}, margin {span.margin:g}")
        spacing = info.schedule.timestep_spacing
        print(f"  schedule         {info.schedule.prediction_type}, {info.schedule.beta_schedule}, {spacing}")
        print(f"  entry attention  {info.config.entry_attention}")
        print(f"  written by       pointvid {info.version}, revision {info.revision}")
    else:
        print(f"{options.file.name}: no pointvid metadata, not a joint checkpoint (`pointvid convert` makes one)")
    prefixes = {"unet": UNET_PREFIX, **PART_PREFIXES}
    groups: dict[str, list[str]] = {}
    for key in tensors:
        part = next(
            (name for name, prefix in prefixes.items() if key.startswith(prefix)), "unet" if mine else "tensors"
        )
        groups.setdefault(part, []).append(key)
    for part, keys in groups.items():
        count = sum(prod(tensors[key][1]) for key in keys)
        dtypes = ", ".join(sorted({tensors[key][0] for key in keys}))
        print(f"  {part:<16} {len(keys)} tensors, {count:,} values, {dtypes}")
    if options.tensors:
        for key, (dtype, shape) in tensors.items():
            print(f"    {key} {dtype} {shape}")
    if not tensors:
        raise PointVidError(f"{options.file.name}: holds no tensors")
