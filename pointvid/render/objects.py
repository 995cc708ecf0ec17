"""Objects drawn over their frame: each mask in a colour of its own, its box, its name and score."""

from __future__ import annotations

import colorsys

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..errors import PointVidError
from ..segmenters.base import Objects

GOLDEN_RATIO = 0.618034
"""Steps of it around the colour wheel keep any number of hues apart."""


def object_color(index: int) -> tuple[int, int, int]:
    """sRGB of object `index`."""
    red, green, blue = colorsys.hsv_to_rgb((0.02 + GOLDEN_RATIO * index) % 1, 0.7, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_objects(image: Tensor, objects: Objects, opacity: float = 0.5) -> Tensor:
    """uint8 [H, W, 3] on the CPU: `image` with `objects` over it.

    Raises:
        PointVidError: the masks are not of the image's size.
    """
    size, masks = tuple(image.shape[:2]), objects.masks.cpu()
    if tuple(masks.shape[1:]) != size:
        found = f"{masks.shape[1]}x{masks.shape[2]}"
        raise PointVidError(
            f"masks are {found}, image is {size[0]}x{size[1]} (HxW); expected the frame they were found in"
        )
    front = objects.object_map.cpu().long()
    colors = torch.tensor([(0, 0, 0), *map(object_color, range(len(objects)))], dtype=torch.float32)
    share = torch.where(front > 0, opacity, 0.0)[..., None]
    tinted = torch.lerp(image.cpu().float(), colors[front], share)
    canvas = Image.fromarray(tinted.round().to(torch.uint8).numpy())
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(max(10, size[0] // 28))
    for k in reversed(range(len(objects))):  # the best on top
        left, top, right, bottom = objects.boxes[k].tolist()
        # Edges lie between pixels, and a line is drawn on them.
        draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=object_color(k))
        text = f"{objects.labels[k]} {objects.scores[k]:.2f}"
        place = (left, max(0.0, top - font.size - 4))
        draw.rectangle(draw.textbbox(place, text, font=font), fill=object_color(k))
        draw.text(place, text, fill=(0, 0, 0), font=font)
    return torch.from_numpy(np.array(canvas))
