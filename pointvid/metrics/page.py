"""The report as one page that needs no network and no script, and as JSON."""

from __future__ import annotations

import html
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import PointVidError
from ..files.atomic import atomic_path
from .chart import COLORS, panels, svg
from .measure import TITLES, MetricReport

ABOUT = {
    "rigidity": "Root mean square change of the distance between neighbours since frame 0 (the root of the paper's "
    "Eq. 2). A rigid motion scores 0.",
    "rigidity_relative": "The same in per cent of the neighbours' distances in frame 0.",
    "shape_change": "Change of all pairwise 3D distances within an object, relative to them; mean over objects. An "
    "object that grows by a tenth scores 10 %.",
    "motion": "Mean distance of the points from where they started, in the frame where it is largest. A still clip "
    "scores 0: read every other figure beside this one.",
    "motion_3d": "The same in 3D.",
    "speed": "Mean distance from frame to frame, a second (Eq. 1, second term).",
    "acceleration": "Mean second difference, a second squared (Eq. 1, third term). Free fall scores 9.81 m/s^2.",
    "jitter": "How far points lie beside a smooth path, from third differences. Constant acceleration scores 0, "
    "white noise its size.",
    "agreement": "1 minus the mean colour difference between a point in frame 0 and the video where it goes.",
    "agreement_shuffled": "The same with the trajectories dealt out to other points: what ignorance scores.",
    "agreement_still": "The same with points that do not move: what missing the motion scores.",
    "retracking": "Median distance between the points and where a tracker finds them again in the video.",
    "recon": "Mean distance from the reference in 3D (Eq. 1, first term).",
    "recon_px": "Mean distance from the reference in the image.",
    "apd": "Share of visible points within 1, 2, 4, 8 and 16 px of the reference, averaged.",
    "aj": "Jaccard index of visible and right, averaged over the same thresholds.",
    "oa": "How often visibility is told correctly.",
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 0 auto; max-width: 1120px; padding: 20px; background: #14161c; color: #dcdee3;
  font: 14px/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 18px; margin: 0 0 4px; }} h2 {{ font-size: 15px; margin: 28px 0 8px; }}
p, td.about {{ color: #a3a8b3; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: 5px 14px 5px 0; border-bottom: 1px solid #2a2e38; vertical-align: top; }}
td.number {{ white-space: nowrap; font-variant-numeric: tabular-nums; }}
.panels {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); gap: 10px; }}
svg {{ width: 100%; font-family: system-ui, sans-serif; }}
.key {{ display: inline-block; width: 18px; height: 3px; vertical-align: middle; margin-right: 6px; }}
</style>
</head>
<body>
<h1>{title}</h1>
{facts}
<h2>Over the frames</h2>
<div class="panels">{panels}</div>
<h2>Figures</h2>
<table><tr><th>metric</th>{heads}<th>better</th><th>what it is</th></tr>{rows}</table>
{objects}
{notes}
</body>
</html>
"""


def write_report(reports: Sequence[MetricReport], path: str | os.PathLike) -> None:
    """Write a page (.html) or the numbers (.json), atomically.

    Args:
        reports: one, or several of the same clip to compare: their curves share panels.
        path: the suffix decides.
    Raises:
        PointVidError: another suffix, or an unwritable folder.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".html", ".json"):
        raise PointVidError(f"report is {Path(path).name!r}, expected a name that ends in .html or .json")
    text = report_page(reports) if suffix == ".html" else report_json(reports)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def report_json(reports: Sequence[MetricReport]) -> str:
    """`MetricReport.as_dict` of each, a list where there are several."""
    values = [report.as_dict() for report in reports]
    return json.dumps(values[0] if len(values) == 1 else values, indent=1, ensure_ascii=False) + "\n"


def report_page(reports: Sequence[MetricReport]) -> str:
    """The page as text."""
    names = [name for name in TITLES if any(math.isfinite(report.value(name)) for report in reports)]
    shapes = [(report, one) for report in reports for one in report.objects]
    return _PAGE.format(
        title=html.escape("Measured: " + " and ".join(report.name for report in reports)),
        facts="".join(_facts(report, color) for report, color in zip(reports, COLORS)),
        panels="".join(map(svg, panels(reports))),
        heads="".join(f"<th>{html.escape(report.name)}</th>" for report in reports),
        rows="".join(_row(name, reports) for name in names),
        objects=_objects(shapes) if shapes else "",
        notes="".join(f"<p>{html.escape(note)}</p>" for note in dict.fromkeys(n for r in reports for n in r.notes)),
    )


def _facts(report: MetricReport, color: str) -> str:
    height, width = report.image_size
    text = (
        f"{report.name}: {report.points} points, {report.frames} frames of {width}x{height} at {report.fps:g} fps, "
        f"lengths in {'metres' if report.unit == 'm' else 'units of relative depth (rel)'}"
    )
    return f'<p><span class="key" style="background:{color}"></span>{html.escape(text)}</p>'


def _row(name: str, reports: Sequence[MetricReport]) -> str:
    found = [next((row for row in report.measurements if row.name == name), None) for report in reports]
    better = next(row.better for row in found if row)
    cells = "".join(
        f'<td class="number">{"-" if row is None else html.escape(str(row))}'
        f"{f' <small>({row.coverage:.0%} judged)</small>' if row and row.coverage < 0.995 else ''}</td>"
        for row in found
    )
    word = "" if better == "neither" else better
    return f'<tr><td>{TITLES[name]}</td>{cells}<td>{word}</td><td class="about">{html.escape(ABOUT[name])}</td></tr>'


def _objects(shapes: list) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(report.name)}</td><td>{one.object_id}</td><td>{one.points}</td>"
        f'<td class="number">{one.shape}</td><td class="number">{one.size}</td><td class="number">{one.area}</td></tr>'
        for report, one in shapes
    )
    names = ("", "object", "points", "shape change", "size change", "area change")
    head = f"<tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>"
    return f"<h2>Objects</h2><table>{head}{rows}</table>"
