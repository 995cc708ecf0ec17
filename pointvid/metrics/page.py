"""The report as one page that needs no network and no script, and as JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import PointVidError
from ..files.atomic import atomic_path
from ..report.chart import SERIES, Curve, Curves
from ..report.page import render
from .measure import TITLES, MetricReport
from .measurement import Measurement

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

_TEMPLATE = Path(__file__).with_name("page.html")


def write_metrics_report(reports: Sequence[MetricReport], path: str | os.PathLike) -> None:
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
    return render(
        _TEMPLATE,
        reports=reports,
        roles=SERIES,
        charts=curves(reports),
        rows=[_row(name, reports) for name in TITLES if any(math.isfinite(report.value(name)) for report in reports)],
        objects=[(report, one) for report in reports for one in report.objects],
        notes=list(dict.fromkeys(note for report in reports for note in report.notes)),
    )


def curves(reports: Sequence[MetricReport]) -> list[Curves]:
    """A chart for every metric of the reports, with a curve for each report that has it."""
    charts = []
    for name, title in TITLES.items():
        having = [
            (index, row) for index, report in enumerate(reports) for row in report.measurements if row.name == name
        ]
        if any(math.isfinite(value) for _, row in having for value in row.per_frame):
            lines = tuple(Curve(str(row), row.per_frame, SERIES[index % len(SERIES)]) for index, row in having)
            charts.append(Curves(title, lines))
    return charts


def _row(name: str, reports: Sequence[MetricReport]) -> tuple[str, list[Measurement | None], str, str]:
    """Title, what each report found, which is better, what it is."""
    found = [next((row for row in report.measurements if row.name == name), None) for report in reports]
    better = next(row.better for row in found if row)
    return TITLES[name], found, better, ABOUT[name]
