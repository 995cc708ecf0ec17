"""From a file of any length, rate and size to the T frames of H x W pixels that a sample is made of."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..depth import Depth
from ..errors import PointVidError
from ..files.depth_file import read_depth
from ..files.mask_file import read_mask
from ..files.video import VideoFile
from ..trackers.base import Frames
from ..trackers.pipeline import Mask
from .gates import Reason, Rejected
from .settings import ClipSettings


@dataclass(frozen=True)
class ClipSource:
    """A stretch of a video file, what is said of it, and what is already known of it.

    Attributes:
        video: the file, anything FFmpeg reads.
        caption: what happens in it.
        start, end: seconds; `end` None is the end of the file.
        mask: image or video of the foreground (`mask_file`), for the frame at `start`.
        depth: file or folder of depth (`depth_file`), a map for each frame of the video.
        labels: names of the moving objects, where they are known; else they are found in the caption.
        member: (offset, size) of the video's bytes in `video`, where that is a tar that holds many.
        name: how provenance and messages call it; "" is the file's name.
    """

    video: str
    caption: str = ""
    start: float = 0.0
    end: float | None = None
    mask: str | None = None
    depth: str | None = None
    labels: tuple[str, ...] = ()
    member: tuple[int, int] | None = None
    name: str = ""


@dataclass(frozen=True, eq=False)
class Footage:
    """The frames that are used, with everything that came with them, all of one size.

    Attributes:
        frames: uint8 [T, H, W, 3], RGB: a tensor; for `Preprocessor.track` also frames that are read one by one.
        fps: of these frames.
        caption, labels: as in `ClipSource`.
        mask: the foreground of frame 0, as in `trackers.pipeline.Mask`; None: to be found.
        depth: what is known of it; maps that are None are estimated, or flat.
        provenance: where the frames are from: plain values.
        figures: what `Preprocessor.read` measured.
        unlabelled: why the caption gave no labels, where it was asked.
    """

    frames: Frames
    fps: float = 8.0
    caption: str = ""
    labels: tuple[str, ...] = ()
    mask: Mask = None
    depth: Depth = field(default_factory=Depth)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    unlabelled: str = ""


def read_footage(source: ClipSource, settings: ClipSettings) -> Footage:
    """Trim, thin out, scale and crop.

    Only what is used is decoded, wherever in the file it lies; of the rest, the index is read.

    Raises:
        Rejected: gate "unreadable" (no such file, damaged, mask or depth that do not fit), "short" or "small".
    """
    name = source.name or os.fspath(source.video)
    try:
        with VideoFile(_opened(source), size=settings.size) as video:
            _check_scale(video, settings, name)
            chosen = _choose(video, source, settings, name)
            frames = torch.stack([video[t] for t in chosen])
            return _with_files(source, video, frames, chosen, name)
    except Rejected:
        raise
    except (PointVidError, OSError) as error:
        raise Rejected([Reason("unreadable", _one_line(error))]) from error


def _opened(source: ClipSource) -> str | io.BytesIO:
    if source.member is None:
        return os.fspath(source.video)
    offset, size = source.member
    with Path(source.video).open("rb") as file:
        file.seek(offset)
        return io.BytesIO(file.read(size))


def _check_scale(video: VideoFile, settings: ClipSettings, name: str) -> None:
    (height, width), (wanted_height, wanted_width) = video.source_size, settings.size
    enlarged = max(wanted_height / height, wanted_width / width)
    if enlarged > settings.max_upscale:
        message = (
            f"{name} is {height}x{width}, {wanted_height}x{wanted_width} (HxW) would enlarge it {enlarged:.3g} times, "
            f"expected at most {settings.max_upscale:g}"
        )
        raise Rejected([Reason("small", message, enlarged, settings.max_upscale)])


def _choose(video: VideoFile, source: ClipSource, settings: ClipSettings, name: str) -> range:
    """The frames of the file that are used."""
    stride = 1 if settings.fps is None else max(1, round(video.fps / settings.fps))
    first = round(source.start * video.fps)
    end = len(video) if source.end is None else min(round(source.end * video.fps), len(video))
    span = (settings.frames - 1) * stride + 1
    if end - first < span:
        found, needed = max(end - first, 0) / video.fps, span / video.fps
        message = (
            f"{name} has {found:.3g} s from {source.start:g} s on, {settings.frames} frames at "
            f"{video.fps / stride:.3g} fps need {needed:.3g} s"
        )
        raise Rejected([Reason("short", message, found, needed)])
    if settings.take == "middle" and source.mask is None:
        first += (end - first - span) // 2
    return range(first, first + span, stride)


def _with_files(source: ClipSource, video: VideoFile, frames: Tensor, chosen: range, name: str) -> Footage:
    """Add the mask and the depth, cut as the frames are."""
    mask, depth = None, Depth()
    if source.mask is not None:
        mask = read_mask(source.mask, video.framing, source.start)
    if source.depth is not None:
        span = chosen[-1] - chosen[0] + 1
        depth = read_depth(source.depth, span, video.framing, chosen[0], chosen.step)
    height, width = video.source_size
    return Footage(
        frames=frames,
        fps=video.fps / chosen.step,
        caption=source.caption.strip(),
        labels=source.labels,
        mask=mask,
        depth=depth,
        provenance={
            "source": name,
            "first_frame": chosen[0],
            "every": chosen.step,
            "file_size": [height, width],
            "file_fps": round(video.fps, 4),
        },
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
