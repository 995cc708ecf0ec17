"""Pictures as clips: a still, an animation (GIF, APNG, WebP), a numbered sequence, a folder of pictures."""

from __future__ import annotations

import io
import os
import re
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from ...errors import PointVidError
from ..pictures import (
    PICTURE_SUFFIXES,
    natural_order,
    open_picture,
    picture_kind,
    printable,
    read_picture,
    readable_picture,
    rgb8,
)
from .timing import DEFAULT_RATE

_NUMBER = re.compile(r"%(0?)(\d*)d")
_SHORTEST, _DEFAULT_DELAY = 20, 100  # ms: a GIF that asks for less means "as fast as you can", and browsers take 100


class Source(Protocol):
    """Frames of something, by index. `Pictures`, `Animation` and `Film` are sources.

    Attributes:
        times: int64 [n], rising, in units of time_base seconds.
        rate: frames a second as the source itself says, None where it says nothing.
        lost: how many frames a damaged file lacks at its end.
    """

    times: np.ndarray
    time_base: Fraction
    rate: Fraction | None
    lost: int

    def pixels(self, index: int) -> np.ndarray:
        """uint8 [H, W, 3], upright, square pixels."""

    def close(self) -> None:
        """Let go of the file."""


class Pictures:
    """One picture, or a sequence of them at 25 frames a second."""

    time_base, rate, lost = 1 / DEFAULT_RATE, DEFAULT_RATE, 0

    def __init__(self, pictures: list[Any], name: str | None = None) -> None:
        self._pictures, self._name = pictures, name
        self.times = np.arange(len(pictures))

    def pixels(self, index: int) -> np.ndarray:
        """See Source."""
        return read_picture(self._pictures[index], self._name)

    def close(self) -> None:
        """See Source."""


class Animation:
    """A moving GIF, APNG or WebP; frames in rising order, going back starts from the first."""

    time_base, rate, lost = Fraction(1, 1_000_000), None, 0

    def __init__(self, source: str | io.BytesIO, name: str) -> None:
        self._source, self._name = source, name
        self._image: Image.Image | None = None
        with open_picture(source, name) as image:
            count = getattr(image, "n_frames", 1)
            # An APNG may hold a still for programs that do not know APNG, which is not part of the animation.
            self._first = 1 if count > 1 and getattr(image, "default_image", False) else 0
            delays = []
            for index in range(self._first, count):
                image.seek(index)
                if image.format == "WEBP":
                    image.load()  # its times are known only then
                delay = float(image.info.get("duration") or 0)
                delays.append(_DEFAULT_DELAY if delay <= (_SHORTEST - 1 if image.format == "GIF" else 0) else delay)
        self.times = np.round(np.cumsum([0.0, *delays[:-1]]) * 1000).astype(np.int64)

    def pixels(self, index: int) -> np.ndarray:
        """See Source."""
        with readable_picture(self._name):
            if self._image is not None and self._image.tell() > self._first + index:
                self.close()  # to go back, for which Pillow's APNG reader fails
            if self._image is None:
                self._image = Image.open(self._source)
            self._image.seek(self._first + index)
            return rgb8(self._image, self._name)

    def close(self) -> None:
        """See Source."""
        if self._image is not None:
            self._image.close()
            self._image = None


def open_pictures(source: str | io.BytesIO, name: str) -> Source | None:
    """The source that a picture, an animation, a folder or a pattern (`frame_%04d.png`) is; None for anything else.

    Raises:
        PointVidError: a folder without pictures; a picture that cannot be read.
    """
    if not isinstance(source, io.BytesIO):
        path = Path(source)
        if path.is_dir():
            return Pictures(_pictures_in(path))
        if not path.exists():
            numbered = _numbered(path)
            return Pictures(numbered) if numbered else None
    kind = picture_kind(source)
    if kind in ("GIF", "PNG", "WEBP"):
        return Animation(source, name)
    # Of the others FFmpeg knows variants that Pillow does not, such as TIFF with three channels of 16 bit.
    return Pictures([source], name) if kind and _is_known_to_pillow(source) else None


def _pictures_in(folder: Path) -> list[Path]:
    pictures = [
        path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
    ]
    if not pictures:
        raise PointVidError(
            f"{printable(os.fspath(folder))} is a folder without pictures ({' '.join(PICTURE_SUFFIXES)}), "
            "expected a video file or a folder of numbered pictures"
        )
    return sorted(pictures, key=natural_order)


def _numbered(pattern: Path) -> list[Path]:
    """The files that a name with one %d or %04d stands for, in the order of their numbers."""
    match = _NUMBER.search(pattern.name)
    if match is None or not pattern.parent.is_dir():
        return []
    width = int(match[2] or 1) if match[1] else 1
    digits = rf"(\d{{{width}}}|[1-9]\d{{{width},}})"  # padded to the width, or longer
    wanted = re.compile(re.escape(pattern.name[: match.start()]) + digits + re.escape(pattern.name[match.end() :]))
    found = [(int(name[1]), path) for path in pattern.parent.iterdir() if (name := wanted.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def _is_known_to_pillow(source: str | io.BytesIO) -> bool:
    try:
        with Image.open(source):
            return True
    except Exception:
        return False
