"""PointVid: video with the 3D trajectory of every foreground pixel.

Importing this package touches neither torch nor any other heavy library: the public names below are looked up when they
are used. They are what 0.x keeps; the modules behind them may move. `docs/architecture.md` says which room holds what.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from .camera import Camera as Camera
    from .depth import Depth as Depth
    from .diffusion.generator import Generator as Generator
    from .export.after_effects import write_after_effects as write_after_effects
    from .export.blender import write_blender as write_blender
    from .export.csv import write_csv as write_csv
    from .export.glb import write_glb as write_glb
    from .export.html import write_html as write_html
    from .export.nuke import write_nuke as write_nuke
    from .export.ply import write_ply_sequence as write_ply_sequence
    from .export.usd import write_usd as write_usd
    from .files.track_file import load_tracks as load_tracks
    from .files.track_file import save_tracks as save_tracks
    from .files.video import Clip as Clip
    from .files.video import read_clip as read_clip
    from .files.video import write_video as write_video
    from .point_map import PointMap as PointMap
    from .points.densify import densify as densify
    from .points.smoothing import smooth_tracks as smooth_tracks
    from .trackers.pipeline import track_clip as track_clip
    from .trackers.pipeline import track_points as track_points
    from .trackers.settings import TrackSettings as TrackSettings
    from .tracks import PointTracks as PointTracks

_ROOMS = {
    "Camera": "camera",
    "Clip": "files.video",
    "Depth": "depth",
    "Generator": "diffusion.generator",
    "PointMap": "point_map",
    "PointTracks": "tracks",
    "TrackSettings": "trackers.settings",
    "densify": "points.densify",
    "load_tracks": "files.track_file",
    "read_clip": "files.video",
    "save_tracks": "files.track_file",
    "smooth_tracks": "points.smoothing",
    "track_clip": "trackers.pipeline",
    "track_points": "trackers.pipeline",
    "write_after_effects": "export.after_effects",
    "write_blender": "export.blender",
    "write_csv": "export.csv",
    "write_glb": "export.glb",
    "write_html": "export.html",
    "write_nuke": "export.nuke",
    "write_ply_sequence": "export.ply",
    "write_usd": "export.usd",
    "write_video": "files.video",
}

__all__ = ["__version__", *_ROOMS]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_ROOMS[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS])
