"""Reading a foreground mask from an image or a video."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from ..errors import PointVidError
from ..framing import Framing
from .video import VideoFile


def read_mask(path: str | os.PathLike, framing: Framing, start: float = 0) -> Tensor:
    """The mask of the clip's first frame.

    Args:
        path: a picture, or a video whose frame at `start` is taken. Foreground is where it is brighter than half;
            transparent pixels are background.
        framing: the clip's: the mask must have the size of the clip's file and is framed as the clip is.
        start: seconds, for a video.
    Returns:
        bool [H, W].
    Raises:
        PointVidError: unreadable, of another size than the clip's file, or without any foreground.
    """
    name, expected = os.fspath(path), framing.source
    with VideoFile(path) as video:
        at = round(start * video.fps) if len(video) > 1 else 0
        if at >= len(video):
            raise PointVidError(
                f"{name}: mask has no frame at {start:g} s, it lasts {len(video) / video.fps:.2f} s; "
                "expected a picture, or a video as long as the clip"
            )
        pixels = video[at]
    size = tuple(pixels.shape[:2])
    if size != expected:
        raise PointVidError(
            f"{name}: mask is {size[0]}x{size[1]}, clip is {expected[0]}x{expected[1]} (HxW); "
            "expected the size of the clip file"
        )
    mask = framing.nearest(pixels.float().mean(-1) > 127.5)
    if not torch.any(mask):
        raise PointVidError(f"{name}: mask is empty, expected foreground brighter than 50 % grey")
    return mask
