"""The ablation's report as one HTML file that opens from disk: findings, tables, intervals, videos side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pointvid.report import page
from pointvid.report.chart import IntervalRow, Intervals, Role

_MAIN = ("rigidity", "shape_change", "motion_share", "track_error_px", "direction", "survival", "psnr")
_NOTES = (
    "Equal compute means equal optimizer steps on equally many clips, with one learning rate. A step of stage 2 also "
    "decodes points and so takes longer; the times below say how much, as far as processes that share a device tell.",
    "The paper fine-tunes a published model. Here every variant is trained from scratch: RGB only is a model that "
    "never saw points.",
    "RGB only has no points. What is compared with it is therefore measured on the video: up to 64 points of the true "
    "foreground of frame 0 are followed by the tracker without weights. Of shape speak only points that it follows "
    "within 2 px through the true clip, and only clips with 8 of them: rolling balls fall out, by a choice that knows "
    "no model. The row of the true clips is the floor. Points lost later count with the place where the tracker "
    "believes them, so that an object that dissolves does not look rigid by losing its points.",
    "All variants generate the same clips from the same noise. Intervals are Student's t over seeds (upper line) and "
    "over clips (lower, pale).",
    "A frozen object is rigid: read rigidity and shape beside motion.",
)


def write_ablation_page(results: dict[str, Any], videos: Path, path: Path) -> None:
    """Write the page.

    Args:
        results: `report.read_results`; videos: folder of folders of 000.mp4, one a variant.
    """
    settings = results["settings"]
    page.write_page(
        path,
        Path(__file__).with_name("page.html"),
        results=results,
        base=Path(settings.get("base") or "").name,
        given=[(name, Path(start).name) for name, start in settings["given"].items()],
        findings=_findings(results),
        rows=lambda names: _rows(results, names),
        video_figures=[name for name in results["figures"] if not name.startswith("point_")],
        point_figures=[name for name in results["figures"] if name.startswith("point_")],
        charts=_charts(results),
        videos=_videos(results, videos),
        notes=_NOTES,
        seconds=_seconds(results),
    )


def _findings(results: dict[str, Any]) -> list[tuple[dict[str, Any], list[tuple[str, str, list[str]]]]]:
    """Of each variant of the paper's figure, what clearly differs from the full pipeline: (class, words, figures)."""
    found = []
    for variant in results["variants"]:
        changes = results["differences"].get(variant["name"])
        if variant["group"] != "paper" or not changes:
            continue
        groups: dict[str, list[str]] = {"bad": [], "good": [], "": []}
        for name in _MAIN:
            if name in changes and changes[name]["clear"]:
                change = changes[name]
                words = f"{results['figures'][name]['title']} {change['seeds']['mean']:+.3g}"
                if change["relative"] is not None:
                    words += f" ({change['relative']:+.0%})"
                groups[_verdict(results, name, change)].append(words)
        titles = {"bad": "clearly worse", "good": "clearly better", "": "clearly different"}
        found.append((variant, [(kind, titles[kind], words) for kind, words in groups.items() if words]))
    return found


def _rows(results: dict[str, Any], names: list[str]) -> list[tuple[dict[str, Any], list[dict[str, Any] | None]]]:
    """A row for each variant that was measured: what each cell shows, None where the variant has no such figure."""
    rows = []
    for variant in results["variants"]:
        means, changes = results["means"].get(variant["name"]) or {}, results["differences"].get(variant["name"], {})
        if not any(name in means for name in names):
            continue
        cells: list[dict[str, Any] | None] = []
        for name in names:
            if name not in means or (name.startswith("point_") and not variant["has_points"]):
                cells.append(None)
                continue
            part, change = means[name]["seeds"], changes.get(name)
            half = None if part["high"] is None else (part["high"] - part["low"]) / 2
            kind = _verdict(results, name, change) if change else ""
            cells.append({"mean": part["mean"], "half": half, "change": change, "kind": kind})
        rows.append((variant, cells))
    return rows


def _charts(results: dict[str, Any]) -> list[Intervals]:
    """For each main figure, the paired differences with their intervals over seeds and over clips."""
    charts = []
    for name in _MAIN:
        rows = []
        for variant in results["variants"]:
            change = results["differences"].get(variant["name"], {}).get(name)
            if change:
                kinds: dict[str, Role] = {"good": "good", "bad": "bad"}
                kind = kinds.get(_verdict(results, name, change), "ink")
                seeds, clips = (_ends(change[axis]) for axis in ("seeds", "clips"))
                rows.append(IntervalRow(variant["title"], change["seeds"]["mean"], seeds, clips, kind))
        if rows:
            charts.append(Intervals(results["figures"][name]["title"], tuple(rows)))
    return charts


def _ends(part: dict[str, Any]) -> tuple[float, float] | None:
    return None if part["low"] is None else (part["low"], part["high"])


def _videos(results: dict[str, Any], folder: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    """Caption and, of everything that was kept, title and address."""
    titles = {"truth": "true clip", "codec": "through the autoencoder"}
    titles |= {variant["name"]: variant["title"] for variant in results["variants"]}
    shown = []
    for index, caption in enumerate(results["captions"]):
        paths = [(title, folder / name / f"{index:03d}.mp4") for name, title in titles.items()]
        clips = [(title, page.data_url(path.read_bytes(), "video/mp4")) for title, path in paths if path.is_file()]
        if clips:
            shown.append((caption, clips))
    return shown


def _seconds(results: dict[str, Any]) -> dict[str, float]:
    """Mean duration of each kind of run."""
    means = {}
    for variant in results["variants"]:
        for name in (f"first-{variant['first']}", variant["name"]):
            times = [value for key, value in results["seconds"].items() if key.rpartition("-")[0] == name]
            if times:
                means[name] = sum(times) / len(times)
    return means


def _verdict(results: dict[str, Any], name: str, change: dict[str, Any]) -> str:
    """The class of a clear difference: good, bad, or none."""
    better = results["figures"][name]["better"]
    if not change["clear"] or not better:
        return ""
    return "good" if (change["seeds"]["mean"] < 0) == (better == "less") else "bad"
