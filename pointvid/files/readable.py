"""Whatever a decoding library raises becomes one line."""

from __future__ import annotations

import pickle
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import PointVidError


@contextmanager
def readable(what: str, expected: str) -> Iterator[None]:
    """Errors inside become one line: "WHAT cannot be read (reason), expected EXPECTED".

    safetensors, zip, tar, pickle, numpy, Pillow and torch have no common error, and a damaged file brings up nearly
    any: IndexError, TokenError, RecursionError, MemoryError of a size that it claims. Their texts go over many lines
    and give advice that is not for the reader (torch: set weights_only=False), so only the first line is passed on.

    Args:
        what: the kind of file, and its name.
        expected: what should be there, and what to do.
    Raises:
        PointVidError: in place of any error but itself and an interruption.
    """
    try:
        yield
    except (PointVidError, ImportError):  # a missing library is no fault of the file
        raise
    except Exception as error:
        raise PointVidError(f"{what} cannot be read ({reason(error)}), expected {expected}") from error


def reason(error: BaseException) -> str:
    """Why something could not be read, in a few words."""
    if isinstance(error, pickle.UnpicklingError):
        return "a damaged pickle, or one that holds more than tensors"
    if isinstance(error, MemoryError):
        return "it claims more than the memory holds"
    if isinstance(error, RecursionError):
        return "it is nested without end"
    if isinstance(error, UnicodeDecodeError):
        return "its text is not UTF-8"
    if isinstance(error, (struct.error, EOFError)):
        return "it is cut short"
    if isinstance(error, zlib.error):
        return "its compressed data are damaged"
    if isinstance(error, KeyError):
        return f"it has no {str(error)[:80]}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if "pickled" in str(error):  # what numpy says of anything that is no array of its own
        return "it is no file of numbers, or one that holds pickled objects"
    words = " ".join((str(error).splitlines() or [""])[0].split())
    return words[:160] or type(error).__name__
