"""The ablation's report as one HTML file that opens from disk: findings, tables, intervals, videos side by side."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any

from pointvid.files.atomic import atomic_path

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
    "All variants generate the same clips from the same noise. Intervals are Student's t over seeds (dark) and over "
    "clips (light).",
    "A frozen object is rigid: read rigidity and shape beside motion.",
)
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #188038; --bad: #c5221f; --quiet: #8889; }
@media (prefers-color-scheme: dark) { :root { --good: #81c995; --bad: #f28b82; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { padding: 4px 9px; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th:first-child, td:first-child { text-align: left; } thead th { vertical-align: bottom; }
td small { display: block; color: var(--quiet); } .good { color: var(--good); } .bad { color: var(--bad); }
.scroll { overflow-x: auto; } figure { margin: 0; } figcaption { font-size: 12px; line-height: 1.25; }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(128px, 1fr)); gap: 10px; margin: 6px 0 20px; }
video { width: 100%; image-rendering: pixelated; display: block; background: #8883; }
.bars { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 14px 24px; }
svg text { fill: currentColor; font: 11px system-ui, sans-serif; } li { margin: .25em 0; }
"""
_SCRIPT = """
const clips = [...document.querySelectorAll("video")];
setInterval(() => clips.forEach(clip => { clip.currentTime = 0; clip.play().catch(() => {}); }), 2200);
"""


def write_page(results: dict[str, Any], videos: Path, path: Path) -> None:
    """Write the page.

    Args:
        results: `report.read_results`; videos: folder of folders of 000.mp4, one a variant.
    """
    sections = [
        _opening(results),
        _findings(results),
        "<h2>The generated videos</h2><p>Measured by following points of frame 0 through the video alone.</p>",
        _table(results, [name for name in results["figures"] if not name.startswith("point_")]),
        "<h2>Differences from the full pipeline</h2>" + _plots(results),
        "<h2>The generated points</h2><p>Only of variants that have points: RGB only has none.</p>",
        _table(results, [name for name in results["figures"] if name.startswith("point_")]),
        "<h2>Side by side</h2>" + _videos(results, videos),
        _method(results),
    ]
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>PointVid ablation</title><style>{_STYLE}</style></head><body>"
        + "\n".join(sections)
        + f"<script>{_SCRIPT}</script></body></html>\n"
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _opening(results: dict[str, Any]) -> str:
    settings = results["settings"]
    text = (
        "<h1>Ablation: what points and their regularization do</h1>"
        f"<p>The small model, {settings['steps1']} steps of {settings['batch1']} clips and {settings['steps2']} of "
        f"{settings['batch2']} for every "
        f"variant; seeds {_list(results['seeds'])}; {len(results['captions'])} held-out synthetic clips with exact "
        f"points, on {escape(_list(results['device']))}. Reported as it came out.</p>"
    )
    if settings.get("share_first") is not None:
        text += (
            f"<p>Each first run was trained once, with seed {settings['share_first']}: the seeds differ in the second "
            "run alone, and so do the intervals over them. Of variants with a first run of their own (RGB only, no "
            "cross-attention) they do not say what another first run would have given.</p>"
        )
    if settings.get("base"):
        text += (
            f"<p>All start from one model that was trained without points ({escape(Path(settings['base']).name)}), "
            "as the paper's start from a published one; seeds are of what comes after it.</p>"
        )
    for name, path in settings["given"].items():
        text += (
            f"<p>First run <b>{name}</b> was not trained here: all seeds start from {escape(Path(path).name)}, differ "
            "in the second run alone, and so do the intervals over them.</p>"
        )
    if results["missing"]:
        text += f'<p class="bad">Missing: {escape("; ".join(results["missing"]))}.</p>'
    if results["failed"]:
        text += f'<p class="bad">Failed: {escape(", ".join(results["failed"]))}.</p>'
    return text


