"""Point maps as few bytes: the `points` member of a sample. `docs/sample-format.md` is its specification.

Foreground only. u and v are rounded to 1/64 pixel, log-depth to 2e-4, so that errors are at most 0.0079 px and 1.001e-4
of the depth wherever a point is. Stored are second differences in time of what a pixel has moved, differenced once more
along the foreground (neighbours move alike), as zigzag integers split into byte planes, deflated. Integers are as wide
as the largest needs: planes that are all zero cost next to nothing.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import PointVidError
from ..point_map import UNKNOWN
from .readable import readable

VERSION = 1
PIXEL_STEP = 1 / 64
LOG_DEPTH_STEP = 2e-4
FARTHEST = 2.0**40  # pixels; beyond it differences would overflow

MOST_PIXELS, MOST_VALUES = 2**25, 2**28
"""Limits of a point map: 8K, and 120 frames of 1920x1080."""
_MOST_DEFLATED = 1032  # times: more than this deflate cannot shrink anything

_HEADER = struct.Struct("<8sHIIIBB")
_MAGIC = b"PVPOINTS"


def encode_points(points: Tensor, objects: Tensor) -> bytes:
    """float32 [T, H, W, 3] of (u, v, depth) and int32 [H, W], as `PointMap` has them, to bytes.

    Raises:
        PointVidError: a foreground point is not finite, has no positive depth, or lies beyond 2^40 pixels.
    """
    mask = objects != 0
    frames, height, width, _ = points.shape
    values = points[:, mask].detach().cpu().double().numpy()
    bad = ~(np.isfinite(values).all(-1) & (values[..., 2] > 0) & (np.abs(values[..., :2]) < FARTHEST).all(-1))
    if bad.any():
        raise PointVidError(
            f"point map has {bad.sum()} foreground values that are not finite or have no positive depth; "
            "expected finite (u, v) and depth > 0 wherever the mask is set"
        )
    inside = mask.cpu().numpy()
    u, v, d = np.moveaxis(values, -1, 0)
    column, row = _own_steps(inside)
    whole = np.stack(
        (np.rint(u / PIXEL_STEP) - column, np.rint(v / PIXEL_STEP) - row, np.rint(np.log(d) / LOG_DEPTH_STEP))
    )
    whole = whole.astype(np.int64)
    planes = _to_planes(_differences(whole))
    sections = [np.packbits(inside).tobytes()]
    has_objects = bool((mask & (objects != UNKNOWN)).any())
    if has_objects:
        sections.append(objects.cpu().numpy().astype("<i4").tobytes())
    sections.append(planes.tobytes())
    header = _HEADER.pack(_MAGIC, VERSION, frames, height, width, len(planes), has_objects)
    packed = [zlib.compress(section, 6) for section in sections]
    return header + b"".join(struct.pack("<I", len(section)) + section for section in packed)


def decode_points(data: bytes, name: str = "points") -> tuple[Tensor, Tensor]:
    """points float32 [T, H, W, 3] and objects int32 [H, W].

    Raises:
        PointVidError: damaged, cut short, or of a newer version.
    """
    with readable(name, "PointVid's point data"):
        magic, version, frames, height, width, depth, has_objects = _HEADER.unpack_from(data)
        if magic != _MAGIC:
            raise ValueError("no point data")
        if version > VERSION:
            raise PointVidError(f"{name} has version {version}, this PointVid reads up to {VERSION}; update PointVid")
        if not (version and frames and height and width and depth in range(1, 9) and has_objects in (0, 1)):
            raise ValueError("its header is damaged")
        if height * width > MOST_PIXELS or frames * height * width > MOST_VALUES:
            raise PointVidError(
                f"{name} claims {frames} frames of {height}x{width}; expected up to {MOST_PIXELS} pixels a frame and "
                f"{MOST_VALUES} in all (docs/limits.md)"
            )
        at, pixels = _HEADER.size, height * width
        bits, at = _section(data, at, -(-pixels // 8))
        inside = np.unpackbits(np.frombuffer(bits, np.uint8), count=pixels).astype(bool).reshape(height, width)
        objects = np.where(inside, UNKNOWN, 0).astype(np.int32)
        if has_objects:
            ids, at = _section(data, at, 4 * pixels)
            ids = np.frombuffer(ids, "<i4").reshape(height, width)
            objects = np.where(inside & (ids != 0), ids, objects).astype(np.int32)  # other writers' ids may spill over
        count = int(inside.sum())
        raw, at = _section(data, at, depth * frames * count * 3)
        planes = np.frombuffer(raw, np.uint8).reshape(depth, 3, frames, count)
        u, v, log_d = _sums(_from_planes(planes))
        column, row = _own_steps(inside)
        values = np.empty((frames, count, 3), np.float32)
        with np.errstate(over="ignore"):
            values[..., 0] = (u + column) * PIXEL_STEP
            values[..., 1] = (v + row) * PIXEL_STEP
            values[..., 2] = np.exp(log_d * LOG_DEPTH_STEP)
        if not np.isfinite(values).all() or not (values[..., 2] > 0).all():
            raise ValueError("its values are no positions")
        points = np.zeros((frames, height, width, 3), np.float32)
        points[:, inside] = values
    return torch.from_numpy(points), torch.from_numpy(objects)


def _own_steps(inside: NDArray) -> tuple[NDArray, NDArray]:
    """int64 [F] each: u and v of each foreground pixel in steps."""
    row, column = np.nonzero(inside)
    return column * round(1 / PIXEL_STEP), row * round(1 / PIXEL_STEP)


def _differences(whole: NDArray) -> NDArray:
    """int64 [3, T, F]: second differences over T, first differences over F, all from 0."""
    start = np.zeros((3, 2, whole.shape[2]), np.int64)
    return np.diff(np.diff(whole, n=2, axis=1, prepend=start), axis=2, prepend=0)


def _sums(differences: NDArray) -> NDArray:
    """The inverse of `_differences`."""
    whole = differences.cumsum(2)
    for _ in range(2 if whole.size else 0):
        for t in range(1, whole.shape[1]):  # whole rows at a time: several times faster than cumsum(1)
            whole[:, t] += whole[:, t - 1]
    return whole


def _to_planes(whole: NDArray) -> NDArray:
    """int64 [3, T, F] -> uint8 [bytes, 3, T, F], lowest byte first; signs go to the lowest bit."""
    zigzag = (whole << 1) ^ (whole >> 63)
    depth = max((int(zigzag.max(initial=0)).bit_length() + 7) // 8, 1)
    return np.stack([(zigzag >> 8 * byte & 0xFF).astype(np.uint8) for byte in range(depth)])


def _from_planes(planes: NDArray) -> NDArray:
    zigzag = np.zeros(planes.shape[1:], np.int64)
    for byte, plane in enumerate(planes):
        zigzag |= plane.astype(np.int64) << 8 * byte
    return (zigzag >> 1) ^ -(zigzag & 1)


def _section(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    """Inflate the section at `at`, which must give exactly `size` bytes; never inflates more than that."""
    (length,) = struct.unpack_from("<I", data, at)
    if size > _MOST_DEFLATED * length + 64:  # before anything is allocated
        raise ValueError(f"it is damaged, {length} bytes cannot hold {size}")
    packed = data[at + 4 : at + 4 + length]
    inflate = zlib.decompressobj()
    raw = inflate.decompress(packed, size + 1)
    if len(packed) != length or len(raw) != size:
        raise ValueError(f"it is damaged or cut short, {len(raw)} of {size} bytes")
    return raw, at + 4 + length
