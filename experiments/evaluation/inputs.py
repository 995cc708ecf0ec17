"""What every method is asked for: a list of prompts and first frames, which a suite's scores then belong to."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from pointvid.errors import PointVidError
from pointvid.files.atomic import atomic_path
from pointvid.files.pictures import read_picture
from training.data.shards import Shards

_NAME = re.compile(r"[\w.+-]+$")


@dataclass(frozen=True)
class Item:
    """One input. name: of the clip's files; prompt; image: path of the first frame."""

    name: str
    prompt: str
    image: Path

    def pixels(self) -> Tensor:
        """uint8 [H,W,3].

        Raises:
            PointVidError: the image is missing or damaged.
        """
        return torch.from_numpy(read_picture(self.image, f"input {self.name}: image {self.image}"))


def read_items(path: Path) -> list[Item]:
    """Read a list: .jsonl (one object a line), .json (a list of them) or .csv (a header row).

    Keys: `image` (a path, relative to the list), `prompt`, and `name` (default: the image's name without suffix).

    Raises:
        PointVidError: the file is missing or of another kind, a key is missing, a name is used twice or is no file
            name, an image does not exist.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PointVidError(f"list {path}: cannot be read ({error.strerror})") from error
    try:
        if path.suffix == ".jsonl":
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        elif path.suffix == ".json":
            rows = json.loads(text)
        elif path.suffix == ".csv":
            rows = list(csv.DictReader(text.splitlines()))
        else:
            raise PointVidError(f"list {path}: is {path.suffix or 'without suffix'}, expected .jsonl, .json or .csv")
    except json.JSONDecodeError as error:
        raise PointVidError(f"list {path}: is not JSON ({error})") from error
    if not isinstance(rows, list) or not rows:
        raise PointVidError(f"list {path}: holds no inputs, expected objects with image and prompt")
    items = [_item(path, number, row) for number, row in enumerate(rows, 1)]
    seen: set[str] = set()
    for item in items:
        if item.name in seen:
            raise PointVidError(f"list {path}: two inputs are called {item.name!r}, expected each name once")
        seen.add(item.name)
    return items


def items_of_shards(folder: Path, count: int, out: Path) -> list[Item]:
    """Captions and first frames of the first `count` held-out samples; the frames are written to `out` as PNG."""
    shards, items = Shards(folder), []
    for index in range(min(count, len(shards))):
        sample, key = shards[index], shards.entries[index].key
        path = out / f"{key}.png"
        if not path.is_file():
            with atomic_path(path) as temporary:
                Image.fromarray(sample.video[0].numpy()).save(temporary)
        items.append(Item(key, sample.caption, path))
    return items


def _item(path: Path, number: int, row: object) -> Item:
    where = f"list {path}, input {number}"
    if not isinstance(row, dict) or not row.get("image") or not row.get("prompt"):
        keys = sorted(row) if isinstance(row, dict) else type(row).__name__
        raise PointVidError(f"{where}: has {keys}, expected the keys image and prompt")
    image = path.parent / row["image"]
    name = str(row.get("name") or image.stem)
    if not _NAME.match(name) or name.startswith("."):
        raise PointVidError(
            f"{where}: name is {name!r}, expected letters, digits and . _ + - only: files are called so"
        )
    if not image.is_file():
        raise PointVidError(f"{where}: image {image} does not exist")
    return Item(name, str(row["prompt"]), image)
