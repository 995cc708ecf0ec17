"""The formats that tracks are exported to: one entry each, for the command line and the graph alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import PointVidError

if TYPE_CHECKING:  # argument parsing reads the list, and is not to wait for torch
    from ..tracks import PointTracks

_MANY = {"hidden": "hidden", "progress": "progress"}
_PATHS = {"points": "max_tracks", "size": "image_size"}


class Format(NamedTuple):  # no dataclass: those load `inspect`, for which `pointvid --help` would wait
    """A format.

    Attributes:
        name: to say.
        suffix: of the file; empty for a folder.
        writer: "module:function" in this package's siblings, called with tracks, path and what `options` names.
        what: one line.
        scene: whether 3D viewers read it.
        options: those that it takes, and what its writer calls them. `hidden`: also points that are hidden or off
            screen; `points`: at most so many; `size`: (H, W) of the picture that positions are scaled to; `frames`: so
            many in all; `first_frame`: number of the first one; `video`: frames behind the points; `title`; `progress`.
    """

    name: str
    suffix: str
    writer: str
    what: str
    scene: bool = False
    options: Mapping[str, str] = MappingProxyType({})

    def path(self, stem: str) -> str:
        """The name of what is written for something called `stem`."""
        return f"{stem}{self.suffix}" if self.suffix else f"{stem}_{self.name}"

    def write(self, tracks: PointTracks, path: str | os.PathLike, **options: Any) -> None:
        """Write the file or folder, whole or not at all. Options that the format does not take are left out.

        Raises:
            PointVidError: as the writer.
        """
        module, _, name = self.writer.partition(":")
        function: Callable = getattr(import_module(module, __package__), name)
        function(tracks, path, **{self.options[key]: value for key, value in options.items() if key in self.options})


FORMATS = (
    Format(
        "glb", ".glb", ".glb:write_glb",
        "animated point cloud: ComfyUI's Preview 3D, Blender, any glTF viewer", True, _MANY,
    ),
    Format("ply", "", ".ply:write_ply_sequence", "a folder with one point cloud a frame", True, _MANY),
    Format(
        "usda", ".usda", ".usd:write_usd", "time-sampled points as text: Houdini, Nuke, Maya, Blender", True, _MANY
    ),
    Format("usdc", ".usdc", ".usd:write_usd", "the same, binary; needs usd-core", True, _MANY),
    Format("usdz", ".usdz", ".usd:write_usd", "the same, packed; needs usd-core", True, _MANY),
    Format("npz", ".npz", "..files.track_file:save_tracks", "the track file, for a sample given as input"),
    Format("csv", ".csv", ".csv:write_csv", "a row for each track and frame", options={"progress": "progress"}),
    Format(
        "json", ".json", ".coordinates:write_coordinate_json", "2D paths for Wan-Move, ATI and spline-editor nodes",
        options={"frames": "num_frames", "points": "max_points", "size": "image_size"},
    ),
    Format(
        "html", ".html", ".html:write_html", "an interactive viewer in one file",
        options={"video": "video", "title": "title", "progress": "progress"},
    ),
    Format(
        "blender", "", ".blender:write_blender",
        "a folder with a script that builds points and camera in Blender 4.2 or newer", options={"hidden": "hidden"},
    ),
    Format(
        "nuke", ".nk", ".nuke:write_nuke", "2D tracks as a Tracker node",
        options={**_PATHS, "first_frame": "first_frame"},
    ),
    Format(
        "after_effects", "", ".after_effects:write_after_effects",
        "a folder with keyframe data of one 2D track a file, to paste onto layers", options=_PATHS,
    ),
)  # fmt: skip


def format_named(name: str) -> Format:
    """The entry called `name`.

    Raises:
        PointVidError: there is none.
    """
    for entry in FORMATS:
        if entry.name == name:
            return entry
    raise PointVidError(f"format is {name!r}, expected one of {', '.join(entry.name for entry in FORMATS)}")
