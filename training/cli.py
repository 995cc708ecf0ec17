"""`python -m training.<stage> CONFIG.yaml [key=value ...]`, the same for every stage."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from typing import Any

from .config import Strict, load_config
from .exits import one_line_errors
from .loop import Stage, train

_OUT_OF_MEMORY = (
    "set model.gradient_checkpointing=true, lower batch_size and raise accumulate, in stage 2 decode_chunk=1 and a "
    "lower max_points, or train model.lora_rank=32; the last state is kept"
)


def run(kind: type[Strict], stage: Callable[[Any], Stage], description: str | None) -> None:
    """Read the config, build the stage, train. A user's mistake ends with one line and exit code 1."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="YAML file, see training/configs/")
    parser.add_argument("override", nargs="*", help="key=value, as in optimizer.lr=1e-4 data.workers=0")
    parser.add_argument("--export-only", action="store_true", help="write the newest state's checkpoint and stop")
    args = parser.parse_intermixed_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with one_line_errors(_OUT_OF_MEMORY):
        path = train(stage(load_config(kind, args.config, args.override)), args.export_only)
    print(f"wrote {path}")
