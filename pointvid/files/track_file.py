"""`tracks.npz`, the public track file. `docs/track-format.md` is its specification."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..camera import Camera
from ..errors import PointVidError
from ..tracks import PointTracks
from .atomic import atomic_path
from .npz import npz_names, read_npz

VERSION = 1
FARTHEST = 1e15
"""Of pixels and depths in a file: what is beyond overflows float32 in the first product."""

_DTYPES = {
    "uvd": "float32",
    "visible": "bool",
    "image_size": "int32",
    "intrinsics": "float64",
    "fps": "float64",
    "depth_unit": None,  # a string of any length
    "color": "uint8",
    "object_id": "int32",
}
_OPTIONAL = ("color", "object_id")


def save_tracks(tracks: PointTracks, path: str | os.PathLike) -> Path:
    """Write `tracks` to `path` as a version 1 track file, whole or not at all.

    Returns:
        The path written, with `.npz` appended where the name has another suffix.
    Raises:
        PointVidError: the folder cannot be written.
    """
    path = Path(path)
    if path.suffix != ".npz":
        path = path.with_name(path.name + ".npz")
    arrays: dict[str, Any] = {
        "version": np.int32(VERSION),
        "uvd": tracks.uvd.detach().cpu().numpy(),
        "visible": tracks.visible.cpu().numpy(),
        "image_size": np.asarray(tracks.image_size, np.int32),
        "intrinsics": np.asarray(tracks.camera.intrinsics, np.float64),
        "fps": np.float64(tracks.fps),
        "depth_unit": np.asarray(tracks.depth_unit),
    }
    for name in _OPTIONAL:
        tensor = getattr(tracks, name)
        if tensor is not None:
            arrays[name] = tensor.cpu().numpy()
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)
    return path


def load_tracks(path: str | os.PathLike) -> PointTracks:
    """Read a track file of version 1; the tensors are on the CPU.

    Raises:
        PointVidError: the file is missing, damaged, of a newer version, or holds arrays of other shapes or types.
    """
    path = Path(path)
    arrays = read_npz(path, "tracks file", ("version", *_DTYPES))
    if "version" not in arrays:
        found = ", ".join(sorted(npz_names(path, "tracks file")))[:200]
        raise PointVidError(
            f"tracks file {path} has no 'version', only {found}; expected a tracks.npz written by PointVid"
        )
    version = _scalar(arrays, "version", path)
    if version != VERSION:
        advice = "update PointVid" if version > VERSION else "write it again with `pointvid track`"
        raise PointVidError(
            f"tracks file {path} has version {version:g}, this PointVid reads version {VERSION}; {advice}"
        )
    missing = [name for name in _DTYPES if name not in arrays and name not in _OPTIONAL]
    if missing:
        raise PointVidError(f"tracks file {path} lacks {', '.join(missing)}; it has {', '.join(sorted(arrays))}")
    for name, dtype in _DTYPES.items():
        if name in arrays and dtype is not None and arrays[name].dtype != dtype:
            raise PointVidError(f"tracks file {path}: {name} is {arrays[name].dtype}, expected {dtype}")
    for name, shape in (("image_size", (2,)), ("intrinsics", (4,)), ("depth_unit", ())):
        if arrays[name].shape != shape:
            raise PointVidError(f"tracks file {path}: {name} has shape {arrays[name].shape}, expected {shape}")
    beyond = np.abs(arrays["uvd"]) > FARTHEST if arrays["uvd"].ndim == 3 else np.zeros(0)
    if beyond.any():
        raise PointVidError(
            f"tracks file {path}: uvd has {beyond.sum()} values beyond {FARTHEST:g}, expected pixels and depths"
        )
    optional = {name: torch.from_numpy(arrays[name]) for name in _OPTIONAL if name in arrays}
    try:
        return PointTracks(
            uvd=torch.from_numpy(arrays["uvd"]),
            visible=torch.from_numpy(arrays["visible"]),
            image_size=(int(arrays["image_size"][0]), int(arrays["image_size"][1])),
            camera=Camera(*arrays["intrinsics"].tolist()),
            depth_unit=str(arrays["depth_unit"]),
            fps=_scalar(arrays, "fps", path),
            **optional,
        )
    except PointVidError as error:
        raise PointVidError(f"tracks file {path}: {error}") from error


def _scalar(arrays: dict[str, NDArray], name: str, path: Path) -> float:
    value = arrays[name]
    if value.shape != () or value.dtype.kind not in "iuf":
        raise PointVidError(f"tracks file {path}: {name} is {value.dtype} {list(value.shape)}, expected one number")
    return float(value)
