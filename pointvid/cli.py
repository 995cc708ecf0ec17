"""The command `pointvid`: argument parsing only. Each subcommand is one file in `commands/`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from . import __version__
from .ending import add_debug, one_line

COMMANDS = (
    "demo",
    "track",
    "synth",
    "export",
    "info",
    "view",
    "measure",
    "study",
    "generate",
    "convert",
    "download",
)
"""Module names in `commands/`, in the order of `pointvid --help`. Each has `HELP` (one line), `add_arguments(parser)`
and `run(args)`, may have `DETAILS` (text) and `EXAMPLES` (command lines), and imports nothing heavy until it runs."""

USAGE_ERROR = 2


def build_parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    parser = argparse.ArgumentParser(
        prog="pointvid",
        description="Track every pixel of a video in 3D: look at it, export it, make training data of it.",
        epilog="Start with:  pointvid demo --out demo\nMore:        pointvid COMMAND --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pointvid {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        command = import_module(f".commands.{name}", __package__)
        examples = getattr(command, "EXAMPLES", ())
        sub = subparsers.add_parser(
            name,
            help=command.HELP,
            description=getattr(command, "DETAILS", f"{command.HELP[0].upper()}{command.HELP[1:]}."),
            epilog="\n  ".join(("examples:", *examples)) if examples else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(sub)
        add_debug(sub)
        sub.set_defaults(run=command.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status. What a user can mend is one line, not a traceback."""
    # Threads that spin while they wait made tracking ten times slower on a busy machine. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    args = build_parser().parse_args(arguments)
    try:
        interrupted = "pointvid: interrupted; files already written are whole"
        with one_line("pointvid: error", USAGE_ERROR, args.debug, interrupted):
            args.run(args)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
