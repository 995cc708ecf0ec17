"""Small videos whose frames tell which they are, and whose corners tell how they lie."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch


def levels(count=12, size=(32, 48)):
    """Frame t is grey level 20 * t: tells which frame was read, whatever the codec does."""
    return (torch.arange(count) * 20).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, *size, 3)


def level(frame):
    return round(frame.float().mean().item() / 20)


def encode(path, arrays, codec="libx264", pix_fmt="yuv420p", source="rgb24", times=None, rate=10):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = arrays[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for index, array in enumerate(arrays):
            frame = av.VideoFrame.from_ndarray(array, format=source).reformat(format=pix_fmt)
            frame.time_base = Fraction(1, 1000)
            frame.pts = times[index] if times else index * 1000 // rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def quadrants():
    """Red, green / blue, white, 32x48."""
    image = np.zeros((32, 48, 3), np.uint8)
    image[:16, :24] = (220, 0, 0)
    image[:16, 24:] = (0, 220, 0)
    image[16:, :24] = (0, 0, 220)
    image[16:, 24:] = 220
    return image


def corners(frame):
    return [frame[y, x].tolist() for y in (4, -5) for x in (4, -5)]


def near(found, wanted):
    return np.abs(np.array(found) - np.array(wanted)).max() < 12


RED, GREEN, BLUE, WHITE = (220, 0, 0), (0, 220, 0), (0, 0, 220), (220, 220, 220)


def ffmpeg(*arguments: object) -> None:
    """Run ffmpeg; the test is skipped where there is none."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not on the path: it writes the file that this test reads")
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True)


def grey_ramp(path: Path, *options: str, count: int = 50, size: str = "64x64") -> Path:
    """Frame N is grey 4.66 * N, 25 a second, written by ffmpeg."""
    source = f"nullsrc=s={size}:r=25:d={count / 25},geq=lum='N*4+16':cb=128:cr=128"
    ffmpeg("-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", *options, path)
    return path


def ramp_level(frame: torch.Tensor) -> int:
    """N of a frame of `grey_ramp`."""
    return round(frame.float().mean().item() / 4.658)
