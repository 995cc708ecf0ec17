"""A comparison sheet: the clips of several methods side by side, as one video and one page that opens from disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from pointvid.errors import PointVidError
from pointvid.files.video import read_clip, write_video
from pointvid.framing import Framing
from pointvid.report.page import data_url, write_page

from .clips import check_clips, clip_path
from .inputs import Item

_LABEL = 18
_MOST = 256  # pixels of a cell's longer side


def write_sheet(folders: Mapping[str, Path], items: Sequence[Item], out: Path) -> None:
    """Write sheet.mp4 (a row an input, a column a method, the first frame first) and sheet.html.

    Methods may differ in size and length, each within itself not: frames are scaled to cover one cell, the shape of the
    first method's, and time is shared out evenly, so that all end together. The page says what differs.

    Raises:
        PointVidError: clips are missing, or differ in size or length within a method.
    """
    if not folders or not items:
        raise PointVidError(f"sheet of {len(folders)} methods and {len(items)} inputs, expected at least one of each")
    sizes = {name: check_clips(folder, items) for name, folder in folders.items()}
    frames = max(length for length, _, _ in sizes.values())
    _, height, width = next(iter(sizes.values()))
    shrink = min(1.0, _MOST / max(height, width))
    cell = (max(2, round(height * shrink) // 2 * 2), max(2, round(width * shrink) // 2 * 2))
    fps = read_clip(clip_path(next(iter(folders.values())), items[0])).fps
    write_video(out / "sheet.mp4", _frames(folders, items, frames, cell), fps)
    _write_page(folders, items, sizes, out)


def _frames(folders: Mapping[str, Path], items: Sequence[Item], frames: int, cell: tuple[int, int]) -> Iterator[Tensor]:
    heading = np.concatenate([_label(name, cell[1]) for name in ("input", *folders)], 1)
    rows = []
    for item in items:
        pixels = item.pixels().numpy()
        still = Framing((pixels.shape[0], pixels.shape[1]), cell).pixels(pixels)
        clips = [np.broadcast_to(still, (frames, *still.shape))]
        for folder in folders.values():
            video = read_clip(clip_path(folder, item)).frames.numpy()
            framing = Framing((video.shape[1], video.shape[2]), cell)
            when = (np.arange(frames) * len(video)) // frames
            scaled = np.stack([framing.pixels(frame) for frame in video])
            clips.append(scaled[when])
        rows.append(np.concatenate(clips, 2))
    for t in range(frames):
        yield torch.from_numpy(np.concatenate([heading, *(row[t] for row in rows)], 0))


def _label(text: str, width: int) -> np.ndarray:
    image = Image.new("RGB", (width, _LABEL), (24, 25, 29))
    font = ImageFont.load_default()
    while text and font.getlength(text) > width - 6:
        text = text[:-1]
    ImageDraw.Draw(image).text((3, 3), text, (230, 230, 230), font)
    return np.asarray(image)


def _write_page(
    folders: Mapping[str, Path], items: Sequence[Item], sizes: Mapping[str, tuple[int, int, int]], out: Path
) -> None:
    rows = [
        (
            item,
            [(name, data_url(clip_path(folder, item).read_bytes(), "video/mp4")) for name, folder in folders.items()],
        )
        for item in items
    ]
    differ = len(set(sizes.values())) > 1
    write_page(out / "sheet.html", Path(__file__).with_name("sheet.html"), sizes=sizes, rows=rows, differ=differ)