def _findings(results: dict[str, Any]) -> str:
    """One sentence a variant of the paper's figure: what is clearly better or worse than in the full pipeline."""
    lines = []
    for variant in results["variants"]:
        found = results["differences"].get(variant["name"])
        if variant["group"] != "paper" or not found:
            continue
        worse, better, other = [], [], []
        for name in _MAIN:
            if name not in found:
                continue
            title, verdict = results["figures"][name]["title"], _verdict(results, name, found[name])
            words = f"{title} {_signed(found[name]['seeds']['mean'])}"
            if found[name]["relative"] is not None:
                words += f" ({found[name]['relative']:+.0%})"
            {"bad": worse, "good": better}.get(verdict, other if found[name]["clear"] else []).append(words)
        parts = [f'<span class="bad">clearly worse</span> in {", ".join(worse)}'] if worse else []
        parts += [f'<span class="good">clearly better</span> in {", ".join(better)}'] if better else []
        parts += [f"clearly different in {', '.join(other)}"] if other else []
        text = "; ".join(parts) or "no clear difference"
        lines.append(f"<li><b>{escape(variant['title'])}</b>, against the full pipeline: {text}.</li>")
    note = (
        "<p>Clear: the 95% intervals over seeds and over clips both leave out 0. Several figures are tested at once: "
        "at most about one in twenty true zeros passes each test.</p>"
    )
    return f"<h2>Findings</h2><ul>{''.join(lines)}</ul>{note}"


def _table(results: dict[str, Any], names: list[str]) -> str:
    figures = results["figures"]
    arrows = {"less": " &darr;", "more": " &uarr;", "": ""}
    head = "".join(
        f'<th title="{escape(figures[name]["meaning"])}">{figures[name]["title"]}{arrows[figures[name]["better"]]}</th>'
        for name in names
    )
    rows = []
    for name, title in (("truth", "the true clips"), ("codec", "the true clips through the autoencoder")):
        means = results["references"].get(name, {})
        rows.append(f"<tr><td>{title}</td>" + "".join(f"<td>{_number(means.get(key))}</td>" for key in names) + "</tr>")
    for variant in results["variants"]:
        means, changes = results["means"].get(variant["name"]), results["differences"].get(variant["name"], {})
        if not means or not any(key in means for key in names):
            continue
        cells = [f"<td>{escape(variant['title'])}</td>"]
        for key in names:
            if key not in means or (key.startswith("point_") and not variant["has_points"]):
                cells.append("<td>none</td>")
                continue
            part, change = means[key]["seeds"], changes.get(key)
            small = "&plusmn; " + _number(_half(part)) if _half(part) is not None else ""
            if change:
                kind = _verdict(results, key, change)
                small += f'<br><span class="{kind}">{_signed(change["seeds"]["mean"])}{" *" if change["clear"] else ""}'
                small += "</span>"
            cells.append(f"<td>{_number(part['mean'])}<small>{small}</small></td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table><thead><tr><th>variant</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        "<p><small>Mean, half of its 95% interval over seeds, difference from the full pipeline; "
        "* clear.</small></p>"
    )


def _plots(results: dict[str, Any]) -> str:
    """For each main figure, the paired differences with both intervals."""
    plots = []
    for name in _MAIN:
        rows = [
            (variant["title"], results["differences"][variant["name"]][name])
            for variant in results["variants"]
            if name in results["differences"].get(variant["name"], {})
        ]
        if rows:
            plots.append(f"<figure><figcaption><b>{results['figures'][name]['title']}</b></figcaption>{_plot(rows)}")
    return f'<div class="bars">{"</figure>".join(plots)}</figure></div>' if plots else "<p>None yet.</p>"


