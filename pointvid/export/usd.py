"""USD: the tracks as one time-sampled `Points` prim, which Houdini, Nuke, Maya, Blender and usdview read.

The text form (.usda) is written here and needs no package; the binary ones (.usdc, .usdz) need usd-core.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import PointVidError
from ..files.atomic import atomic_path
from ..progress import Progress, silent
from ..render.colors import track_colors
from ..tracks import PointTracks
from .scene import linear_colors, shown, world_points

APERTURE_MM = 36.0
SUFFIXES = (".usda", ".usdc", ".usdz", ".usd")


def write_usd(
    tracks: PointTracks,
    path: str | os.PathLike,
    point_width: float | None = None,
    hidden: bool = False,
    progress: Progress = silent,
) -> None:
    """Write every track with its `ids`, colour, and a `primvars:visible` per point and frame.

    Point n is the same point in all frames. Where it is hidden its width is 0, as USD has no visibility per point.

    Args:
        tracks: any tracks. Metric depth gives metres; a relative one keeps its own unit.
        path: .usda needs nothing; .usdc, .usd and .usdz need usd-core.
        point_width: diameter of a point in the unit of depth; by default about one pixel at the median depth.
        hidden: keep the width of hidden points.
        progress: reports frames.
    Raises:
        PointVidError: another suffix, or usd-core is missing.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise PointVidError(f"{path} ends in {suffix or 'nothing'}, expected one of {', '.join(SUFFIXES)}")
    binary = suffix != ".usda"
    if binary:
        try:
            from pxr import Sdf, UsdUtils
        except ImportError as error:
            raise PointVidError(
                f"{path} needs usd-core, which is not installed; "
                'run: pip install "comfyui-pointvid[usd]", or write .usda instead'
            ) from error
    with atomic_path(path) as temporary:
        text = temporary.with_suffix(".usda") if binary else temporary
        crate = temporary.with_suffix(".usdc") if suffix == ".usdz" else temporary
        try:
            with text.open("w", encoding="ascii", newline="\n") as file:
                file.writelines(_lines(tracks, point_width, hidden, progress))
            if binary and not Sdf.Layer.OpenAsAnonymous(str(text)).Export(str(crate)):
                raise PointVidError(f"cannot write {path}: usd-core refused to convert it")
            if suffix == ".usdz" and not UsdUtils.CreateNewUsdzPackage(str(crate), str(temporary)):
                raise PointVidError(f"cannot write {path}: usd-core refused to package it")
        finally:
            for other in {text, crate} - {temporary}:
                other.unlink(missing_ok=True)


def _lines(tracks: PointTracks, point_width: float | None, hidden: bool, progress: Progress) -> Iterable[str]:
    points, visible = world_points(tracks), shown(tracks, False)
    drawn = shown(tracks, hidden)
    points = np.where(np.isfinite(points), points, 0)
    if point_width is None:
        depth = -points[..., 2][visible]
        point_width = (float(np.median(depth)) if len(depth) else 1.0) / float(tracks.camera.fx)
    frames = range(tracks.num_frames)
    metres = "    metersPerUnit = 1\n" if tracks.depth_unit == "metric" else ""
    yield (
        '#usda 1.0\n(\n    defaultPrim = "PointVid"\n'
        f"    endTimeCode = {tracks.num_frames - 1}\n    framesPerSecond = {tracks.fps:.9g}\n{metres}"
        f'    startTimeCode = 0\n    timeCodesPerSecond = {tracks.fps:.9g}\n    upAxis = "Y"\n)\n\n'
        'def Xform "PointVid"\n{\n'
        '    def Points "tracks"\n    {\n'
        f"        int64[] ids = [{', '.join(map(str, range(tracks.num_points)))}]\n"
        f"        color3f[] primvars:displayColor = {_vectors(linear_colors(track_colors(tracks)))} "
        '(\n            interpolation = "vertex"\n        )\n'
    )
    if tracks.object_id is not None:
        objects = ", ".join(map(str, tracks.object_id.tolist()))
        yield f'        int[] primvars:object_id = [{objects}] (\n            interpolation = "vertex"\n        )\n'
    yield "        float3[] extent.timeSamples = {\n"
    for frame in frames:
        low, high = _extent(points[frame], point_width)
        yield f"            {frame}: [{low}, {high}],\n"
    yield "        }\n        point3f[] points.timeSamples = {\n"
    for frame in frames:
        yield f"            {frame}: {_vectors(points[frame])},\n"
        progress(frame + 1, tracks.num_frames, "writing USD")
    yield '        }\n        float[] widths (\n            interpolation = "vertex"\n        )\n'
    yield "        float[] widths.timeSamples = {\n"
    for frame in frames:
        yield f"            {frame}: [{', '.join(np.where(drawn[frame], f'{point_width:.7g}', '0').tolist())}],\n"
    yield '        }\n        bool[] primvars:visible (\n            interpolation = "vertex"\n        )\n'
    yield "        bool[] primvars:visible.timeSamples = {\n"
    for frame in frames:
        yield f"            {frame}: [{', '.join(np.where(visible[frame], '1', '0').tolist())}],\n"
    yield f"        }}\n    }}\n\n{_camera(tracks)}}}\n"


def _camera(tracks: PointTracks) -> str:
    height, width = tracks.image_size
    camera = tracks.camera
    vertical = APERTURE_MM * (height / camera.fy) / (width / camera.fx)
    right = ((width - 1) / 2 - camera.cx) / width * APERTURE_MM
    up = (camera.cy - (height - 1) / 2) / height * vertical
    return (
        '    def Camera "clip_camera"\n    {\n'
        "        float2 clippingRange = (0.01, 1e+06)\n"
        f"        float focalLength = {APERTURE_MM * camera.fx / width:.7g}\n"
        f"        float horizontalAperture = {APERTURE_MM:.7g}\n"
        f"        float horizontalApertureOffset = {right:.7g}\n"
        f"        float verticalAperture = {vertical:.7g}\n"
        f"        float verticalApertureOffset = {up:.7g}\n    }}\n"
    )


def _extent(points: np.ndarray, width: float) -> tuple[str, str]:
    if not len(points):
        return "(0, 0, 0)", "(0, 0, 0)"
    return _vector(points.min(0) - width / 2), _vector(points.max(0) + width / 2)


def _vector(values: Iterable[float]) -> str:
    return "({:.7g}, {:.7g}, {:.7g})".format(*values)


def _vectors(array: np.ndarray) -> str:
    return f"[{', '.join(_vector(row) for row in array.tolist())}]"
