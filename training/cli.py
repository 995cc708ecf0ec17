"""`python -m training.<stage> CONFIG.yaml [key=value ...]`, the same for every stage."""

from __future__ import annotations

import argparse
import logging
from importlib import import_module

from pointvid.ending import add_debug, one_line
from pointvid.errors import PointVidError

from .config import Strict, load_config

OUT_OF_MEMORY = (
    "out of memory: set model.gradient_checkpointing=true, lower batch_size and raise accumulate, "
    "in stage 2 decode_chunk=1 and a lower max_points, or train model.lora_rank=32; the last state is kept"
)


def run(kind: type[Strict], stage: str, description: str | None) -> None:
    """Read the config, build the stage, train. A user's mistake ends with one line and exit code 1.

    Args:
        stage: "module:Class" in `stages`, imported when the config is known to be right.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="YAML file, see training/configs/")
    parser.add_argument("override", nargs="*", help="key=value, as in optimizer.lr=1e-4 data.workers=0")
    parser.add_argument("--export-only", action="store_true", help="write the newest state's checkpoint and stop")
    add_debug(parser)
    args = parser.parse_intermixed_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with one_line(debug=args.debug):
        config = load_config(kind, args.config, args.override)
        import torch

        from .loop import train

        module, _, name = stage.partition(":")
        made = getattr(import_module(f".stages.{module}", __package__), name)
        try:
            path = train(made(config), args.export_only)
        except torch.OutOfMemoryError as error:
            raise PointVidError(f"{OUT_OF_MEMORY} ({' '.join(str(error).split())[:200]})") from error
    print(f"wrote {path}")
