"""The one place where a picture file is opened: upright, bounded in size, transparency on black, errors of one line."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..errors import PointVidError

MAX_PIXELS = 178_956_970  # of a picture or a frame: about 13377x13377; what Pillow refuses too, wherever it is asked to
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".tga")

# What the first bytes of a file say. TGA has no such bytes and is known by its suffix.
_MAGIC = {
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "GIF": re.compile(rb"GIF8[79]a"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "BMP": re.compile(rb"BM.{4}\0\0\0\0", re.DOTALL),
    "TIFF": re.compile(rb"II\*\0|MM\0\*"),
    "HEIF": re.compile(rb"....ftyp(?:heic|heix|hevc|hevx|mif1|msf1|avif|avis)", re.DOTALL),
}
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N")


def printable(name: str) -> str:
    """A file name as one line that any terminal can show."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]", "?", name)


def picture_kind(source: str | os.PathLike | io.BytesIO) -> str | None:
    """ "PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "TGA" or "HEIF", by what the file holds; None is no picture."""
    head = first_bytes(source, 16)
    kind = next((kind for kind, magic in _MAGIC.items() if magic.match(head)), None)
    is_tga = kind is None and not isinstance(source, io.BytesIO) and Path(source).suffix.lower() == ".tga"
    return "TGA" if is_tga else kind


def first_bytes(source: str | os.PathLike | io.BytesIO, count: int) -> bytes:
    """What a file begins with."""
    if isinstance(source, io.BytesIO):
        return bytes(source.getbuffer()[:count])
    with Path(source).open("rb") as file:
        return file.read(count)


@contextmanager
def open_picture(
    source: str | os.PathLike | io.BytesIO, name: str | None = None, expected: str = "a whole picture file"
) -> Iterator[Image.Image]:
    """Open a picture and let nothing but a PointVidError out, also where pixels are read later in the block.

    Args:
        source: a path, or the bytes of a file.
        name: what errors call it; the path if None.
        expected: what errors expect.
    Raises:
        PointVidError: missing, damaged, of a format Pillow does not know, or of more pixels than `MAX_PIXELS`.
    """
    name = os.fspath(source) if name is None else name
    with readable_picture(name, expected), Image.open(source) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise PointVidError(
                f"{printable(name)} is {height}x{width}, expected at most {MAX_PIXELS} pixels; scale it down"
            )
        yield image


@contextmanager
def readable_picture(name: str, expected: str = "a whole picture file") -> Iterator[None]:
    """Turn whatever Pillow raises into one line that names the file."""
    try:
        yield
    except PointVidError:
        raise
    except Image.DecompressionBombError as error:
        raise PointVidError(
            f"{printable(name)} is too large, expected at most {MAX_PIXELS} pixels; scale it down"
        ) from error
    # Pillow's readers raise what their damaged input happens to cause: SyntaxError, struct.error, IndexError, ...
    except Exception as error:
        found = (isinstance(error, OSError) and error.strerror) or "damaged, or of a format Pillow does not know"
        raise PointVidError(
            f"{printable(name)} cannot be read ({found}), expected {expected}; save it again"
        ) from error


def read_picture(source: str | os.PathLike | io.BytesIO, name: str | None = None) -> np.ndarray:
    """A picture as uint8 [H, W, 3]: upright by its EXIF orientation, transparency on black, 16 bit brought to 8.

    Raises:
        PointVidError: as `open_picture`.
    """
    with open_picture(source, name) as image:
        return rgb8(image, os.fspath(source) if name is None else name)


def rgb8(image: Image.Image, name: str) -> np.ndarray:
    """What `read_picture` gives of an open picture (of an animation: of the frame it stands at)."""
    image = ImageOps.exif_transpose(image)
    if image.mode in _DEEP or (image.mode == "I" and image.format in (None, "PNG")):  # older Pillows: I of 16 bit PNG
        grey = (np.asarray(image).astype(np.int64).clip(0, 65535) * 255 + 32767) // 65535
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise PointVidError(
            f"{printable(name)} has pixels of 32 bit ({image.mode}), expected 8 or 16 bit a channel; save it as PNG"
        )
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        return on_black(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("RGB"))


def on_black(rgba: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 4] -> uint8 [H, W, 3], in front of black."""
    alpha = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * alpha + 127) // 255).astype(np.uint8)


def natural_order(path: Path) -> tuple:
    """Sort key of file names: numbers in them count as numbers, so that 2 comes before 10."""
    parts = re.split(r"([0-9]+)", path.name)
    return tuple((int(part), part) if index % 2 else (0, part) for index, part in enumerate(parts)), path.name
