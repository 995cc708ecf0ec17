"""From pixels as they are coded to pixels as they are to be seen: whole frames, square pixels, upright."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from PIL import Image

from ..pictures import MAX_PIXELS

COMBED = 15  # grey levels by which a line differs from both its neighbours where two fields do not match


def display_matrix(frame: av.VideoFrame) -> np.ndarray | None:
    """int32 [2, 2] of the display matrix, rows as in the file: (x, y) goes to (x, y) @ matrix; None without one."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return None
    values = np.frombuffer(data, np.int32)
    return values.reshape(3, 3)[:2, :2].astype(np.int64) if values.size == 9 else None


def upright(pixels: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """[H, W, 3] turned and mirrored as the matrix says: one of eight ways, the nearest where it turns by less."""
    if matrix is None:
        return pixels
    (a, b), (c, d) = matrix.tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def square_pixels(pixels: np.ndarray, aspect: Fraction | None) -> np.ndarray:
    """uint8 [H, W, 3] with its width scaled by the sample aspect ratio.

    Ratios within 1 % of square are the rounding of an encoder, ratios beyond 10 nonsense: both change nothing.
    """
    if not aspect or aspect <= 0 or not Fraction(1, 10) <= aspect <= 10 or abs(aspect - 1) < Fraction(1, 100):
        return pixels
    height, width = pixels.shape[0], max(1, round(pixels.shape[1] * aspect))
    if height * width > MAX_PIXELS:
        return pixels
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), Image.Resampling.LANCZOS))


def deinterlaced(pixels: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] of an interlaced frame, without combs: there the first field alone is kept, its lines filled in.

    A comb is a line that differs from both its neighbours in the same sense, next to another such line. All else stays
    as it is, so that what stands still, and film that was only stored as interlaced, keeps its full resolution.
    """
    if len(pixels) < 4:
        return pixels
    lines = pixels.astype(np.int16)
    steps = np.diff(lines, axis=0)
    comb = np.zeros(pixels.shape[:2], bool)
    up, down = steps[:-1], -steps[1:]  # of lines 1 to H-2 against the line above and below
    comb[1:-1] = ((np.minimum(np.abs(up), np.abs(down)) > COMBED) & ((up > 0) == (down > 0))).any(-1)
    alone = ~comb
    comb[1:-1] &= ~(alone[:-2] & alone[2:])
    if not comb.any():
        return pixels
    wide = comb.copy()  # by two pixels to each side and a line up and down, where a moving edge is soft
    for shift in (1, 2):
        wide[:, shift:] |= comb[:, :-shift]
        wide[:, :-shift] |= comb[:, shift:]
    wide[1:] |= wide[:-1].copy()
    wide[:-1] |= wide[1:].copy()
    below = lines[2::2] if len(pixels) % 2 else np.concatenate([lines[2::2], lines[-2:-1]])
    second = slice(1, None, 2)
    filled = (lines[0 : 2 * len(below) : 2] + below + 1) // 2
    result = pixels.copy()
    result[second] = np.where(wide[second][..., None], filled, lines[second]).astype(np.uint8)
    return result
