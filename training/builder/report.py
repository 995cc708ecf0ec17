"""report.html: what a build made and left out, in one page that needs nothing else."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from PIL import Image

from pointvid.files.sample import Sample
from pointvid.preprocess.gates import GATES
from pointvid.render.overlay import draw_tracks
from pointvid.report.chart import Histogram
from pointvid.report.page import data_url, write_page

from ..data.shards import Shards
from .store import Store

_WIDTH = 320  # of the moving pictures, pixels
_TRACKS = 300  # drawn on each
_READ = 1000  # samples and rejections at most whose figures are counted
_EXAMPLES = 3  # rejected clips named for each reason


def write_build_report(store: Store, path: Path, samples: int = 12) -> None:
    """Write the page, atomically.

    Args:
        samples: how many are shown, spread over the shards.
    """
    build, files = store.manifest["build"], store.manifest["shards"]
    shards = Shards(store.out) if build["accepted"] else None
    rejected = list(store.rejections())
    write_page(
        path,
        Path(__file__).with_name("report.html"),
        name=store.out.resolve().name,
        build=build,
        shards=len(files),
        size=sum(record["bytes"] for record in files.values()),
        gallery=_gallery(shards, samples) if shards else [],
        charts=_histograms(shards, rejected, store.manifest["settings"]["gates"]),
        examples=_examples(rejected),
        settings=json.dumps(store.manifest["settings"], indent=1, ensure_ascii=False),
        versions=json.dumps(store.manifest["versions"], indent=1),
    )


def _gallery(shards: Shards, samples: int) -> list[dict[str, Any]]:
    count = min(samples, len(shards))
    return [_entry(shards, i * len(shards) // count) for i in range(count)]


def _entry(shards: Shards, index: int) -> dict[str, Any]:
    sample = shards[index]
    quality = sample.provenance.get("quality", {})
    return {
        "url": data_url(animation(sample), "image/webp"),
        "caption": sample.caption,
        "labels": sample.labels,
        "key": shards.entries[index].key,
        "figures": [(name, quality[name]) for name in ("tracks", "survival", "motion") if name in quality],
    }


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


def _histograms(
    shards: Shards | None, rejected: list[dict[str, Any]], limits: dict[str, float | None]
) -> list[Histogram]:
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
    return [
        Histogram(gate.figure, (tuple(good[gate.figure]), tuple(bad[gate.figure])), limits[gate.setting], ("s0", "bad"))
        for gate in GATES
        if good[gate.figure] or bad[gate.figure]
    ]


def _examples(rejected: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """The first clips of each reason: reason, clip, message."""
    shown: dict[str, int] = defaultdict(int)
    rows = []
    for line in rejected:
        for reason in line["reasons"]:
            shown[reason["gate"]] += 1
            if shown[reason["gate"]] <= _EXAMPLES:
                rows.append((reason["gate"], line["source"].get("name") or line["key"], reason["message"]))
    return rows


def _some(items: list[Any]) -> list[Any]:
    """At most `_READ`, evenly spread."""
    return items[:: max(1, -(-len(items) // _READ))]
