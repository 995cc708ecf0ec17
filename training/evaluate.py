"""`python -m training.evaluate CHECKPOINT --shards TEST [--against OTHER] --out FOLDER`: how good generated clips are.

Our own figures on held-out clips of the training data's kind (docs/training.md). `python -m experiments.compare` sets
clips of several methods beside each other.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pointvid.commands.arguments import number, whole
from pointvid.diffusion.generator import Generator
from pointvid.ending import add_debug, one_line
from pointvid.files.atomic import atomic_path

from .data.shards import Shards
from .heldout import evaluate


def main() -> None:
    """Parse arguments, evaluate, print and write."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("checkpoint", type=Path)
    add("--shards", type=Path, required=True, help="held-out clips")
    add("--against", type=Path, help="another checkpoint, e.g. stage 1's")
    add("--clips", type=whole(1, 10**6), default=32, help="how many clips (default %(default)s)")
    add("--steps", type=whole(1, 100_000), default=20, help="of sampling (default %(default)s)")
    add("--guidance", type=number(-1000, 1000), default=3.0, help="default %(default)s")
    add("--out", type=Path, help="folder of figures and clips")
    add_debug(parser)
    options = parser.parse_args()
    with one_line(debug=options.debug):
        _held_out(options)


def _held_out(options: argparse.Namespace) -> None:
    shards, figures = Shards(options.shards), {}
    for path in filter(None, (options.checkpoint, options.against)):
        out = options.out / path.parent.name if options.out else None
        figures[str(path)] = evaluate(
            Generator.load(path), shards, options.clips, steps=options.steps, guidance=options.guidance, out=out
        )
        print(path, json.dumps(figures[str(path)], indent=1))
    if options.out:
        with atomic_path(options.out / "figures.json") as temporary:
            temporary.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
