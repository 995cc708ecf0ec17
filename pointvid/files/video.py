"""Reading and writing video with PyAV: every frame is uint8 RGB [H, W, 3], upright, at a constant rate."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import av.error
import numpy as np
import torch
from torch import Tensor

from ..errors import PointVidError
from ..framing import Framing
from .atomic import atomic_path

SD_MATRIX, HD_MATRIX = 5, 1  # AVColorSpace numbers of BT.470BG (BT.601) and BT.709


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


@dataclass(frozen=True)
class _Index:
    """What a file holds, found without decoding: display times, and which source frame each output frame shows."""

    times: tuple[int, ...]  # of the source frames, sorted, in units of the stream's time base
    shown: tuple[int, ...]  # output frame -> index into times
    fps: Fraction


class VideoFile:
    """A video file read frame by frame: `video[t]` is uint8 [H, W, 3], and one decoded frame is kept at a time.

    Ask for frames in rising t; going back works but decodes from the nearest key frame again. Variable frame rates
    are resampled by their timestamps to the nominal rate (the median gap), each output frame showing what was on screen
    then. Rotation from the display matrix is applied, transparency is put on black, 10-bit and grey become 8-bit RGB.
    An image is a video of one frame.

    Args:
        path: anything FFmpeg reads.
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
        if frames is not None and frames < 1:
            raise PointVidError(f"{self.name}: {frames} frames asked for, expected at least 1")
        if start < 0:
            raise PointVidError(f"{self.name}: start is {start:g} s, expected 0 or more")
        if not isinstance(path, io.BytesIO):
            self._check_file(Path(path))
        self._source = path
        self._open()
        with self._readable():
            self._index = self._read_index()
        total = len(self._index.shown)
        first = round(start * self._index.fps)
        available = max(total - first, 0)
        if self._promised > len(self._index.times) and available < (frames or total + 1):
            raise self._truncated(len(self._index.times))
        if available < (frames or 1):
            seconds = float(total / self._index.fps)
            self.close()
            since = f" from {start:g} s on (it lasts {seconds:.2f} s)" if start else ""
            advice = f"use at most {available}, or a longer clip" if available else "start earlier"
            raise PointVidError(
                f"{self.name} has {_count(available)}{since}, expected at least {frames or 1}; {advice}"
            )
        self._shown = self._index.shown[first : first + (frames or available)]
        self._decoded: Iterator[tuple[int, av.VideoFrame]] = iter(())
        self._at, self._pixels = -1, np.zeros(0)
        self.fps = float(self._index.fps)
        self.first_frame = first
        source = self._oriented(self._frame(self._shown[0]))
        self.framing = Framing(source.shape[:2], tuple(size) if size else source.shape[:2])

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
        wanted = self._shown[t]
        if wanted != self._at:
            pixels = self._oriented(self._frame(wanted))
            if pixels.shape[:2] != self.framing.source:
                (h, w), (h0, w0) = pixels.shape[:2], self.framing.source
                raise PointVidError(f"{self.name}: frame {t} is {h}x{w}, the first is {h0}x{w0}; expected one size")
            self._at, self._pixels = wanted, self.framing.pixels(pixels)
        return torch.from_numpy(self._pixels.copy())

    def __iter__(self) -> Iterator[Tensor]:
        return (self[t] for t in range(len(self)))

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()

    def _check_file(self, path: Path) -> None:
        if path.is_dir():
            raise PointVidError(f"{self.name} is a folder, expected a video file")
        if not path.exists():
            raise PointVidError(f"{self.name} does not exist, expected a video file")
        if path.stat().st_size == 0:
            raise PointVidError(f"{self.name} is empty (0 bytes), expected a video file")

    def _open(self) -> None:
        if isinstance(self._source, io.BytesIO):
            self._source.seek(0)
        with self._readable():
            self._container = av.open(self._source if isinstance(self._source, io.BytesIO) else self.name)
            if not self._container.streams.video:
                raise PointVidError(f"{self.name} has no video stream, expected a whole video file")
            self._container.streams.video[0].thread_type = "AUTO"

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Turn FFmpeg's errors into one line that names the file."""
        try:
            yield
        except (av.error.FFmpegError, EOFError) as error:
            raise PointVidError(
                f"{self.name} cannot be read ({error.strerror or error}), expected a whole video file "
                "in a format FFmpeg knows; copy or encode it again"
            ) from error

    def _read_index(self) -> _Index:
        """Display times from the packets alone: exact for long files, and nothing is decoded."""
        stream = self._container.streams.video[0]
        packets = [
            (packet.pts, packet.is_corrupt)
            for packet in self._container.demux(stream)
            if packet.size and not packet.is_discard
        ]
        whole = [pts for pts, is_corrupt in packets if not is_corrupt]
        self._promised = max(len(packets), stream.frames)
        if not whole and self._promised:
            raise self._truncated(0)
        if not whole:
            raise PointVidError(f"{self.name} has 0 frames, expected at least 1")
        self._timed = None not in whole
        times = sorted(set(whole)) if self._timed else list(range(len(whole)))
        guess = stream.average_rate or stream.guessed_rate or Fraction(25)
        if len(times) < 3 or not self._timed:
            return _Index(tuple(times), tuple(range(len(times))), guess)
        gaps = np.diff(times)
        median = float(np.median(gaps))
        # Millisecond time bases round the gaps of a constant rate; only a real change counts as variable.
        if np.abs(gaps - median).max() <= max(0.1 * median, 1):
            return _Index(tuple(times), tuple(range(len(times))), guess)
        fps = Fraction(1 / (median * float(stream.time_base))).limit_denominator(1001)
        steps = np.arange(round((times[-1] - times[0]) / median) + 1) * median + times[0]
        shown = np.searchsorted(times, steps + 0.5, side="right") - 1
        return _Index(tuple(times), tuple(shown.tolist()), fps)

    def _frame(self, wanted: int) -> av.VideoFrame:
        """The source frame with index `wanted`, decoding onwards or seeking back."""
        if wanted <= self._at or self._at < 0:
            self._seek(wanted)
        with self._readable():
            for index, frame in self._decoded:
                if index >= wanted:
                    if frame.is_corrupt:
                        break
                    return frame
        raise self._truncated(wanted)

    def _seek(self, wanted: int) -> None:
        if self._timed:
            try:
                self._container.seek(self._index.times[wanted], stream=self._container.streams.video[0])
            except av.error.FFmpegError:  # some formats cannot seek
                self._open()
        else:
            self._open()
        self._decoded = self._decode()

    def _decode(self) -> Iterator[tuple[int, av.VideoFrame]]:
        times = np.array(self._index.times)
        for ordinal, frame in enumerate(self._container.decode(video=0)):
            known = self._timed and frame.pts is not None
            yield int(np.searchsorted(times, frame.pts)) if known else ordinal, frame

    def _truncated(self, index: int) -> PointVidError:
        return PointVidError(
            f"{self.name}: frame {index} of {self._promised} cannot be decoded (damaged or truncated file), "
            f"expected a whole video; copy or encode it again, or use fewer frames"
        )

    @staticmethod
    def _oriented(frame: av.VideoFrame) -> np.ndarray:
        """uint8 [H, W, 3], upright, transparency on black."""
        if any(component.is_alpha for component in frame.format.components):
            rgba = frame.to_ndarray(format="rgba")
            alpha = rgba[..., 3:].astype(np.uint16)
            pixels = ((rgba[..., :3] * alpha + 127) // 255).astype(np.uint8)
        else:
            pixels = frame.to_ndarray(format="rgb24")
        return np.rot90(pixels, round(frame.rotation / 90))


def read_clip(
    path: str | os.PathLike | io.BytesIO,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    start: float = 0,
) -> Clip:
    """Read a video into memory; arguments and errors are `VideoFile`'s."""
    with VideoFile(path, frames, size, start) as video:
        return Clip(torch.stack(list(video)), video.fps, video.framing)


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


def write_video(
    path: str | os.PathLike,
    frames: Tensor | Iterable[Tensor],
    fps: float,
    crf: float = 16,
    pix_fmt: str = "yuv420p",
) -> None:
    """Write H.264 that plays everywhere; the container follows the suffix (.mp4, .mov, .mkv).

    Args:
        frames: uint8 [T, H, W, 3], or anything that yields uint8 [H, W, 3]. Odd sizes are padded by repeating the last
            row or column, since 4:2:0 chroma needs even ones.
        fps: frames a second.
        crf: constant rate factor: 0 best, 51 worst.
        pix_fmt: "yuv444p" keeps the chroma of every pixel, and odd sizes, but fewer programs play it.
    """
    with atomic_path(path) as temporary:
        try:
            container = av.open(str(temporary), "w", options={"movflags": "+faststart"})
        except ValueError as error:
            suffix = temporary.suffix or "no suffix"
            raise PointVidError(f"cannot write {path}: {suffix} is no video format, expected .mp4") from error
        _encode(container, frames, fps, crf, pix_fmt)


def encode_mp4(
    frames: Tensor | Iterable[Tensor],
    fps: float,
    crf: float = 16,
    pix_fmt: str = "yuv420p",
    repeatable: bool = False,
) -> bytes:
    """What `write_video` writes, as bytes.

    x264's bytes depend on the machine's cores, and now and then on chance. `repeatable` gives equal frames equal
    bytes, for a quarter more of them.
    """
    buffer = io.BytesIO()
    _encode(av.open(buffer, "w", format="mp4"), frames, fps, crf, pix_fmt, repeatable)
    return buffer.getvalue()


def _encode(
    container: av.container.OutputContainer,
    frames: Tensor | Iterable[Tensor],
    fps: float,
    crf: float,
    pix_fmt: str,
    repeatable: bool = False,
) -> None:
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        container.close()
        raise PointVidError("video to write has 0 frames, expected at least 1")
    even = pix_fmt == "yuv420p"
    height, width = first.shape[:2]
    with container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(30000))
        stream.width, stream.height = (width + width % 2, height + height % 2) if even else (width, height)
        stream.pix_fmt = pix_fmt
        stream.options = {"crf": str(crf), "preset": "medium"}
        if repeatable:
            stream.codec_context.thread_count = 1
            stream.options = {**stream.options, "x264-params": "no-mbtree=1"}  # it varies even in one thread
        matrix = HD_MATRIX if height >= 720 else SD_MATRIX
        stream.codec_context.colorspace = matrix  # said in the file, so that no player has to guess it
        for pixels in chain([first], iterator):
            array = pixels.cpu().numpy()
            if array.shape != (height, width, 3) or array.dtype != np.uint8:
                raise PointVidError(
                    f"frame to write is {array.dtype} {list(array.shape)}, expected uint8 [{height}, {width}, 3]"
                )
            if even:
                array = np.pad(array, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
            container.mux(stream.encode(frame.reformat(format=pix_fmt, dst_colorspace=matrix)))
        container.mux(stream.encode())


def _count(frames: int) -> str:
    return f"{frames} frame" if frames == 1 else f"{frames} frames"
