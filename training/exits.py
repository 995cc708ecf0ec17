"""How the trainer's and the experiments' programs end where something is wrong: one line, and exit code 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pointvid.errors import PointVidError


@contextmanager
def one_line_errors(out_of_memory: str = "take fewer frames or smaller ones, or another device") -> Iterator[None]:
    """Around a program's work: what a user can mend ends it without a traceback. Other errors are ours, and keep it.

    Args:
        out_of_memory: what to do about that.
    """
    try:
        yield
    except PointVidError as error:
        raise SystemExit(f"error: {error}") from None
    except torch.OutOfMemoryError as error:
        raise SystemExit(f"error: out of memory: {out_of_memory} ({' '.join(str(error).split())[:200]})") from None
