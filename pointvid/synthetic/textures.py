"""Procedural textures that do not repeat: what makes a surface point recognisable.

Each is a scalar pattern in [0, 1] painted from a dark to a light shade of one named colour, so that a red box stays a
red box to a reader of the caption.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

COLORS = {
    "red": (206, 32, 32),
    "orange": (240, 128, 16),
    "yellow": (240, 208, 32),
    "green": (36, 156, 52),
    "blue": (32, 84, 216),
    "purple": (136, 44, 184),
}
"""Colours that captions name, each a hue apart from the others."""

NEUTRALS = ((150, 142, 132), (122, 128, 134), (168, 152, 128), (132, 112, 94), (176, 174, 168))
SKIN = ((236, 188, 156), (198, 134, 98), (141, 85, 56), (246, 208, 182))


def noise(rng: np.random.Generator, shape: tuple[int, int], cells: int, octaves: int = 4) -> np.ndarray:
    """Smooth value noise in [0, 1] with about `cells` bumps across the width, halving in size each octave.

    Flat where even the first octave is finer than the pixels.
    """
    height, width = shape
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        n = cells << octave
        if n >= width:
            break
        grid = rng.random((n * height // width + 2, n + 2), dtype=np.float32)
        total += 0.6**octave * _stretch(grid, shape, n / width)
    low, high = total.min(), total.max()
    return (total - low) / (high - low) if high > low else total


def voronoi(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> np.ndarray:
    """Cells of random grey with dark seams, about `cells` across the width."""
    height, width = shape
    count = max(4, cells * cells * height // width)
    sites = rng.random((count, 2)) * shape
    pixels = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1).reshape(-1, 2)
    distance, nearest = cKDTree(sites).query(pixels, k=2)
    seam = np.clip((distance[:, 1] - distance[:, 0]) / (0.12 * width / cells), 0, 1)
    return ((0.15 + 0.85 * rng.random(count))[nearest[:, 0]] * (0.4 + 0.6 * seam)).reshape(shape).astype(np.float32)


def checker(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> np.ndarray:
    """A checkerboard in which no two squares are alike."""
    height, width = shape
    rows, columns = np.arange(height) * cells // width, np.arange(width) * cells // width
    parity = (rows[:, None] + columns[None]) % 2
    shade = rng.random((rows[-1] + 1, cells), dtype=np.float32)[rows[:, None], columns[None]]
    return 0.55 * parity.astype(np.float32) + 0.45 * shade


def spots(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> np.ndarray:
    """Round spots of random size, place and grey on a cloudy ground."""
    height, width = shape
    out = 0.25 + 0.3 * noise(rng, shape, max(2, cells // 2))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    for _ in range(cells * cells * height // width // 2):
        cy, cx, r = rng.random() * height, rng.random() * width, width / cells * rng.uniform(0.15, 0.5)
        top, left = max(0, int(cy - r)), max(0, int(cx - r))
        window = np.s_[top : int(cy + r) + 2, left : int(cx + r) + 2]
        inside = (y[window] - cy) ** 2 + (x[window] - cx) ** 2 < r * r
        out[window][inside] = rng.choice((0.0, 0.85, 1.0))
    return out


PATTERNS = {"noise": noise, "voronoi": voronoi, "checker": checker, "spots": spots}


def painted(
    rng: np.random.Generator,
    shape: tuple[int, int],
    color: tuple[int, int, int],
    pattern: str,
    cells: int,
    depth: float,
) -> np.ndarray:
    """uint8 [*shape, 3]: `pattern` in shades of `color`; `depth` in [0, 1] is how far the shades lie apart."""
    value = 0.8 * PATTERNS[pattern](rng, shape, cells) + 0.2 * noise(rng, shape, cells * 4, 3)
    base = np.array(color, np.float32)
    dark, light = base * (1 - 0.75 * depth), base + (255 - base) * 0.6 * depth
    value = value[..., None]
    shade = np.where(value < 0.5, dark + (base - dark) * 2 * value, base + (light - base) * (2 * value - 1))
    return shade.round().clip(0, 255).astype(np.uint8)


def _stretch(grid: np.ndarray, shape: tuple[int, int], step: float) -> np.ndarray:
    """Bilinear enlargement of `grid`, one of its cells to every 1 / `step` pixels."""
    (i, fy), (j, fx) = ((p.astype(int), (p - p.astype(int)).astype(np.float32)) for p in _places(shape, step))
    rows = grid[i] + (grid[i + 1] - grid[i]) * fy[:, None]
    return rows[:, j] + (rows[:, j + 1] - rows[:, j]) * fx


def _places(shape: tuple[int, int], step: float) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(shape[0]) * step, np.arange(shape[1]) * step
