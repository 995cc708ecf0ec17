"""Charts where their values are, pages that escape what they are given, one stylesheet that both schemes can read."""

import html.parser
import math
import re
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest
import torch

from pointvid.report import page
from pointvid.report.chart import (
    Curve,
    Curves,
    Histogram,
    IntervalRow,
    Intervals,
    Line,
    frame_ticks,
    picture,
    round_ticks,
    svg,
)
from pointvid.report.page import data_url, render, write_page

STYLE = (Path(page.__file__).parent / "style.css").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.5, 1.0]),
        (0, 10, [0, 5, 10]),
        (0, 0, [0, 0.5, 1]),
        (-3, 7, [-5, 0, 5, 10]),
        (0, 0.0009, [0, 0.0005, 0.001]),
    ],
)
def test_axes_enclose_their_values(low, high, expected):
    assert round_ticks(low, high) == pytest.approx(expected)


def test_frames_are_named_sparingly():
    assert frame_ticks(1) == [0]
    assert frame_ticks(16) == [0, 5, 10, 15]
    assert frame_ticks(300) == [0, 50, 100, 150, 200, 250]


def test_a_curve_is_drawn_where_its_values_are():
    chart = Curves("x", (Curve("1 m", (0.0, math.nan, 1.0, 1.0, 0.0)),))
    drawn = picture([chart], scale=1).int()
    blue = torch.tensor([0x4C, 0xB5, 0xFF])
    near = ((drawn - blue).abs().sum(-1) < 60).nonzero()
    near = near[near[:, 0] > 50]  # below the text
    x, y = chart.place(2.5, 1.0)  # between two equal values the line is flat; 10 px around every chart
    assert ((near - torch.tensor([y + 10, x + 10])).abs().amax(1) <= 1).any()
    x, _ = chart.place(1, 0.0)
    assert not (near[:, 1] == round(x + 10)).any(), "nothing is drawn where there is no value"
    assert svg(chart).count('<polyline class="s0"') == 1
    assert svg(chart).count('<circle class="s0"') == 1


def marks(chart, kind, role=None):
    return [mark for mark in chart.drawing().marks if isinstance(mark, kind) and role in (None, mark.role)]


def test_intervals_are_to_scale():
    rows = (IntervalRow("a", -1.0, (-2.0, 0.0), (-3.0, 1.0), "bad"), IntervalRow("b" * 50, 0.5, None, None))
    chart = Intervals("x", rows)
    (inner,) = marks(chart, Line, "bad")
    (outer,) = marks(chart, Line, "faint")
    lengths = [line.points[1][0] - line.points[0][0] for line in (inner, outer)]
    assert lengths[1] == pytest.approx(2 * lengths[0])
    (zero,) = marks(chart, Line, "limit")
    assert inner.points[1][0] == pytest.approx(zero.points[0][0])
    assert f"<title>{'b' * 50}</title>" in svg(chart)


def test_a_histogram_holds_every_value_once():
    good, bad = (0.1, 0.1, 0.5, 0.95), (0.1, 0.9)
    chart = Histogram("x", (good, bad), 0.5, ("s0", "bad"), bins=10)
    heights = {
        role: sum(float(size) for size in re.findall(rf'<rect class="{role}".*? height="([\d.]+)"', svg(chart)))
        for role in ("s0", "bad")
    }
    assert heights["s0"] / heights["bad"] == pytest.approx(len(good) / len(bad), rel=0.01)
    (limit,) = marks(chart, Line, "limit")
    (floor,) = marks(chart, Line, "grid")
    left, right = (point[0] for point in floor.points)
    # the largest of six is the last hundredth's: the axis ends at the value before it
    assert (limit.points[0][0] - left) / (right - left) == pytest.approx((0.5 - 0.1) / (0.95 - 0.1), abs=0.01)
    assert svg(Histogram("one value", ((2.0,),))).count("<rect") == 1


def test_every_chart_can_be_a_picture():
    charts = [
        Curves("c", (Curve("", (1.0,)),)),
        Intervals("i", (IntervalRow("a", 1.0, (0.5, 2.0)),)),
        Histogram("h", ((1.0, 2.0),)),
    ]
    drawn = picture(charts, columns=2, scale=1)
    assert drawn.dtype == torch.uint8
    assert drawn.shape == (2 * 210 + 3 * 10, 2 * 460 + 3 * 10, 3)


HOSTILE = """</title><script>alert('1')</script>"&"""


def test_charts_escape_their_texts():
    for chart in (
        Curves(HOSTILE, (Curve(HOSTILE, (1.0, 2.0)),)),
        Intervals(HOSTILE, (IntervalRow(HOSTILE * 2, 1.0),)),
        Histogram(HOSTILE, ((1.0,),)),
    ):
        tags = []
        parser = html.parser.HTMLParser()
        parser.handle_starttag = lambda tag, attributes, tags=tags: tags.append(tag)
        parser.feed(svg(chart))
        assert "script" not in tags
        assert tags[0] == "svg"


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "one.html"
    path.write_text(
        '{% extends "base.html" %}{% block title %}{{ name }}{% endblock %}'
        '{% block body %}<p title="{{ name }}">{{ name }}</p>'
        "<script>const x = {{ value|tojson }};</script>{% endblock %}"
    )
    return path


def test_a_page_escapes_everywhere(template):
    text = render(template, name=HOSTILE, value={"b": "</script><script>", "a": "é"})
    assert text.count("<script>") == 1
    assert "alert(" in text
    assert 'const x = {"b": "\\u003c/script\\u003e\\u003cscript\\u003e", "a": "é"};' in text
    assert text.startswith("<!doctype html>")
    assert STYLE in text


def test_a_value_that_is_missing_is_an_error(template, tmp_path):
    with pytest.raises(jinja2.UndefinedError):
        write_page(tmp_path / "page.html", template, value=1)
    assert [path.name for path in tmp_path.iterdir()] == ["one.html"]


def test_data_urls_hold_the_bytes():
    assert data_url(b"\x00\xffPointVid", "image/png") == "data:image/png;base64,AP9Qb2ludFZpZA=="


def contrast(one, other):
    """The WCAG's ratio of two colours, "#rgb" or "#rrggbb"."""

    def luminance(color):
        digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_the_stylesheet_can_be_read_in_both_schemes():
    light, dark, fixed = (
        dict(re.findall(r"(--[\w-]+): (#\w+)", part)) for part in re.findall(r":root[^}]*--ground[^}]*", STYLE)
    )
    for colors in (light, dark, {**dark, **fixed}):
        for ground in ("--ground", "--panel"):
            for name in ("--ink", "--faint", "--good", "--bad", "--s0", "--s1", "--s2", "--s3"):
                assert contrast(colors[name], colors[ground]) >= 4.5, (name, ground, colors)
        assert contrast(colors["--on-mark"], colors["--mark"]) >= 4.5
        assert contrast(colors["--ink"], colors["--problem"]) >= 4.5


def test_jinja_is_imported_when_a_page_is_made():
    code = (
        "import sys, pointvid, pointvid.cli, pointvid.export.html, pointvid.metrics.page, pointvid.study.make; "
        "assert 'jinja2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
