"""How a program of ours ends: with its result, or with one line on stderr."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .errors import PointVidError

BROKEN, INTERRUPTED = 1, 130


def add_debug(parser: argparse.ArgumentParser) -> None:
    """Declare `--debug`."""
    parser.add_argument("--debug", action="store_true", help="show where in the code an error came up")


@contextmanager
def one_line(
    start: str = "error", status: int = 1, debug: bool = False, interrupted: str = "interrupted"
) -> Iterator[None]:
    """Errors inside end the program with one line: what a user can mend with its own words, all else as a bug.

    Args:
        start: the line begins with it.
        status: of what a user can mend; a bug's is 1, an interruption's 130.
        debug: the traceback goes before the line.
        interrupted: what is said of Ctrl+C.
    """
    for stream in (sys.stdout, sys.stderr):  # file names need not be text
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:  # the reader of our output has left, as `head` does
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(BROKEN) from None
    except Exception as error:
        if debug:
            traceback.print_exc()
        words = " ".join(str(error).split()) if not isinstance(error, PointVidError) else _line(str(error))
        if isinstance(error, PointVidError):
            found = status
        elif isinstance(error, MemoryError) or "out of memory" in words or "can't allocate memory" in words:
            found, words = (
                BROKEN,
                f"the memory is full ({words[:200] or 'no more was to be had'}); expected a smaller job",
            )
        else:
            found, words = BROKEN, f"{type(error).__name__}: {words[:300]}; this is a bug, --debug shows where"
        print(f"{start}: {words}", file=sys.stderr)
        raise SystemExit(found) from None


def _line(text: str) -> str:
    """Line breaks and control characters, of a file name perhaps, spelled out.

    Of an error in a loader's process torch makes one of the same class, with that process's traceback for a text.
    """
    if "Original Traceback" in text:
        text = text.strip().rpartition(f"{PointVidError.__name__}: ")[2]
    return "".join(c if c.isprintable() or "\ud800" <= c <= "\udfff" else repr(c)[1:-1] for c in text)
