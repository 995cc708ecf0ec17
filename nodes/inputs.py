"""Inputs that several nodes share, with one wording."""

from __future__ import annotations

from . import types
from .host_api import io


def fps_input() -> io.Input:
    """Frames a second; an IMAGE does not carry it."""
    return io.Float.Input(
        "fps",
        default=8.0,
        min=0.1,
        max=1000.0,
        step=0.01,
        tooltip="Frames a second of the clip: sets the playing speed of previews and exports. "
        "'Get Video Components' gives it for a loaded video.",
    )


def depth_inputs() -> list[io.Input]:
    """One depth socket for every source, and how to read it; `depth_input.depth_from_host` takes their values."""
    return [
        io.MultiType.Input(
            "depth",
            types=[io.Image, types.DepthAnything3Geometry, types.MogeGeometry],
            optional=True,
            tooltip="Depth of every frame: the geometry of Depth Anything 3 or MoGe (its camera is used too), or a "
            "depth video as IMAGE. Without it the points lie flat at depth 1.",
        ),
        io.Combo.Input(
            "depth_mapping",
            options=["disparity", "depth", "inverted depth"],
            default="disparity",
            optional=True,
            advanced=True,
            tooltip="How a depth IMAGE is read. disparity: bright is near, as depth estimators draw it. depth: bright "
            "is far, linear. inverted depth: bright is near, linear. Geometry inputs do not need it.",
        ),
        io.Float.Input(
            "depth_near",
            default=1.0,
            min=0.001,
            max=100000.0,
            step=0.01,
            optional=True,
            advanced=True,
            tooltip="Distance that the nearest value of a depth IMAGE stands for.",
        ),
        io.Float.Input(
            "depth_far",
            default=10.0,
            min=0.001,
            max=100000.0,
            step=0.01,
            optional=True,
            advanced=True,
            tooltip="Distance that the farthest value of a depth IMAGE stands for.",
        ),
        io.Combo.Input(
            "depth_unit",
            options=["relative", "metric"],
            default="relative",
            optional=True,
            advanced=True,
            tooltip="metric when the depth is in metres (MoGe 2, Depth Anything 3 Metric, renders); relative when its "
            "scale is unknown.",
        ),
        io.Float.Input(
            "fov",
            default=0.0,
            min=0.0,
            max=170.0,
            step=0.1,
            optional=True,
            advanced=True,
            tooltip="Vertical field of view of the camera in degrees. 0 takes the camera from the depth geometry, or "
            "else assumes a focal length of one image width.",
        ),
    ]


def filename_prefix(default: str) -> io.Input:
    """Where in the output folder a file goes."""
    return io.String.Input(
        "filename_prefix",
        default=default,
        tooltip="Name below ComfyUI's output folder; a number and the suffix are added. "
        "Folders and %year%-%month%-%day% work as in Save Image.",
    )
