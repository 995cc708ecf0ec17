"""TAPVid-3D's npz files: the exchange format of 3D point tracking benchmarks (Koppula et al. 2024, arXiv 2407.05921).

    images_jpeg_bytes   bytes [T], one JPEG a frame
    queries_xyt         float [N, 3], pixel (x, y) and frame t of each query
    tracks_XYZ          float [T, N, 3], camera space, metres: x right, y down, z along the view
    visibility          bool [T, N]
    fx_fy_cx_cy         float [4], pixels

Its pixel (0, 0) has its centre at (0.5, 0.5), ours at (0, 0): the principal point moves by half a pixel on the way in,
points in space do not.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..camera import Camera
from ..errors import PointVidError
from ..tracks import PointTracks
from .npz import npz_names, read_npz
from .pictures import open_picture

_KEYS = ("images_jpeg_bytes", "queries_xyt", "tracks_XYZ", "visibility", "fx_fy_cx_cy")


def read_tapvid3d(path: str | os.PathLike, fps: float = 30.0) -> PointTracks:
    """The tracks of a TAPVid-3D file, all of them, as tracks from frame 0.

    A TAPVid-3D query may lie in any frame; its track is known in all of them, so its position in frame 0 is taken for
    the query here. Where a point is not finite or not in front of the camera it is invisible, and held at its position
    in the nearest frame where it is; tracks without any such frame are left out.

    Args:
        fps: the file does not say.
    Returns:
        Metric tracks with colours taken from frame 0 where points are visible in it (black elsewhere).
    Raises:
        PointVidError: the file is missing, damaged, has no images (the annotations as downloaded: generate the full
            files first), or holds arrays of other shapes.
    """
    path = Path(path)
    arrays = _read(path)
    xyz = torch.from_numpy(arrays["tracks_XYZ"].astype(np.float64))
    frame0 = _jpeg(arrays["images_jpeg_bytes"][0], path, 0)
    height, width = frame0.shape[:2]
    fx, fy, cx, cy = arrays["fx_fy_cx_cy"].tolist()
    camera = Camera(fx, fy, cx - 0.5, cy - 0.5)

    uvd = camera.project(xyz)
    there = torch.isfinite(uvd).all(-1) & (xyz[..., 2] > 0)
    kept = there.any(0)
    uvd, there = uvd[:, kept], there[:, kept]
    visible = torch.from_numpy(arrays["visibility"])[:, kept] & there
    uvd = uvd.gather(0, _nearest_true(there)[..., None].expand(-1, -1, 3)).float()

    column, row = (uvd[0, :, :2] + 0.5).floor().long().unbind(-1)
    on_screen = visible[0] & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    color = torch.zeros(len(column), 3, dtype=torch.uint8)
    color[on_screen] = frame0[row[on_screen], column[on_screen]]
    return PointTracks(uvd, visible, (height, width), camera, "metric", fps, color)


def read_tapvid3d_video(path: str | os.PathLike) -> Tensor:
    """The clip of a TAPVid-3D file, uint8 [T, H, W, 3]; errors as `read_tapvid3d`."""
    path = Path(path)
    images = _read(path)["images_jpeg_bytes"]
    frames = [_jpeg(data, path, t) for t, data in enumerate(images)]
    if len({frame.shape for frame in frames}) > 1:
        raise PointVidError(f"TAPVid-3D file {path}: frames differ in size; expected one size")
    return torch.stack(frames)


def _read(path: Path) -> dict[str, NDArray]:
    arrays = read_npz(path, "TAPVid-3D file", _KEYS)
    missing = [key for key in _KEYS if key not in arrays]
    if missing:
        advice = "; generate the files with video first" if missing == ["images_jpeg_bytes"] else ""
        raise PointVidError(
            f"TAPVid-3D file {path} lacks {', '.join(missing)}, it has "
            f"{', '.join(sorted(npz_names(path, 'TAPVid-3D file')))[:200]}{advice}"
        )
    xyz, visibility = arrays["tracks_XYZ"], arrays["visibility"]
    images, intrinsics = arrays["images_jpeg_bytes"], arrays["fx_fy_cx_cy"]
    queries = arrays["queries_xyt"]
    if queries.shape != (*xyz.shape[1:2], 3) or queries.dtype.kind not in "fiu" or not np.isfinite(queries).all():
        raise PointVidError(
            f"TAPVid-3D file {path}: queries_xyt is {queries.dtype} {list(queries.shape)}, "
            f"expected finite numbers {[*xyz.shape[1:2], 3]}"
        )
    if xyz.ndim != 3 or xyz.shape[-1] != 3 or xyz.dtype.kind != "f" or len(xyz) == 0:
        raise PointVidError(
            f"TAPVid-3D file {path}: tracks_XYZ is {xyz.dtype} {list(xyz.shape)}, expected float [T, N, 3]"
        )
    if visibility.shape != xyz.shape[:2] or visibility.dtype != bool:
        raise PointVidError(
            f"TAPVid-3D file {path}: visibility is {visibility.dtype} {list(visibility.shape)}, "
            f"expected bool {list(xyz.shape[:2])}"
        )
    if images.shape != xyz.shape[:1] or images.dtype.kind != "S":
        raise PointVidError(
            f"TAPVid-3D file {path}: images_jpeg_bytes is {images.dtype} {list(images.shape)}, "
            f"expected {len(xyz)} byte strings"
        )
    if intrinsics.shape != (4,) or intrinsics.dtype.kind not in "fiu":
        raise PointVidError(f"TAPVid-3D file {path}: fx_fy_cx_cy has shape {intrinsics.shape}, expected (4,)")
    return arrays


def _nearest_true(there: Tensor) -> Tensor:
    """int64 [T, N]: for each entry the frame nearest in time where `there` is set (the earlier of two)."""
    frame = torch.arange(len(there)).view(-1, 1).expand(there.shape)
    far = 2 * len(there)
    before = torch.where(there, frame, -far).cummax(0).values
    after = torch.where(there, frame, far).flip(0).cummin(0).values.flip(0)
    return torch.where(frame - before <= after - frame, before, after)


def _jpeg(data: bytes, path: Path, t: int) -> Tensor:
    name = f"TAPVid-3D file {path}: frame {t}"
    with open_picture(io.BytesIO(data), name, expected="a JPEG for each frame") as image:
        return torch.from_numpy(np.array(image.convert("RGB")))
