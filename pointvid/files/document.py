"""JSON documents, checked against a shape before anything of them is used.

A shape is written as the document looks:

    int, float, str, bool, dict, object   a value of this type; `float` takes whole numbers too, and only finite ones
    Number(low, high)                     a finite number within bounds; Whole(low, high) a whole one
    {"a": int, "b?": str}                 an object with these keys, "b" or not; it may have others
    {str: int}                            an object of any keys
    [int]                                 a list of any length
    (int, str)                            a list of just these two
    Maybe(int)                            the value, or null
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import PointVidError
from .readable import readable, reason

LARGEST = 256 * 2**20
"""Bytes of a document's file. Manifests of 100,000 clips have 30 MB."""


@dataclass(frozen=True)
class Number:
    """A finite number from `low` to `high`; `above`: low itself is out."""

    low: float = -1e300
    high: float = 1e300
    above: bool = False

    def fits(self, value: Any) -> bool:
        """Whether `value` is one."""
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        return plain and (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        return f"a number {'above' if self.above else 'from'} {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Whole(Number):
    """A whole number within bounds."""

    low: float = -(2**53)
    high: float = 2**53

    def fits(self, value: Any) -> bool:
        """Whether `value` is one."""
        return isinstance(value, int) and super().fits(value)

    def __str__(self) -> str:
        return f"a whole number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Maybe:
    """A value of `shape`, or null."""

    shape: Any


def read_document(path: Path, what: str, expected: str, shape: Any = object) -> Any:
    """The JSON in a file, of this shape.

    Args:
        what: the kind of file, and its name.
        expected: what should be there, and what to do.
    Raises:
        PointVidError: no such file, too large, no JSON, or of another shape: says which value it is.
    """
    with readable(what, expected):
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has {path.stat().st_size} bytes, at most {LARGEST} are read")
        data = path.read_bytes()
    return parse_document(data, what, expected, shape)


def parse_document(data: str | bytes, what: str, expected: str, shape: Any = object) -> Any:
    """JSON text as a value of this shape; as `read_document` otherwise."""
    with readable(what, expected):
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        value = json.loads(text, parse_constant=_no_constant)
    check_shape(value, shape, what, expected)
    return value


def check_shape(value: Any, shape: Any, what: str, expected: str) -> None:
    """Raise PointVidError unless `value` has this shape."""
    try:
        _check(value, shape, "")
    except (ValueError, RecursionError) as error:
        raise PointVidError(f"{what} is damaged ({reason(error)}), expected {expected}") from error


def _check(value: Any, shape: Any, at: str) -> None:
    if isinstance(shape, Maybe):
        if value is not None:
            _check(value, shape.shape, at)
    elif isinstance(shape, Number):
        if not shape.fits(value):
            raise _wrong(value, str(shape), at)
    elif isinstance(shape, dict):
        _check_object(value, shape, at)
    elif isinstance(shape, list | tuple):
        length = len(shape) if isinstance(shape, tuple) else None
        if not isinstance(value, list | tuple) or length not in (None, len(value)):
            raise _wrong(value, "a list" if length is None else f"a list of {length}", at)
        for index, item in enumerate(value):
            _check(item, shape[index if isinstance(shape, tuple) else 0], f"{at}[{index}]")
    elif shape is float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _wrong(value, "a finite number", at)
    elif not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
        raise _wrong(value, _NAMES.get(shape, shape.__name__), at)


def _check_object(value: Any, shape: dict, at: str) -> None:
    if not isinstance(value, dict):
        raise _wrong(value, "an object", at)
    if str in shape:
        for key, item in value.items():
            _check(item, shape[str], f"{at}.{key}".lstrip("."))
        return
    for key, wanted in shape.items():
        name = key.removesuffix("?")
        if name in value:
            _check(value[name], wanted, f"{at}.{name}".lstrip("."))
        elif name == key:
            raise ValueError(f"{at or 'it'} has no {name}")


_NAMES = {str: "a text", bool: "true or false", int: "a whole number", dict: "an object", list: "a list"}


def _wrong(value: Any, wanted: str, at: str) -> ValueError:
    shown = f"a {type(value).__name__}" if isinstance(value, dict | list | tuple) else repr(value)[:60]
    return ValueError(f"{at[:80] or 'it'} is {shown}, not {wanted}")


def _no_constant(name: str) -> float:
    raise ValueError(f"it has {name}, which is no JSON")
