"""`python -m training.<stage> CONFIG.yaml [key=value ...]`, the same for every stage."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from typing import Any

import torch

from pointvid.ending import add_debug, one_line
from pointvid.errors import PointVidError

from .config import Strict, load_config
from .loop import Stage, train

OUT_OF_MEMORY = (
    "out of memory: set model.gradient_checkpointing=true, lower batch_size and raise accumulate, "
    "in stage 2 decode_chunk=1 and a lower max_points, or train model.lora_rank=32; the last state is kept"
)


def run(kind: type[Strict], stage: Callable[[Any], Stage], description: str | None) -> None:
    """Read the config, build the stage, train. A user's mistake ends with one line and exit code 1."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="YAML file, see training/configs/")
    parser.add_argument("override", nargs="*", help="key=value, as in optimizer.lr=1e-4 data.workers=0")
    parser.add_argument("--export-only", action="store_true", help="write the newest state's checkpoint and stop")
    add_debug(parser)
    options = parser.parse_intermixed_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with one_line(debug=options.debug):
        config = load_config(kind, options.config, options.override)
        try:
            path = train(stage(config), options.export_only)
        except torch.OutOfMemoryError as error:
            raise PointVidError(f"{OUT_OF_MEMORY} ({' '.join(str(error).split())[:200]})") from error
    print(f"wrote {path}")
