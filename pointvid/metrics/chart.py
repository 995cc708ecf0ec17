"""Curves over frames: one layout, drawn as SVG for pages and with Pillow for images (no plotting library)."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .measure import TITLES, MetricReport

WIDTH, HEIGHT = 340, 210
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 46, 26
GROUND, FRAME, GRID, INK, FAINT = "#14161c", "#1c1f27", "#2f3440", "#dcdee3", "#8b919d"
COLORS = ("#4cb5ff", "#ffad42", "#5fd38d", "#d58cff")  # told apart by all kinds of eyes, on dark ground


@dataclass(frozen=True)
class Curve:
    """One line: a number a frame, NaN where there is none; `text` is its figure for the whole clip."""

    text: str
    values: tuple[float, ...]
    color: str


@dataclass(frozen=True)
class Panel:
    """One metric: its curves over the frames on common axes.

    Attributes:
        title: of the metric.
        curves: one for each clip.
    """

    title: str
    curves: tuple[Curve, ...]

    @property
    def frames(self) -> int:
        """T of the longest curve."""
        return max(len(curve.values) for curve in self.curves)

    @property
    def ticks(self) -> list[float]:
        """Round numbers that enclose all values, and 0."""
        known = [value for curve in self.curves for value in curve.values if math.isfinite(value)]
        return round_ticks(min([0.0, *known]), max([0.0, *known]))

    def place(self, frame: float, value: float) -> tuple[float, float]:
        """Where on the panel a value is, pixels from its top left."""
        ticks = self.ticks
        x = LEFT + (WIDTH - LEFT - RIGHT) * frame / max(self.frames - 1, 1)
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - ticks[0]) / (ticks[-1] - ticks[0])
        return x, y

    def lines(self, curve: Curve) -> list[list[tuple[float, float]]]:
        """The curve as lines without gaps in them."""
        pieces: list[list[tuple[float, float]]] = [[]]
        for frame, value in enumerate(curve.values):
            if math.isfinite(value):
                pieces[-1].append(self.place(frame, value))
            elif pieces[-1]:
                pieces.append([])
        return [piece for piece in pieces if piece]


def panels(reports: Sequence[MetricReport]) -> list[Panel]:
    """A panel for every metric of the reports, with a curve for each report that has it."""
    found = []
    for name, title in TITLES.items():
        having = [
            (index, row) for index, report in enumerate(reports) for row in report.measurements if row.name == name
        ]
        if any(math.isfinite(value) for _, row in having for value in row.per_frame):
            curves = tuple(Curve(str(row), row.per_frame, COLORS[index % len(COLORS)]) for index, row in having)
            found.append(Panel(title, curves))
    return found


def round_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """At most about `most` multiples of 1, 2 or 5 times a power of ten that enclose [low, high]."""
    if high - low <= 0:
        high = low + 1.0
    raw = (high - low) / (most - 1)
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * number for number in range(first, last + 1)]


def frame_ticks(frames: int, most: int = 6) -> list[int]:
    """Frames to name below the axis."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if frames / step <= most)
    return list(range(0, frames, step))


def svg(panel: Panel) -> str:
    """The panel as an SVG element."""
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(panel.title)}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{FRAME}"/>',
        _svg_text(12, 17, panel.title, INK, "start", 12),
        '<text x="12" y="32" font-size="11">',
        *(
            f'<tspan fill="{c.color}" dx="{10 * (i > 0)}">{html.escape(c.text)}</tspan>'
            for i, c in enumerate(panel.curves)
        ),
        "</text>",
    ]
    for value in panel.ticks:
        x, y = panel.place(0, value)
        parts.append(f'<path d="M{x:.1f} {y:.1f}H{WIDTH - RIGHT}" stroke="{GRID}"/>')
        parts.append(_svg_text(x - 6, y + 3.5, f"{value:.4g}", FAINT, "end", 10))
    for frame in frame_ticks(panel.frames):
        x, y = panel.place(frame, panel.ticks[0])
        parts.append(_svg_text(x, y + 14, str(frame), FAINT, "middle", 10))
    for curve in panel.curves:
        for line in panel.lines(curve):
            if len(line) == 1:
                parts.append(f'<circle cx="{line[0][0]:.1f}" cy="{line[0][1]:.1f}" r="2" fill="{curve.color}"/>')
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{curve.color}" stroke-width="1.8"/>')
    return "".join([*parts, "</svg>"])


def draw(panels: Sequence[Panel], legend: Sequence[str] = (), columns: int = 3, scale: int = 2) -> Tensor:
    """The panels as a picture, uint8 [H, W, 3].

    Args:
        legend: names of the curves, by colour; left out where there is one.
        columns: panels side by side.
        scale: pixels of the picture for one of the layout.
    """
    gap, head = 10, 30 if len(legend) > 1 else 0
    columns = max(1, min(columns, len(panels)))
    rows = max(1, math.ceil(len(panels) / columns))
    size = (columns * (WIDTH + gap) + gap, rows * (HEIGHT + gap) + gap + head)
    fine = 2 * scale  # drawn twice as large and reduced: Pillow's lines have no soft edges
    canvas = Image.new("RGB", (size[0] * fine, size[1] * fine), GROUND)
    pen = ImageDraw.Draw(canvas)
    if head:
        x = float(gap + 4)
        for name, color in zip(legend, COLORS):
            pen.line([(x * fine, 19 * fine), ((x + 18) * fine, 19 * fine)], color, 2 * fine)
            font = _font(12 * fine)
            pen.text(((x + 24) * fine, 19 * fine), name, INK, font, anchor="lm")
            x += 24 + font.getlength(name) / fine + 24
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        _draw_panel(pen, panel, gap + column * (WIDTH + gap), gap + head + row * (HEIGHT + gap), fine)
    small = canvas.resize((size[0] * scale, size[1] * scale), Image.Resampling.BOX)
    return torch.from_numpy(np.array(small))


def _draw_panel(pen: ImageDraw.ImageDraw, panel: Panel, left: float, top: float, fine: int) -> None:
    def at(x: float, y: float) -> tuple[float, float]:
        return (left + x) * fine, (top + y) * fine

    pen.rounded_rectangle([at(0, 0), at(WIDTH, HEIGHT)], 6 * fine, FRAME)
    pen.text(at(12, 13), panel.title, INK, _font(12 * fine), anchor="lm")
    x, font = 12.0, _font(11 * fine)
    for curve in panel.curves:
        pen.text(at(x, 29), curve.text, curve.color, font, anchor="lm")
        x += font.getlength(curve.text) / fine + 10
    for value in panel.ticks:
        x, y = panel.place(0, value)
        pen.line([at(x, y), at(WIDTH - RIGHT, y)], GRID, fine)
        pen.text(at(x - 6, y), f"{value:.4g}", FAINT, _font(10 * fine), anchor="rm")
    for frame in frame_ticks(panel.frames):
        x, y = panel.place(frame, panel.ticks[0])
        pen.text(at(x, y + 11), str(frame), FAINT, _font(10 * fine), anchor="mm")
    for curve in panel.curves:
        for line in panel.lines(curve):
            if len(line) == 1:
                pen.circle(at(*line[0]), 2 * fine, curve.color)
            else:
                pen.line([at(*point) for point in line], curve.color, round(1.8 * fine), joint="curve")


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _svg_text(x: float, y: float, text: str, color: str, anchor: str, size: int) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" text-anchor="{anchor}" font-size="{size}">'
        f"{html.escape(text)}</text>"
    )
