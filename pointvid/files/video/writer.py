"""Writing H.264 that plays everywhere."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain

import av
import numpy as np
from torch import Tensor

from ...errors import PointVidError
from ..atomic import atomic_path

# BT.601 and BT.709: what FFmpeg (AVColorSpace) and PyAV call them; PyAV 14 takes names only.
SD_MATRIX, HD_MATRIX = (5, "ITU601"), (1, "ITU709")


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
        stream.codec_context.colorspace = matrix[0]  # said in the file, so that no player has to guess it
        for pixels in chain([first], iterator):
            array = pixels.cpu().numpy()
            if array.shape != (height, width, 3) or array.dtype != np.uint8:
                raise PointVidError(
                    f"frame to write is {array.dtype} {list(array.shape)}, expected uint8 [{height}, {width}, 3]"
                )
            if even:
                array = np.pad(array, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
            container.mux(stream.encode(frame.reformat(format=pix_fmt, dst_colorspace=matrix[1])))
        container.mux(stream.encode())
