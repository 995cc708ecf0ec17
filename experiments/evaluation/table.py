"""Scores of several methods, beside the paper's Table 1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pointvid.files.atomic import atomic_path
from pointvid.report.page import write_page

# The paper's Table 1, VBench and VideoPhy on 387 clips of 448x256 from Panda-70M.
PAPER = {
    "I2VGen-XL (paper)": {
        "subject_consistency": 0.83247,
        "background_consistency": 0.89147,
        "motion_smoothness": 0.95706,
        "aesthetic_quality": 0.44055,
        "imaging_quality": 0.58532,
        "physical_commonsense": 0.32665,
    },
    "PointVid (paper)": {
        "subject_consistency": 0.95892,
        "background_consistency": 0.95202,
        "motion_smoothness": 0.98456,
        "aesthetic_quality": 0.43369,
        "imaging_quality": 0.60423,
        "physical_commonsense": 0.37434,
    },
}
PAPER_CLIPS = 387


def write_scores(folder: Path, results: Mapping[str, Mapping[str, Any]], notes: list[str]) -> None:
    """scores.json, scores.md and scores.html.

    Args:
        results: method -> {"scores": {name: mean}, "clips": {name: {clip: value}}, "count": clips, "versions": {...}}.
        notes: what is missing, and why.
    """
    content = {
        "paper": PAPER,
        "paper_clips": PAPER_CLIPS,
        "methods": results,
        "notes": notes,
    }
    with atomic_path(folder / "scores.json") as path:
        path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    header, rows = score_table(results)
    with atomic_path(folder / "scores.md") as path:
        lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        path.write_text("\n".join([*lines, "", *(f"- {note}" for note in notes), ""]), encoding="utf-8")
    template = Path(__file__).with_name("scores.html")
    write_page(folder / "scores.html", template, header=header, rows=rows, notes=notes)


def score_table(results: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the paper's methods first, then ours; a score nobody has here is left out."""
    scores: dict[str, None] = {}
    if any(set(result["scores"]) & set(PAPER["PointVid (paper)"]) for result in results.values()):
        scores |= dict.fromkeys(PAPER["PointVid (paper)"])
    for result in results.values():
        scores |= dict.fromkeys(result["scores"])
    rows = [
        [name, str(PAPER_CLIPS), *(_cell(values.get(score)) for score in scores)]
        for name, values in PAPER.items()
        if set(values) & set(scores)
    ]
    rows += [
        [name, str(result["count"]), *(_cell(result["scores"].get(score)) for score in scores)]
        for name, result in results.items()
    ]
    return ["method", "clips", *(score.replace("_", " ") for score in scores)], rows


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
