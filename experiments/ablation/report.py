"""Results of an ablation -> report.json (every number) and report.html (tables, plot and videos in one file)."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pointvid.errors import PointVidError
from pointvid.files.atomic import atomic_path
from pointvid.files.revision import git_revision

from .page import write_ablation_page
from .statistics import Cell, difference, summary
from .variants import REFERENCE, VARIANTS


@dataclass(frozen=True)
class Figure:
    """One column. better: "less", "more", or "" where neither is (motion: as much as the truth)."""

    title: str
    better: str
    meaning: str


FIGURES = {
    "rigidity": Figure(
        "rigidity error, %", "less", "relative change of distances between neighbours (equation 2), RMS"
    ),
    "shape_change": Figure("shape change", "less", "share of a shape that no rotation, scaling and shift explains"),
    "motion_share": Figure("motion", "", "median way of the points, as a share of the true one"),
    "track_error_px": Figure("track error, px", "less", "mean distance from the true points, all frames"),
    "direction": Figure("direction right", "more", "share of clips in which the object goes where the caption says"),
    "survival": Figure("points kept", "more", "share of points that still look as in frame 0 at the end"),
    "psnr": Figure("PSNR, dB", "more", "of the whole video against the true one"),
    "point_rigidity": Figure("rigidity error, %", "less", "as above, of all generated points, in space"),
    "point_shape_change": Figure(
        "shape change, %", "less", "of distances between all points, in space (docs/metrics.md)"
    ),
    "point_motion_px": Figure("motion, px", "", "median way of the generated points"),
    "point_error_px": Figure("error, px", "less", "generated against true points, where both have foreground"),
    "point_depth_percent": Figure("depth error, %", "less", "the same, of depth"),
    "point_agreement": Figure("agreement", "more", "colour constancy of the generated video along its points"),
    "point_agreement_still": Figure("of still points", "", "the same, if no point moved"),
    "point_retrack_px": Figure("re-tracking, px", "less", "generated points against the re-tracked video"),
    "point_iou": Figure("foreground IoU", "more", "generated against true foreground of frame 0"),
}


def read_results(folder: Path) -> dict[str, Any]:
    """Everything that was measured, with means and paired differences: what report.json holds.

    Raises:
        PointVidError: the folder holds no results.
    """
    try:
        settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise PointVidError(
            f"{folder} holds no ablation ({error.strerror}); run python -m experiments.ablate"
        ) from error
    runs_path = folder / "runs.json"
    runs = json.loads(runs_path.read_text(encoding="utf-8")) if runs_path.is_file() else {}
    files = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (folder / "results").glob("*.json")}
    references = {name: files[name]["rows"] for name in ("truth", "codec") if name in files}
    raw: dict[str, dict[int, list[dict[str, float]]]] = {}
    for variant in VARIANTS:
        seeds = {int(stem.rpartition("-")[2]): stem for stem in files if stem.rpartition("-")[0] == variant.name}
        if seeds:
            raw[variant.name] = {seed: files[seeds[seed]]["rows"] for seed in sorted(seeds)}
    if not raw:
        raise PointVidError(f"{folder}: nothing was measured yet, expected results/*.json; look into the runs' logs")
    any_file = next(iter(files.values()))
    wanted = runs.get("variants", [variant.name for variant in VARIANTS])
    seeds = runs.get("seeds", sorted({seed for rows in raw.values() for seed in rows}))
    return {
        "made_by": "python -m experiments.ablate",
        "revision": git_revision(),
        "settings": settings,
        "device": sorted({file["device"] for file in files.values()}),
        "captions": any_file["captions"],
        "seeds": seeds,
        "reference": REFERENCE,
        "variants": [
            {**asdict(variant), "seeds": list(raw.get(variant.name, {}))}
            for variant in VARIANTS
            if variant.name in wanted
        ],
        "missing": [f"{name}, seed {seed}" for name in wanted for seed in seeds if seed not in raw.get(name, {})],
        "failed": runs.get("failed", []),
        "seconds": runs.get("seconds", {}),
        "figures": {name: asdict(figure) for name, figure in FIGURES.items()},
        **compare(raw, references),
        "raw": {name: {str(seed): rows for seed, rows in seeds.items()} for name, seeds in raw.items()} | references,
    }


def compare(raw: dict[str, dict[int, list[dict[str, float]]]], references: dict[str, list[dict[str, float]]]) -> dict:
    """{"references": means, "means": by variant and figure, "differences": from the full pipeline}."""
    cells = {name: {figure: cells_of(rows, figure) for figure in FIGURES} for name, rows in raw.items()}
    means: dict[str, dict] = {}
    differences: dict[str, dict] = {}
    for name, by_figure in cells.items():
        found = {figure: values for figure, values in by_figure.items() if values}
        means[name] = {
            figure: {axis: asdict(part) for axis, part in summary(values).items()} | {"cells": len(values)}
            for figure, values in found.items()
        }
        if name == REFERENCE or REFERENCE not in cells:
            continue
        pairs = {figure: difference(values, cells[REFERENCE][figure]) for figure, values in found.items()}
        differences[name] = {figure: pair.as_dict() for figure, pair in pairs.items() if pair is not None}
    return {
        "references": {
            name: {
                figure: sum(values.values()) / len(values)
                for figure in FIGURES
                if (values := cells_of({0: rows}, figure))
            }
            for name, rows in references.items()
        },
        "means": means,
        "differences": differences,
    }


def cells_of(rows: dict[int, list[dict[str, float]]], figure: str) -> dict[Cell, float]:
    """(seed, clip) -> value, where there is a finite one."""
    return {
        (seed, clip): row[figure]
        for seed, clips in rows.items()
        for clip, row in enumerate(clips)
        if row.get(figure) is not None and math.isfinite(row[figure])
    }


def write_ablation_report(results: dict[str, Any], folder: Path) -> None:
    """Write report.json and report.html into the folder."""
    with atomic_path(folder / "report.json") as path:
        path.write_text(json.dumps(_plain(results), indent=1, allow_nan=False), encoding="utf-8")
    write_ablation_page(_plain(results), folder / "videos", folder / "report.html")


def _plain(value: Any) -> Any:
    """Numbers of six digits; NaN, which JSON has not, as None."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
