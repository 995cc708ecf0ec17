"""A folder of generated clips: NAME.mp4, and NAME.npz with its tracks where the method has points.

The video is written last and whole, so that it marks a finished clip: a killed run goes on with the next one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from pointvid.errors import PointVidError
from pointvid.files.atomic import atomic_path
from pointvid.files.track_file import save_tracks
from pointvid.files.video import VideoFile, write_video
from pointvid.progress import Progress, silent
from pointvid.tracks import PointTracks

from .inputs import Item

SETTINGS = "settings.json"


@dataclass(frozen=True, eq=False)
class MadeClip:
    """video: uint8 [T,H,W,3]; fps; tracks: of its points, where the method has them."""

    video: Tensor
    fps: float
    tracks: PointTracks | None = None


class Method(Protocol):
    """Something that animates an image."""

    @property
    def settings(self) -> dict[str, Any]:
        """JSON that says what made the clips: clips of different settings do not share a folder."""
        ...

    def generate(self, item: Item, seed: int) -> MadeClip:
        """One clip."""
        ...


def generate_clips(method: Method, items: Sequence[Item], folder: Path, seed: int, progress: Progress = silent) -> int:
    """Make every clip that is not there yet; clip i gets the seed `seed` + i.

    Returns:
        how many were made.
    Raises:
        PointVidError: the folder holds clips made with other settings.
    """
    settings = {"method": method.settings, "seed": seed, "inputs": {item.name: item.prompt for item in items}}
    settings = json.loads(json.dumps(settings))
    path = folder / SETTINGS
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        if before != settings:
            changed = next(key for key in settings if before.get(key) != settings[key])
            raise PointVidError(
                f"{folder} holds clips with another {changed}, expected the settings in its {SETTINGS}; "
                "give the same ones to go on, or another folder"
            )
    else:
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    made = 0
    for index, item in enumerate(items):
        progress(index, len(items), "clips")
        if clip_path(folder, item).is_file():
            continue
        clip = method.generate(item, seed + index)
        if clip.tracks is not None:
            save_tracks(clip.tracks, folder / f"{item.name}.npz")
        write_video(clip_path(folder, item), clip.video, clip.fps)
        made += 1
    progress(len(items), len(items), "clips")
    return made


def clip_path(folder: Path, item: Item) -> Path:
    """The video of an input."""
    return folder / f"{item.name}.mp4"


def check_clips(folder: Path, items: Sequence[Item]) -> tuple[int, int, int]:
    """(T, H, W) of a folder's clips.

    Raises:
        PointVidError: clips are missing, or differ in length or size.
    """
    missing = [item.name for item in items if not clip_path(folder, item).is_file()]
    if missing:
        names = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
        raise PointVidError(
            f"{folder} lacks {len(missing)} of {len(items)} clips ({names}), expected NAME.mp4 for every input of the "
            "list; generate them first, or shorten the list"
        )
    first: tuple[int, int, int] | None = None
    for item in items:
        frames, height, width, _ = VideoFile(clip_path(folder, item)).shape
        if first is None:
            first = frames, height, width
        elif (frames, height, width) != first:
            raise PointVidError(
                f"{folder}: {item.name} is {frames} frames of {height}x{width} (HxW), {items[0].name} is {first[0]} of "
                f"{first[1]}x{first[2]}; expected one length and size a method"
            )
    if first is None:
        raise PointVidError(f"{folder}: no inputs, expected at least one")
    return first
