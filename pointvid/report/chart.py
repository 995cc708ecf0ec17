"""The one drawer of charts: a chart is laid out once, as marks, and drawn as SVG for pages or with Pillow for pictures.

Colours are roles. On a page the stylesheet says what they are, in the light and in the dark; a picture is dark.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, cast

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

Role = Literal["ink", "faint", "grid", "limit", "s0", "s1", "s2", "s3", "good", "bad"]
SERIES: tuple[Role, ...] = ("s0", "s1", "s2", "s3")

_WIDTH, _HEIGHT, _WIDE = 340, 210, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 46, 26
_GROUND, _FRAME = "#14161c", "#1c1f27"
_DARK: dict[Role, str] = {  # the series are told apart by all kinds of eyes
    "ink": "#dcdee3",
    "faint": "#8b919d",
    "grid": "#2f3440",
    "limit": "#dcdee3",
    "s0": "#4cb5ff",
    "s1": "#ffad42",
    "s2": "#5fd38d",
    "s3": "#d58cff",
    "good": "#81c995",
    "bad": "#f28b82",
}

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """Through points, units of the drawing from its top left."""

    points: tuple[Point, ...]
    role: Role
    width: float = 1.0


@dataclass(frozen=True)
class Dot:
    """A disc."""

    at: Point
    radius: float
    role: Role


@dataclass(frozen=True)
class Bar:
    """A filled rectangle from its top left to its bottom right."""

    start: Point
    end: Point
    role: Role


@dataclass(frozen=True)
class Text:
    """One line, centred on the height of `at`; `tip` is the whole text where this one was shortened."""

    at: Point
    text: str
    role: Role
    size: int = 10
    anchor: Literal["start", "middle", "end"] = "start"
    tip: str = ""


@dataclass(frozen=True)
class Drawing:
    """Marks in a frame of (width, height)."""

    title: str
    size: tuple[int, int]
    marks: tuple[Line | Dot | Bar | Text, ...]


class Chart(Protocol):
    """Anything that can be laid out."""

    def drawing(self) -> Drawing:
        """Where its marks are."""
        ...


@dataclass(frozen=True)
class Curve:
    """One line: a number a frame, NaN where there is none; `text` is its figure for the whole clip."""

    text: str
    values: tuple[float, ...]
    role: Role = "s0"


@dataclass(frozen=True)
class Curves:
    """Curves over the frames of a clip on common axes."""

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

    def place(self, frame: float, value: float) -> Point:
        """Where a value is drawn."""
        ticks = self.ticks
        x = _between(frame, 0, max(self.frames - 1, 1), _LEFT, _WIDTH - _RIGHT)
        return x, _between(value, ticks[0], ticks[-1], _HEIGHT - _BOTTOM, _TOP)

    def drawing(self) -> Drawing:
        """Title, the curves' figures, axes, curves."""
        marks: list[Line | Dot | Bar | Text] = [Text((12, 14), self.title, "ink", 12)]
        x = 12.0
        for curve in self.curves:
            marks.append(Text((x, 30), curve.text, curve.role, 11))
            x += 1.2 * _font(22).getlength(curve.text) / 2 + 10  # a page's font may be wider than Pillow's
        for value in self.ticks:
            x, y = self.place(0, value)
            marks.append(Line(((x, y), (_WIDTH - _RIGHT, y)), "grid"))
            marks.append(Text((x - 6, y), f"{value:.4g}", "faint", anchor="end"))
        for frame in frame_ticks(self.frames):
            x, y = self.place(frame, self.ticks[0])
            marks.append(Text((x, y + 11), str(frame), "faint", anchor="middle"))
        for curve in self.curves:
            for points in self._pieces(curve):
                marks.append(Line(points, curve.role, 1.8) if points[1:] else Dot(points[0], 2, curve.role))
        return Drawing(self.title, (_WIDTH, _HEIGHT), tuple(marks))

    def _pieces(self, curve: Curve) -> list[tuple[Point, ...]]:
        """The curve as lines without gaps in them."""
        pieces: list[list[Point]] = [[]]
        for frame, value in enumerate(curve.values):
            if math.isfinite(value):
                pieces[-1].append(self.place(frame, value))
            elif pieces[-1]:
                pieces.append([])
        return [tuple(piece) for piece in pieces if piece]


