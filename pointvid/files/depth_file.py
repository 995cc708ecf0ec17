"""Reading depth, and the camera where the file knows it, from npz, npy or a folder of 16-bit PNGs."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import torch

from ..camera import Camera
from ..depth import Depth
from ..errors import PointVidError
from ..framing import Framing
from .npz import npz_names, read_npz
from .pictures import natural_order, open_picture
from .readable import readable

METRES_PER_PNG_STEP = 0.001
FARTHEST = 1e12  # metres


def read_depth(path: str | os.PathLike, frames: int, framing: Framing, first_frame: int = 0, every: int = 1) -> Depth:
    """Depth along the camera's axis for each frame of a clip.

    Args:
        path: npy, or npz with an array named `depth` (or one array only), float metres [T, H, W]; or a folder of 16-bit
            PNGs in millimetres, one a frame, in the order of the numbers in their names. An npz may name the camera in
            `intrinsics` (fx, fy, cx, cy, pixels of the clip file).
        frames: T of the clip.
        framing: the clip's: depth must have the size of the clip's file and is framed as the clip is.
        first_frame: the clip's first frame in its file. Depth holds a map for every frame of the file, or exactly
            `frames` maps, which are then the clip's.
        every: only every n-th of those maps is kept.
    Returns:
        float32 maps, finite and above 0, metric; the camera framed as the clip is.
    Raises:
        PointVidError: unreadable, too few frames, another size, or values that are no depth.
    """
    path = Path(path)
    if not path.exists():
        raise PointVidError(f"{path} does not exist, expected depth as .npz, .npy or a folder of 16-bit PNGs")
    if path.is_dir():
        depth = _read_folder(path, frames, first_frame)
    else:
        depth = _pick(_read_array(path), path, frames, first_frame)
    size, expected = depth.shape[1:], framing.source
    if size != expected:
        raise PointVidError(
            f"{path}: depth is {size[0]}x{size[1]}, clip is {expected[0]}x{expected[1]} (HxW); "
            "expected the size of the clip file"
        )
    wrong = ~((depth > 0) & (depth <= FARTHEST))
    if wrong.any():
        raise PointVidError(
            f"{path}: {wrong.sum()} of {wrong.size} depth values are NaN, infinite or not above 0, "
            f"or beyond {FARTHEST:g}; expected metres above 0 everywhere; fill the holes first"
        )
    maps = framing.nearest(torch.from_numpy(np.array(depth, dtype=np.float32)))
    return Depth(maps[::every], "metric", None if path.is_dir() else _camera(path, framing))


def _camera(path: Path, framing: Framing) -> Camera | None:
    if path.suffix.lower() != ".npz" or "intrinsics" not in npz_names(path, "depth file"):
        return None
    values = read_npz(path, "depth file", ["intrinsics"])["intrinsics"]
    if values.shape != (4,) or values.dtype.kind not in "fi":
        raise PointVidError(
            f"{path}: intrinsics is {values.dtype} {list(values.shape)}, expected (fx, fy, cx, cy) in pixels"
        )
    return framing.camera(Camera(*values.tolist()))


def _read_array(path: Path) -> np.ndarray:
    if not path.is_file():
        raise PointVidError(f"{path} is no file, expected depth as .npz, .npy or a folder of 16-bit PNGs")
    if zipfile.is_zipfile(path):
        names = npz_names(path, "depth file")
        name = names[0] if len(names) == 1 else "depth"
        if name not in names:
            raise PointVidError(f"{path} holds {', '.join(names)[:200]}, expected an array named 'depth'")
        array = read_npz(path, "depth file", [name])[name]
    else:
        with readable(str(path), "depth as .npz or .npy of float metres [T, H, W] or a folder of PNGs"):
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim != 3 or array.dtype.kind != "f":
        raise PointVidError(f"{path}: depth is {array.dtype} {list(array.shape)}, expected float metres [T, H, W]")
    return array


def _pick(depth: np.ndarray, path: Path, frames: int, first_frame: int) -> np.ndarray:
    first = _first(len(depth), path, frames, first_frame)
    return depth[first : first + frames]


def _first(available: int, path: Path, frames: int, first_frame: int) -> int:
    if available == frames:
        return 0
    if available < first_frame + frames:
        raise PointVidError(
            f"{path} has {available} depth maps, clip uses frames {first_frame} to {first_frame + frames - 1} of its "
            f"file; expected at least {first_frame + frames} maps, or exactly {frames}"
        )
    return first_frame


def _read_folder(folder: Path, frames: int, first_frame: int) -> np.ndarray:
    names = sorted((path for path in folder.iterdir() if path.suffix.lower() == ".png"), key=natural_order)
    first = _first(len(names), folder, frames, first_frame)
    maps = [_read_png(path) for path in names[first : first + frames]]
    for path, depth in zip(names[first:], maps, strict=False):
        if depth.shape != maps[0].shape:
            (h, w), (h0, w0) = depth.shape, maps[0].shape
            raise PointVidError(f"{path} is {h}x{w}, {names[first].name} is {h0}x{w0}; expected maps of one size")
    return np.stack(maps)


def _read_png(path: Path) -> np.ndarray:
    with open_picture(path, expected="a 16-bit greyscale PNG in millimetres") as image:
        mode, steps = image.mode, np.array(image)
    if not mode.startswith("I"):
        raise PointVidError(f"{path} is a PNG of mode {mode}, expected 16-bit greyscale in millimetres")
    return steps.astype(np.float32) * METRES_PER_PNG_STEP
