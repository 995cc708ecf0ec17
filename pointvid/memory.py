"""Out of memory: told from other failures, tried again once in smaller chunks, then said in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from .errors import PointVidError


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that an accelerator's memory, or this machine's, was not enough."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    said = ("out of memory", "not enough memory", "can't allocate memory")  # CUDA, Windows, Linux
    return isinstance(error, RuntimeError) and any(words in text for words in said)


@contextmanager
def memory_error(what: str, advice: str) -> Iterator[None]:
    """Turn out of memory into a PointVidError "out of memory WHAT; ADVICE"; other errors pass."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        free_cached()
        raise PointVidError(f"out of memory {what}; {advice}") from error


def run_in_chunks(run: Callable[[int], None], chunk: int, what: str, advice: str) -> None:
    """Call `run(chunk)`; where memory is not enough, `run(1)` once more; where that is too much, say so.

    `run` goes on from where it was: it must keep what is done.

    Raises:
        PointVidError: "out of memory WHAT one at a time; ADVICE".
    """
    if chunk > 1:
        try:
            return run(chunk)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside of the except block: the error would keep the failed run's tensors alive.
        free_cached()
    with memory_error(f"{what}, one at a time", advice):
        run(1)


def free_cached() -> None:
    """Hand memory that torch only keeps for later back to the accelerator."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