@dataclass(frozen=True)
class IntervalRow:
    """A mean with two intervals around it, (low, high) or None; `kind` colours it."""

    label: str
    mean: float
    inner: tuple[float, float] | None = None
    outer: tuple[float, float] | None = None
    kind: Role = "ink"


@dataclass(frozen=True)
class Intervals:
    """Means with their intervals, one below the other, and a line at 0."""

    title: str
    rows: tuple[IntervalRow, ...]

    def drawing(self) -> Drawing:
        """Title, a row each, the ends of the axis."""
        height, left, right = 20, 276, _WIDE - 20
        ends = [end for row in self.rows for part in (row.inner, row.outer) if part for end in part]
        ticks = round_ticks(
            min([0.0, *ends, *(row.mean for row in self.rows)]), max([0.0, *ends, *(row.mean for row in self.rows)]), 4
        )
        bottom = 28 + height * len(self.rows)

        def x(value: float) -> float:
            return _between(value, ticks[0], ticks[-1], left, right)

        marks: list[Line | Dot | Bar | Text] = [Text((12, 14), self.title, "ink", 12)]
        for value in ticks:
            marks.append(Line(((x(value), 28), (x(value), bottom)), "limit" if value == 0 else "grid"))
        for value in (ticks[0], 0.0, ticks[-1]) if ticks[0] < 0 < ticks[-1] else (ticks[0], ticks[-1]):
            marks.append(Text((x(value), bottom + 10), f"{value:.3g}", "faint", anchor="middle"))
        for index, row in enumerate(self.rows):
            y = 28 + height * (index + 0.5)
            short = _shorter(row.label)
            marks.append(Text((12, y), short, "ink", 11, tip=row.label if short != row.label else ""))
            if row.inner:
                marks.append(Line(((x(row.inner[0]), y - 2.5), (x(row.inner[1]), y - 2.5)), row.kind, 2))
            if row.outer:
                marks.append(Line(((x(row.outer[0]), y + 2.5), (x(row.outer[1]), y + 2.5)), "faint", 2))
            marks.append(Dot((x(row.mean), y), 3.5, row.kind))
        return Drawing(self.title, (_WIDE, bottom + 22), tuple(marks))


@dataclass(frozen=True)
class Histogram:
    """How often values fall where, of groups on top of each other, and a limit among them."""

    title: str
    groups: tuple[tuple[float, ...], ...]
    limit: float | None = None
    roles: tuple[Role, ...] = field(default=SERIES)
    bins: int = 24

    def drawing(self) -> Drawing:
        """Title, bars, limit, the ends of the axis."""
        values = sorted(value for group in self.groups for value in group)
        # The largest hundredth does not squeeze the rest, and the limit is always in the picture.
        low, high = values[0], values[min(len(values) - 1, int(len(values) * 0.99))]
        if self.limit is not None:
            low, high = min(low, self.limit), max(high, self.limit)
        high = high if high > low else low + 1.0
        counts = [[0] * self.bins for _ in self.groups]
        for group, into in zip(self.groups, counts):
            for value in group:
                into[max(0, min(int((value - low) / (high - low) * self.bins), self.bins - 1))] += 1
        most = max(map(sum, zip(*counts)))
        left, right, top, bottom = 12, _WIDTH - _RIGHT, 30, 104
        width = (right - left) / self.bins
        marks: list[Line | Dot | Bar | Text] = [Text((left, 14), self.title, "ink", 12)]
        for column, parts in enumerate(zip(*counts)):
            y, x = float(bottom), left + column * width
            for part, role in zip(parts, self.roles):
                if part:
                    marks.append(Bar((x, y - (bottom - top) * part / most), (x + width - 1, y), role))
                    y -= (bottom - top) * part / most
        marks.append(Line(((left, bottom), (right, bottom)), "grid"))
        if self.limit is not None:
            x = _between(self.limit, low, high, left, right)
            marks.append(Line(((x, top - 6), (x, bottom)), "limit", 1.5))
        marks.append(Text((left, bottom + 11), f"{low:.3g}", "faint"))
        marks.append(Text((right, bottom + 11), f"{high:.3g}", "faint", anchor="end"))
        return Drawing(self.title, (_WIDTH, bottom + 22), tuple(marks))


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


