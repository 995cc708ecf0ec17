"""Reading video: every frame is uint8 RGB [H, W, 3], upright, at a constant rate. docs/video-files.md is the manual."""

from __future__ import annotations

import io
import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import PointVidError
from ...framing import Framing
from ..pictures import MAX_PIXELS, printable
from .film import Film, Recounted
from .stills import Source, open_pictures
from .timing import constant_rate


@dataclass(frozen=True, eq=False)
class Clip:
    """A short video in memory, frame by frame `clip[t]`: what trackers take.

    Attributes:
        frames: uint8 [T, H, W, 3], RGB.
        fps: frames a second.
        framing: how the file's pixels became these (identity unless a size was asked for); None of no file.
    """

    frames: Tensor
    fps: float
    framing: Framing | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W, 3)."""
        return tuple(self.frames.shape)

    def __getitem__(self, t: int) -> Tensor:
        return self.frames[t]

    def __len__(self) -> int:
        return self.shape[0]


class VideoFile:
    """A video file read frame by frame: `video[t]` is uint8 [H, W, 3], and one decoded frame is kept at a time.

    Ask for frames in rising t; going back works but decodes from an earlier key frame again. Variable frame rates are
    resampled by their times to the nominal rate, each output frame showing what was on screen then. Rotation, mirroring
    and pixel aspect are applied, combs of interlaced frames removed, transparency is put on black, HDR is tone-mapped,
    10-bit and grey become 8-bit RGB. A picture is a video of one frame; a folder of pictures or a numbered sequence
    (`frame_%04d.png`) is a video at 25 frames a second.

    Args:
        path: anything FFmpeg or Pillow reads.
        frames: how many frames to use, all if None.
        size: (H, W) to scale and crop to (aspect kept, middle kept), the file's own if None.
        start: seconds to skip.
    Raises:
        PointVidError: no such file, not a video, damaged, or fewer frames than asked.
    """

    def __init__(
        self,
        path: str | os.PathLike | io.BytesIO,
        frames: int | None = None,
        size: tuple[int, int] | None = None,
        start: float = 0,
    ) -> None:
        self.name = "video" if isinstance(path, io.BytesIO) else os.fspath(path)
        _check_wishes(self.name, frames, size, start)
        self._source = _open(path, self.name)
        try:
            try:
                pixels = self._begin(frames, start)
            except Recounted:  # the source knows better now
                pixels = self._begin(frames, start)
        except BaseException:
            self.close()
            raise
        self.framing = Framing(pixels.shape[:2], tuple(size) if size else pixels.shape[:2])
        self._at, self._pixels = -1, np.zeros(0)
        self._first_pixels = pixels

    def _begin(self, frames: int | None, start: float) -> np.ndarray:
        """Choose the frames; the pixels of the first."""
        source, name = self._source, printable(self.name)
        self._index = index = constant_rate(source.times, source.time_base, source.rate, name)
        total = len(index.shown)
        first = round(start * index.fps)
        available = max(total - first, 0)
        if source.lost and available < (frames or total + 1):
            raise PointVidError(
                f"{name}: frame {len(source.times)} of {len(source.times) + source.lost} cannot be decoded (damaged or "
                "truncated file), expected a whole video; copy or encode it again, or use fewer frames"
            )
        if available < (frames or 1):
            since = f" from {start:g} s on (it lasts {float(total / index.fps):.2f} s)" if start else ""
            advice = f"use at most {available}, or a longer clip" if available else "start earlier"
            raise PointVidError(f"{name} has {_count(available)}{since}, expected at least {frames or 1}; {advice}")
        self._shown = index.shown[first : first + (frames or available)]
        self.fps = float(index.fps)
        self.first_frame = first
        return source.pixels(int(self._shown[0]))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, H, W, 3)."""
        return len(self._shown), *self.framing.target, 3

    @property
    def source_size(self) -> tuple[int, int]:
        """(H, W) of the file's own upright frames."""
        return self.framing.source

    def __len__(self) -> int:
        return len(self._shown)

    def __getitem__(self, t: int) -> Tensor:
        if not -len(self) <= t < len(self):
            raise IndexError(t)
        if self._source is None:
            raise PointVidError(f"{printable(self.name)} is closed, expected an open VideoFile; read before close()")
        wanted = int(self._shown[t])
        if wanted != self._at:
            if wanted == self._shown[0] and self._first_pixels is not None:
                pixels = self._first_pixels
            else:
                pixels = self._source.pixels(wanted)
            self._first_pixels = None
            if pixels.shape[:2] != self.framing.source:
                (h, w), (h0, w0) = pixels.shape[:2], self.framing.source
                raise PointVidError(
                    f"{printable(self.name)}: frame {t} is {h}x{w}, the first is {h0}x{w0}; expected one size"
                )
            self._at, self._pixels = wanted, self.framing.pixels(pixels)
        return torch.from_numpy(self._pixels.copy())

    def __iter__(self) -> Iterator[Tensor]:
        return (self[t] for t in range(len(self)))

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file, and of the decoder's threads."""
        if self._source is not None:
            self._source.close()
            self._source = None


