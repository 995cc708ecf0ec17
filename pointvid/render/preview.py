"""One picture that says what was found: the first frame, the tracks over the last, and the points in 3D."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

GAP = 12
WIDEST = 6  # heights; a strip of 2x2000 pixels would make a picture of a gigabyte
BACKGROUND, INK = (20, 22, 28), (205, 210, 220)


def compose_preview(panels: list[tuple[str, Tensor]], height: int = 288) -> Tensor:
    """Put pictures side by side, each with its caption below.

    Args:
        panels: (caption, uint8 [H, W, 3]), left to right.
        height: of the pictures in the result; they keep their aspect, and are lower where they would be wider than
            `WIDEST` of it.
    Returns:
        uint8 [H, W, 3].
    """
    images = [Image.fromarray(pixels.cpu().numpy()) for _, pixels in panels]
    images = [_fitted(image, height) for image in images]
    font = ImageFont.load_default(max(12, height // 19))
    caption = round(font.size * 1.9)
    width = sum(image.width for image in images) + GAP * (len(images) + 1)
    canvas = Image.new("RGB", (width, height + GAP + caption), BACKGROUND)
    draw, left = ImageDraw.Draw(canvas), GAP
    for (text, _), image in zip(panels, images):
        canvas.paste(image, (left, GAP + (height - image.height) // 2))
        middle = (left + image.width / 2, GAP + height + caption / 2)
        draw.text(middle, text, INK, font, anchor="mm")
        left += image.width + GAP
    return torch.from_numpy(np.array(canvas))


def _fitted(image: Image.Image, height: int) -> Image.Image:
    scale = min(height / image.height, WIDEST * height / image.width)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)
