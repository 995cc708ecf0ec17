"""Arrays of an npz file: only those asked for, never unpickled, and no more memory than the file can hold."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import PointVidError
from .readable import readable

FREE_BYTES, MOST_TIMES = 256 * 2**20, 100
"""An array may have so many bytes, or so many times those it has in the file. Deflate can claim a thousand times."""

_EXPECTED = "an .npz file of numeric arrays, written whole"


def npz_names(path: Path, what: str) -> list[str]:
    """The arrays that the file names.

    Args:
        what: how error messages call the file.
    Raises:
        PointVidError: as `read_npz`.
    """
    _refuse_no_file(path, what)
    with readable(f"{what} {path}", _EXPECTED), zipfile.ZipFile(path) as archive:
        return [_array_name(name) for name in archive.namelist()]


def read_npz(path: Path, what: str, wanted: Collection[str]) -> dict[str, NDArray]:
    """Those of the arrays `wanted` that the file holds.

    Args:
        what: how error messages call the file.
    Raises:
        PointVidError: the file is missing, not an npz, truncated or damaged, holds Python objects, or claims arrays
            that are far larger than itself.
    """
    _refuse_no_file(path, what)
    arrays: dict[str, NDArray] = {}
    with readable(f"{what} {path}", _EXPECTED), zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            name = _array_name(entry.filename)
            if name in arrays:
                raise ValueError(f"it holds two arrays named {name}")
            if name in wanted:
                arrays[name] = _array(archive, entry, f"{what} {path}: {name}")
    return arrays


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, what: str) -> NDArray:
    with archive.open(entry) as file:
        major, _ = np.lib.format.read_magic(file)
        if major not in (1, 2):
            raise ValueError(f"{entry.filename} has npy version {major}")
        header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = header(file)
        if dtype.hasobject:
            raise PointVidError(f"{what} holds Python objects, which are never loaded; expected numbers")
        if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in shape):
            raise ValueError(f"{entry.filename} has the shape {shape}")
        size = math.prod(shape) * dtype.itemsize
        if file.tell() + size != entry.file_size:
            raise ValueError(f"{entry.filename} claims {size} bytes, its size is not that")
        if size > max(FREE_BYTES, MOST_TIMES * entry.compress_size):
            raise PointVidError(
                f"{what} would grow from {entry.compress_size} to {size} bytes; expected at most {FREE_BYTES}, or "
                f"{MOST_TIMES} times as many as in the file (docs/limits.md)"
            )
        data = file.read(size)
        if len(data) < size or file.read(1):  # reading on to the end also compares the checksum
            raise ValueError(f"{entry.filename} has another length than its header says")
    return np.frombuffer(bytearray(data), dtype).reshape(shape, order="F" if fortran else "C")


def _array_name(member: str) -> str:
    return member.removesuffix(".npy")


def _refuse_no_file(path: Path, what: str) -> None:
    if not path.is_file():
        raise PointVidError(
            f"{what} {path} {'is no file' if path.exists() else 'does not exist'}; expected {_EXPECTED}"
        )