def svg(chart: Chart) -> str:
    """The chart as an SVG element in the stylesheet's colours."""
    drawing = chart.drawing()
    title = html.escape(drawing.title)
    marks = "".join(_svg_mark(mark) for mark in drawing.marks)
    width, height = drawing.size
    return f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">{marks}</svg>'


def _svg_mark(mark: Line | Dot | Bar | Text) -> str:
    if isinstance(mark, Line):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in mark.points)
        return f'<polyline class="{mark.role}" points="{points}" stroke-width="{mark.width}"/>'
    if isinstance(mark, Dot):
        return f'<circle class="{mark.role}" cx="{mark.at[0]:.1f}" cy="{mark.at[1]:.1f}" r="{mark.radius}"/>'
    if isinstance(mark, Bar):
        (x, y), (right, bottom) = mark.start, mark.end
        size = f'width="{right - x:.1f}" height="{bottom - y:.1f}"'
        return f'<rect class="{mark.role}" x="{x:.1f}" y="{y:.1f}" {size}/>'
    tip = f"<title>{html.escape(mark.tip)}</title>" if mark.tip else ""
    place = f'x="{mark.at[0]:.1f}" y="{mark.at[1] + 0.35 * mark.size:.1f}" text-anchor="{mark.anchor}"'
    return f'<text class="{mark.role}" {place} font-size="{mark.size}">{tip}{html.escape(mark.text)}</text>'


def picture(charts: Sequence[Chart], legend: Sequence[str] = (), columns: int = 3, scale: int = 2) -> Tensor:
    """The charts as a picture, uint8 [H, W, 3].

    Args:
        legend: names of the curves, by colour; left out where there is one.
        columns: charts side by side.
        scale: pixels of the picture for one of the layout.
    """
    drawings = [chart.drawing() for chart in charts]
    gap, head = 10, 30 if len(legend) > 1 else 0
    columns = max(1, min(columns, len(drawings)))
    width, height = (max((drawing.size[side] for drawing in drawings), default=0) for side in (0, 1))
    rows = max(1, math.ceil(len(drawings) / columns))
    size = (columns * (width + gap) + gap, rows * (height + gap) + gap + head)
    fine = 2 * scale  # drawn twice as large and reduced: Pillow's lines have no soft edges
    canvas = Image.new("RGB", (size[0] * fine, size[1] * fine), _GROUND)
    pen = ImageDraw.Draw(canvas)
    if head:
        x = float(gap + 4)
        for name, role in zip(legend, SERIES):
            pen.line([(x * fine, 19 * fine), ((x + 18) * fine, 19 * fine)], _DARK[role], 2 * fine)
            font = _font(12 * fine)
            pen.text(((x + 24) * fine, 19 * fine), name, _DARK["ink"], font, anchor="lm")
            x += 24 + font.getlength(name) / fine + 24
    for index, drawing in enumerate(drawings):
        row, column = divmod(index, columns)
        left, top = gap + column * (width + gap), gap + head + row * (height + gap)
        _draw(pen, drawing, lambda point, left=left, top=top: ((left + point[0]) * fine, (top + point[1]) * fine), fine)
    small = canvas.resize((size[0] * scale, size[1] * scale), Image.Resampling.BOX)
    return torch.from_numpy(np.array(small))


def _draw(pen: ImageDraw.ImageDraw, drawing: Drawing, at: Callable[[Point], Point], fine: int) -> None:
    pen.rounded_rectangle([at((0, 0)), at(drawing.size)], 6 * fine, _FRAME)
    for mark in drawing.marks:
        color = _DARK[mark.role]
        if isinstance(mark, Line):
            pen.line([at(point) for point in mark.points], color, round(mark.width * fine), joint="curve")
        elif isinstance(mark, Dot):
            pen.circle(at(mark.at), mark.radius * fine, color)
        elif isinstance(mark, Bar):
            pen.rectangle([at(mark.start), at(mark.end)], color)
        else:
            anchor = {"start": "lm", "middle": "mm", "end": "rm"}[mark.anchor]
            pen.text(at(mark.at), mark.text, color, _font(mark.size * fine), anchor=anchor)


def _between(value: float, low: float, high: float, start: float, end: float) -> float:
    return start + (end - start) * (value - low) / (high - low)


def _shorter(text: str, most: int = 42) -> str:
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."


def _font(size: int) -> ImageFont.FreeTypeFont:
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))
