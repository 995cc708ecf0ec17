"""The kinds of depth a graph can offer, made into what trackers take."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..pointvid.camera import Camera
from ..pointvid.depth import Depth
from ..pointvid.errors import PointVidError


def depth_from_host(
    source: Tensor | dict[str, Any] | None,
    clip: tuple[int, int, int],
    mapping: str = "disparity",
    near: float = 1.0,
    far: float = 10.0,
    unit: str = "relative",
    fov: float = 0.0,
) -> tuple[Depth, list[str]]:
    """The values of the inputs that `inputs.depth_inputs` declares.

    Args:
        source: an IMAGE [T, H, W, C] in [0, 1], read by `depth_from_image`; a DA3_GEOMETRY or MOGE_GEOMETRY dict; None.
        clip: (T, H, W) of the clip it belongs to.
        mapping, near, far: how an IMAGE is read.
        unit: what the depth is in; a geometry that says so itself (`to_geometry`) overrules it.
        fov: vertical field of view in degrees; above 0 it overrules the intrinsics of a geometry.
    Returns:
        The depth at the size of the clip, one frame of it repeated for all; and what a report says of that.
    Raises:
        PointVidError: neither one frame nor as many as the clip, or no usable value.
    """
    camera = Camera.from_fov(clip[1:], fov) if fov > 0 else None
    if source is None:
        return Depth(camera=camera), []
    own_camera = None
    if isinstance(source, dict):
        maps, own_camera = depth_from_geometry(source)
        unit = source.get("depth_unit", unit)
    else:
        maps = depth_from_image(source, near, far, mapping)
    if len(maps) not in (1, clip[0]):
        raise PointVidError(f"depth has {len(maps)} frames, the clip has {clip[0]}; expected as many, or one for all")
    notes = []
    if maps.shape[1:] != clip[1:]:
        was, now = ("x".join(map(str, size)) for size in (maps.shape[1:], clip[1:]))
        notes.append(f"depth: resized from {was} to the clip's {now} (HxW)")
        own_camera = own_camera and own_camera.resized(maps.shape[1:], clip[1:])
        maps = _resized(maps, clip[1:])
    if len(maps) < clip[0]:
        notes.append(
            f"depth: one frame for all {clip[0]} of the clip, so it is right only where nothing moves in depth"
        )
        maps = maps.expand(clip)
    return Depth(maps, unit, camera or own_camera), notes


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """[T, H, W] -> [T, *size]: the mean of what a pixel covers where it shrinks, else between the pixels."""
    shrinks = size[0] <= maps.shape[1] and size[1] <= maps.shape[2]
    mode: dict[str, Any] = {"mode": "area"} if shrinks else {"mode": "bilinear", "align_corners": False}
    return torch.nn.functional.interpolate(maps[:, None], tuple(size), **mode)[:, 0]


def depth_from_image(image: Tensor, near: float, far: float, mapping: str) -> Tensor:
    """Grey values g in [0, 1] -> depth in [near, far], [T, H, W].

    disparity       1/d = 1/far + g (1/near - 1/far): bright is near, as depth estimators and ControlNets draw it
    depth           d = near + g (far - near): bright is far
    inverted depth  d = far - g (far - near): bright is near, linear in depth
    """
    if not 0 < near < far:
        raise PointVidError(f"depth_near is {near:g} and depth_far {far:g}, expected 0 < near < far")
    grey = image[..., :3].float().mean(-1).clamp(0, 1)
    if mapping == "disparity":
        return 1 / (1 / far + grey * (1 / near - 1 / far))
    if mapping == "depth":
        return near + grey * (far - near)
    return far - grey * (far - near)


def to_geometry(found: Depth, image: Tensor) -> dict[str, Any]:
    """Estimated depth as a MOGE_GEOMETRY, with one key more: "depth_unit", "metric" or "relative"."""
    geometry = {"depth": found.maps, "image": image, "depth_unit": found.unit}
    if found.camera is not None and found.maps is not None:
        (fx, fy, cx, cy), (height, width) = found.camera.intrinsics, found.maps.shape[1:]
        # A share of width and height, from the image's corner; see `_camera`.
        k = [[fx / width, 0, (cx + 0.5) / width], [0, fy / height, (cy + 0.5) / height], [0, 0, 1]]
        geometry["intrinsics"] = torch.tensor(k, dtype=torch.float32).repeat(len(found.maps), 1, 1)
    return geometry


def flicker_line(flicker: tuple[float, float] | None) -> str:
    """What a report says of the flicker of estimated depth, as `flicker.measure_flicker` gives it."""
    if flicker is None:
        return "flicker: not known, of fewer than 3 frames"
    return f"flicker: {flicker[0]:.2%} of the depth a frame, {flicker[1]:.2%} of it as a whole"


def depth_from_geometry(geometry: dict[str, Any]) -> tuple[Tensor, Camera | None]:
    """Depth and camera of a DA3_GEOMETRY or MOGE_GEOMETRY.

    Sky and masked pixels come as infinity, NaN or 0: they take the largest depth of their frame, behind everything.
    Intrinsics may differ from frame to frame, while ours is one fixed camera: each takes its median.
    """
    depth = geometry.get("depth")
    if depth is None:
        raise PointVidError(f"depth has no 'depth' among its keys {sorted(geometry)}, expected DA3 or MoGe geometry")
    depth = depth.float().cpu()
    usable = depth.isfinite() & (depth > 0)
    if not usable.flatten(1).any(1).all():
        frame = int((~usable.flatten(1).any(1)).nonzero()[0])
        raise PointVidError(f"depth has no finite positive value in frame {frame}, expected some in every frame")
    farthest = torch.where(usable, depth, 0).amax((1, 2), keepdim=True)
    return torch.where(usable, depth, farthest), _camera(geometry, depth.shape[-2:])


def _camera(geometry: dict[str, Any], image_size: tuple[int, int]) -> Camera | None:
    intrinsics = geometry.get("intrinsics")
    if intrinsics is None:
        return None
    # quantile, not median: torch 2.11 returns garbage for the median of an expanded tensor.
    k = intrinsics.float().cpu().reshape(-1, 3, 3).quantile(0.5, dim=0)
    height, width = image_size
    if "mode" in geometry:  # Depth Anything 3: pixels of the size its network ran at, centred there
        scale_x, scale_y = width / (2 * k[0, 2]), height / (2 * k[1, 2])
    else:  # MoGe: a share of width and height
        scale_x, scale_y = width, height
    # Both measure from the image's corner; our pixel centres are integers.
    fx, cx = float(k[0, 0] * scale_x), float(k[0, 2] * scale_x) - 0.5
    fy, cy = float(k[1, 1] * scale_y), float(k[1, 2] * scale_y) - 0.5
    return Camera(fx, fy, cx, cy)
