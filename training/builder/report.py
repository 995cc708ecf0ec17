"""report.html: what a build made and left out, in one page that needs nothing else."""

from __future__ import annotations

import base64
import html
import io
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from pointvid.files.atomic import atomic_path
from pointvid.files.sample import Sample
from pointvid.preprocess.gates import GATES
from pointvid.render.overlay import draw_tracks

from ..data.shards import Shards
from .store import Store

_WIDTH = 320  # of the moving pictures, pixels
_TRACKS = 300  # drawn on each
_READ = 1000  # samples and rejections at most whose figures are counted
_BINS = 24
_EXAMPLES = 3  # rejected clips named for each reason

_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; color: #1d2026; background: #fafafa; max-width: 1060px; margin: 24px auto;
  padding: 0 16px; }
h1 { font-size: 20px; } h2 { font-size: 16px; margin: 32px 0 8px; }
table { border-collapse: collapse; } td, th { padding: 2px 12px 2px 0; text-align: left; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; } .dim { color: #6a7079; }
.bar { background: #4a7fb5; height: 14px; } .bars td:last-child { width: 420px; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); gap: 16px; }
figure { margin: 0; } figure img { width: 100%; display: block; background: #222; } figcaption { margin-top: 4px; }
svg text { font: 11px system-ui, sans-serif; fill: #6a7079; }
pre { background: #f0f1f3; padding: 12px; overflow: auto; }
"""


def write_report(store: Store, path: Path, samples: int = 12) -> None:
    """Write the page, atomically.

    Args:
        samples: how many are shown, spread over the shards.
    """
    build = store.manifest["build"]
    shards = Shards(store.out) if build["accepted"] else None
    rejected = list(store.rejections())
    parts = [
        f"<h1>{html.escape(store.out.resolve().name)}: {build['accepted']} samples of {build['clips']} clips</h1>",
        _counts(store),
        "<h2>Why clips were rejected</h2>",
        _bars(build["reasons"], build["clips"]),
        "<h2>Samples</h2>",
        _gallery(shards, samples),
        "<h2>Figures and their limits</h2>",
        "<p class=dim>Blue: samples. Red: rejected clips, as far as they were measured. The line is the limit.</p>",
        _histograms(shards, rejected, store.manifest["settings"]["gates"]),
        "<h2>Some of the rejected</h2>",
        _examples(rejected),
        "<h2>Settings</h2>",
        f"<pre>{html.escape(json.dumps(store.manifest['settings'], indent=1, ensure_ascii=False))}</pre>",
        f"<pre>{html.escape(json.dumps(store.manifest['versions'], indent=1))}</pre>",
    ]
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>PointVid dataset</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def _counts(store: Store) -> str:
    shards = store.manifest["shards"]
    size = sum(record["bytes"] for record in shards.values())
    build = store.manifest["build"]
    rows = [
        ("clips", build["clips"]),
        ("samples", f"{build['accepted']} ({build['accepted'] / max(build['clips'], 1):.0%})"),
        ("shards", f"{len(shards)}, {size / 1e6:.1f} MB"),
    ]
    return "<table>" + "".join(f"<tr><td>{name}<td class=n>{value}" for name, value in rows) + "</table>"


def _bars(counts: dict[str, int], clips: int) -> str:
    if not counts:
        return "<p>None was.</p>"
    most = max(counts.values())
    rows = "".join(
        f"<tr><td>{html.escape(name)}<td class=n>{count}<td class=n>{count / clips:.1%}"
        f'<td><div class=bar style="width:{100 * count / most:.1f}%"></div>'
        for name, count in counts.items()
    )
    return f"<table class=bars>{rows}</table>"


def _gallery(shards: Shards | None, samples: int) -> str:
    if shards is None:
        return "<p>There is none.</p>"
    count = min(samples, len(shards))
    return '<div class="grid">' + "".join(_picture(shards, i * len(shards) // count) for i in range(count)) + "</div>"


def _picture(shards: Shards, index: int) -> str:
    sample = shards[index]
    quality = sample.provenance.get("quality", {})
    notes = ", ".join(f"{name} {quality[name]:.3g}" for name in ("tracks", "survival", "motion") if name in quality)
    labels = f" [{', '.join(sample.labels)}]" if sample.labels else ""
    return (
        f'<figure><img src="data:image/webp;base64,{base64.b64encode(animation(sample)).decode()}" alt="">'
        f"<figcaption>{html.escape(sample.caption + labels)}<br>"
        f"<span class=dim>{html.escape(shards.entries[index].key)}: {notes}</span></figcaption></figure>"
    )


def animation(sample: Sample) -> bytes:
    """An animated WebP of the clip with its trajectories."""
    frames = draw_tracks(sample.video, sample.point_map.to_tracks(sample.video[0]), max_tracks=_TRACKS)
    height, width = sample.point_map.image_size
    size = (_WIDTH, max(round(height * _WIDTH / width), 1))
    images = [Image.fromarray(frame.numpy()).resize(size, Image.Resampling.BICUBIC) for frame in frames]
    buffer = io.BytesIO()
    images[0].save(
        buffer,
        "webp",
        save_all=True,
        append_images=images[1:],
        duration=round(1000 / sample.point_map.fps),
        loop=0,
        quality=60,
    )
    return buffer.getvalue()


def _histograms(shards: Shards | None, rejected: list[dict[str, Any]], limits: dict[str, float | None]) -> str:
    good: dict[str, list[float]] = defaultdict(list)
    bad: dict[str, list[float]] = defaultdict(list)
    if shards is not None:
        for entry in _some(shards.entries):
            offset, size = entry.members["json"]
            with (shards.folder / entry.shard).open("rb") as file:
                file.seek(offset)
                facts = json.loads(file.read(size))
            for name, value in facts["provenance"].get("quality", {}).items():
                good[name].append(value)
    for line in _some(rejected):
        for name, value in line["figures"].items():
            bad[name].append(value)
    drawn = [_histogram(gate.figure, limits[gate.setting], good[gate.figure], bad[gate.figure]) for gate in GATES]
    return '<div class="grid">' + "".join(drawn) + "</div>"


def _histogram(name: str, limit: float | None, good: list[float], bad: list[float]) -> str:
    values = sorted(good + bad)
    if not values:
        return ""
    # The largest hundredth does not squeeze the rest, and the limit is always in the picture.
    low, high = values[0], values[min(len(values) - 1, int(len(values) * 0.99))]
    if limit is not None:
        low, high = min(low, limit), max(high, limit)
    span = (high - low) or 1.0

    def counts(of: Iterable[float]) -> list[int]:
        bins = [0] * _BINS
        for value in of:
            bins[max(0, min(int((value - low) / span * _BINS), _BINS - 1))] += 1
        return bins

    blue, red = counts(good), counts(bad)
    most = max(a + b for a, b in zip(blue, red)) or 1
    bars = ""
    for i, (a, b) in enumerate(zip(blue, red)):
        ha, hb, x = 60 * a / most, 60 * b / most, i * 300 / _BINS
        bars += f'<rect x="{x:.1f}" y="{64 - ha:.1f}" width="11" height="{ha:.1f}" fill="#4a7fb5"/>'
        bars += f'<rect x="{x:.1f}" y="{64 - ha - hb:.1f}" width="11" height="{hb:.1f}" fill="#c8553d"/>'
    if limit is not None:
        x = (limit - low) / span * 300
        bars += f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="64" stroke="#1d2026"/>'
    return (
        f'<svg viewBox="0 0 300 80" role="img"><title>{html.escape(name)}</title>{bars}'
        f'<text x="0" y="76">{low:.3g}</text><text x="150" y="76" text-anchor="middle">{html.escape(name)}</text>'
        f'<text x="300" y="76" text-anchor="end">{high:.3g}</text></svg>'
    )


def _examples(rejected: list[dict[str, Any]]) -> str:
    shown: dict[str, int] = defaultdict(int)
    rows = ""
    for line in rejected:
        for reason in line["reasons"]:
            shown[reason["gate"]] += 1
            if shown[reason["gate"]] <= _EXAMPLES:
                name = line["source"].get("name") or line["key"]
                cells = (reason["gate"], name, reason["message"])
                rows += "<tr>" + "".join(f"<td>{html.escape(str(cell))}" for cell in cells)
    return f"<table>{rows}</table><p class=dim>All of them: rejected.jsonl</p>" if rows else "<p>There is none.</p>"


def _some(items: list[Any]) -> list[Any]:
    """At most `_READ`, evenly spread."""
    return items[:: max(1, -(-len(items) // _READ))]