def read_clip(
    path: str | os.PathLike | io.BytesIO,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    start: float = 0,
) -> Clip:
    """Read a video into memory; arguments and errors are `VideoFile`'s."""
    with VideoFile(path, frames, size, start) as video:
        try:
            clip = torch.empty(video.shape, dtype=torch.uint8)
        except (RuntimeError, MemoryError) as error:
            gigabytes = math.prod(video.shape) / 2**30
            raise PointVidError(
                f"{printable(video.name)}: {_count(len(video))} of {video.shape[1]}x{video.shape[2]} need "
                f"{gigabytes:.1f} GiB of memory, which is not free; use fewer frames or a smaller size"
            ) from error
        for t, frame in enumerate(video):
            clip[t] = frame
        return Clip(clip, video.fps, video.framing)


def decode_mp4(data: bytes, size: tuple[int, int] | None = None) -> Clip:
    """Read a video from bytes. `size` (H, W) cuts off the padding that `encode_mp4` adds to odd sizes."""
    clip = read_clip(io.BytesIO(data))
    if size is None:
        return clip
    frames = clip.frames[:, : size[0], : size[1]]
    if frames.shape[1:3] != tuple(size):
        height, width = clip.frames.shape[1:3]
        raise PointVidError(f"video is {height}x{width}, expected at least {size[0]}x{size[1]}")
    return Clip(frames.contiguous(), clip.fps, Framing(size, size))


def _open(path: str | os.PathLike | io.BytesIO, name: str) -> Source:
    if not isinstance(path, io.BytesIO):
        path = os.fspath(path)
        shown = printable(name)
        try:
            facts = Path(path).stat()
        except FileNotFoundError:
            facts = None
        except (OSError, ValueError) as error:  # too long a name, a zero byte in it
            reason = getattr(error, "strerror", None) or error
            raise PointVidError(f"{shown} cannot be read ({reason}), expected a video file") from error
        if facts is not None and not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
            raise PointVidError(f"{shown} is a device or a pipe, expected a video file")
        if facts is not None and stat.S_ISREG(facts.st_mode) and facts.st_size == 0:
            raise PointVidError(f"{shown} is empty (0 bytes), expected a video file")
    try:
        pictures = open_pictures(path, name)
    except OSError as error:
        raise PointVidError(
            f"{printable(name)} cannot be read ({error.strerror or error}), expected a video file"
        ) from error
    if pictures is None and not isinstance(path, io.BytesIO) and facts is None:
        raise PointVidError(f"{shown} does not exist, expected a video file")
    return pictures or Film(path, name)


def _check_wishes(name: str, frames: int | None, size: tuple[int, int] | None, start: float) -> None:
    name = printable(name)
    if frames is not None and frames < 1:
        raise PointVidError(f"{name}: {frames} frames asked for, expected at least 1")
    if not 0 <= start <= 1e9:
        raise PointVidError(f"{name}: start is {start:g} s, expected 0 or more")
    if size is not None and not (min(size) >= 1 and size[0] * size[1] <= MAX_PIXELS):
        raise PointVidError(
            f"{name}: size {size[0]}x{size[1]} (HxW) asked for, expected at least 1x1 and at most {MAX_PIXELS} pixels"
        )


def _count(frames: int) -> str:
    return f"{frames} frame" if frames == 1 else f"{frames} frames"