def _plot(rows: list[tuple[str, dict[str, Any]]]) -> str:
    bounds = [
        value
        for _, change in rows
        for axis in ("seeds", "clips")
        for value in (change[axis]["low"], change[axis]["high"], change[axis]["mean"])
        if value is not None
    ]
    low, high = min(0.0, *bounds), max(0.0, *bounds)
    span, left, width = (high - low) or 1.0, 170, 165

    def x(value: float) -> float:
        return left + (value - low) / span * width

    parts = [f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" y2="{18 * len(rows)}" stroke="currentColor" opacity=".4"/>']
    for i, (title, change) in enumerate(rows):
        y = 18 * i + 9
        parts.append(f'<text x="0" y="{y + 4}"><title>{escape(title)}</title>{escape(_shorter(title))}</text>')
        for axis, offset, opacity in (("seeds", -2.5, 1), ("clips", 2.5, 0.45)):
            part = change[axis]
            if part["low"] is not None:
                ends = f'x1="{x(part["low"]):.1f}" x2="{x(part["high"]):.1f}"'
                parts.append(
                    f'<line {ends} y1="{y + offset}" y2="{y + offset}" stroke="currentColor" stroke-width="2" '
                    f'opacity="{opacity}"/>'
                )
        parts.append(f'<circle cx="{x(change["seeds"]["mean"]):.1f}" cy="{y}" r="3.5" fill="currentColor"/>')
    height = 18 * len(rows) + 16
    parts.append(f'<text x="{left}" y="{height - 2}">{_number(low)}</text>')
    parts.append(f'<text x="{left + width}" y="{height - 2}" text-anchor="end">{_number(high)}</text>')
    return f'<svg viewBox="0 0 340 {height}" width="340" height="{height}" role="img">{"".join(parts)}</svg>'


def _videos(results: dict[str, Any], folder: Path) -> str:
    titles = {"truth": "true clip", "codec": "through the autoencoder"}
    titles |= {variant["name"]: variant["title"] for variant in results["variants"]}
    parts = []
    for index, caption in enumerate(results["captions"]):
        shown = [(title, folder / name / f"{index:03d}.mp4") for name, title in titles.items()]
        clips = [
            f"<figure>{_video(path)}<figcaption>{escape(title)}</figcaption></figure>"
            for title, path in shown
            if path.is_file()
        ]
        if clips:
            parts.append(f'<p>{escape(caption)}</p><div class="clips">{"".join(clips)}</div>')
    return "".join(parts) or "<p>None were kept.</p>"


def _video(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<video muted playsinline autoplay loop src="data:video/mp4;base64,{data}"></video>'


def _method(results: dict[str, Any]) -> str:
    figures = "".join(
        f"<li><b>{name}</b> ({figure['title']}): {escape(figure['meaning'])}</li>"
        for name, figure in results["figures"].items()
    )
    seconds = results["seconds"]
    rows = []
    for variant in results["variants"]:
        for name in (f"first-{variant['first']}", variant["name"]):
            times = [value for key, value in seconds.items() if key.rpartition("-")[0] == name]
            if times:
                rows.append(f"<li>{escape(name)}: {sum(times) / len(times):.0f} s</li>")
    notes = "".join(f"<li>{escape(note)}</li>" for note in _NOTES)
    times = f"<h3>Seconds a run</h3><ul>{''.join(dict.fromkeys(rows))}</ul>" if rows else ""
    return f"<h2>How it was measured</h2><ul>{notes}</ul><h3>Figures</h3><ul>{figures}</ul>{times}" + (
        f"<p>Revision {escape(results['revision'])}.</p>"
    )


def _verdict(results: dict[str, Any], name: str, change: dict[str, Any]) -> str:
    """The class of a clear difference: good, bad, or none."""
    better = results["figures"][name]["better"]
    if not change["clear"] or not better:
        return ""
    return "good" if (change["seeds"]["mean"] < 0) == (better == "less") else "bad"


def _half(part: dict[str, Any]) -> float | None:
    return None if part["high"] is None else (part["high"] - part["low"]) / 2


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _signed(value: float) -> str:
    return f"{value:+.3g}"


def _shorter(title: str, most: int = 30) -> str:
    return title if len(title) <= most else title[: most - 3].rstrip() + "..."


def _list(items: list) -> str:
    return ", ".join(map(str, items))
