"""What was done with a clip and how good its tracks are: once, for report.json, for a terminal and for a graph."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..trackers.pipeline import TrackQuality
from ..trackers.retrace import WITHIN, Retraced
from ..tracks import PointTracks
from .pipeline import TrackedFootage

FOUND_BY = {
    "mask": "marked by the mask",
    "name": "found by name",
    "motion": "found by its motion",
    "everything": "the whole image",
}
FLAT = "no depth was given, so the tracks are flat (depth 1)"


def track_report(
    tracked: TrackedFootage,
    tracks: PointTracks,
    *,
    tracker: str,
    smoothed: bool,
    retraced: Retraced | None = None,
    depth_model: str = "",
) -> dict[str, Any]:
    """Plain values, as JSON takes them.

    Args:
        tracked: the clip as it was tracked.
        tracks: the same tracks as they are handed on, smoothed perhaps.
        tracker, depth_model: how the models are called.
        smoothed: whether the tracks were to be smoothed.
        retraced: what tracking backwards showed.
    """
    by_name = tracked.named is not None
    report: dict[str, Any] = {
        "camera": dict(zip(("fx", "fy", "cx", "cy"), tracks.camera.intrinsics)),
        "depth_unit": tracks.depth_unit,
        "tracker": tracker,
        "smoothed": smoothed,
        "foreground": {"found_by": "name" if by_name else tracked.found_by, "pixels": int(tracked.mask.sum())},
        "quality": {name: round(value, 4) for name, value in asdict(TrackQuality.of(tracks)).items()},
    }
    if retraced is not None:
        report["backwards"] = {**asdict(retraced), "warnings": retraced.warnings()}
    if tracked.named is not None:
        pixels = tracked.named.masks.flatten(1).sum(1).tolist()
        rows = zip(tracked.named.labels, tracked.named.scores.tolist(), pixels)
        report["foreground"]["objects"] = [
            {"label": label, "score": round(score, 4), "pixels": count} for label, score, count in rows
        ]
    if depth_model:
        flicker, scale = tracked.flicker or (None, None)
        report["depth_model"] = {"name": depth_model, "flicker": flicker, "scale_flicker": scale}
    return report


def report_rows(report: dict[str, Any]) -> list[tuple[str, str]]:
    """A `track_report` for people: names and values."""
    quality, foreground = report["quality"], report["foreground"]
    rows = [("foreground", f"{foreground['pixels']} pixels, {FOUND_BY[foreground['found_by']]}")]
    if "objects" in foreground:
        names = [f"{row['label']} {row['score']:.2f}" for row in foreground["objects"]]
        rows.append(("objects", ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")))
    return [
        *rows,
        ("tracker", report["tracker"]),
        ("tracks", f"{quality['points']}, {100 * quality['survival']:.0f} % visible in the last frame"),
        *_backwards(report),
        ("acceleration", f"{quality['acceleration']:.2f} px / frame^2, the median"),
        ("depth", _depth(report)),
    ]


def _backwards(report: dict[str, Any]) -> list[tuple[str, str]]:
    found = report.get("backwards")
    if found is None or found["share"] is None:
        return []
    text = f"{100 * found['share']:.0f} % of {found['points']} come back to within {WITHIN:g} px when tracked backwards"
    return [("backwards", text)]


def _depth(report: dict[str, Any]) -> str:
    model = report.get("depth_model")
    if model is None or model["flicker"] is None:
        return report["depth_unit"]
    return f"{report['depth_unit']}, estimated by {model['name']}, flickers by {100 * model['flicker']:.2f} %"
