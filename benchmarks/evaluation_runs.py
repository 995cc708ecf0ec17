"""Runs: what the ablation's committed report says, and whether a killed evaluation goes on without redoing clips."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .figure import Figure

ROOT = Path(__file__).parent.parent
REPORT = ROOT / "docs" / "ablation" / "report.json"
CLIPS = 6

_SLOW = """
import sys, time
from pathlib import Path
import torch
from experiments.evaluation.clips import MadeClip, generate_clips
from experiments.evaluation.inputs import Item

class Slow:
    settings = {"kind": "benchmark"}
    def generate(self, item, seed):
        time.sleep(float(sys.argv[2]))
        return MadeClip(torch.full((8, 64, 64, 3), seed, dtype=torch.uint8), 8.0)

items = [Item(f"clip{i}", "a clip", Path("none")) for i in range(int(sys.argv[3]))]
generate_clips(Slow(), items, Path(sys.argv[1]), 0)
"""


def figures() -> list[Figure]:
    """Ablation, then resuming."""
    return [*_ablation(), *_resumed()]


def _ablation() -> list[Figure]:
    """Effects of the paper's variants against the full pipeline, from the report that the documentation holds."""
    if not REPORT.is_file():
        where = REPORT.relative_to(ROOT)
        return [Figure("ablation.report", math.nan, "", context=f"no {where}: run python -m experiments.ablate")]
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    settings, rows = report["settings"], []
    runs = (
        f"{settings['steps1']} + {settings['steps2']} steps, seeds {report['seeds']}, {len(report['captions'])} clips"
    )
    for variant in report["variants"]:
        found = report["differences"].get(variant["name"], {})
        if variant["group"] != "paper":
            continue
        for name in ("rigidity", "shape_change", "motion_share"):
            if name not in found:
                continue
            change = found[name]
            low, high = change["seeds"]["low"], change["seeds"]["high"]
            bounds = "one seed" if low is None else f"95% over seeds {low:.3g} to {high:.3g}"
            effect = "" if change["effect"] is None else f", d {change['effect']:.2f}"
            context = f"{variant['title']} minus full; {bounds}{effect}; {runs}"
            rows.append(_difference(f"ablation.{variant['name']}.{name}", change, name, context))
    return rows


def _difference(name: str, change: dict, figure: str, context: str) -> Figure:
    """The full pipeline should have the smaller error, clearly; motion has no goal but to be seen."""
    value = change["seeds"]["mean"]
    if figure == "motion_share":
        return Figure(name, value, "of the true motion", context=context)
    return Figure(name, value, "", "> 0, clear", bool(value > 0 and change["clear"]), context)


def _resumed() -> list[Figure]:
    """SIGKILL after two finished clips, then the same again: how many finished clips were written twice."""
    with tempfile.TemporaryDirectory() as folder:
        clips = Path(folder) / "clips"

        def command(seconds: float) -> list[str]:
            return [sys.executable, "-c", _SLOW, str(clips), str(seconds), str(CLIPS)]

        process = subprocess.Popen(command(0.5), cwd=ROOT)
        until = time.monotonic() + 120
        while len(list(clips.glob("clip*.mp4"))) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        process.kill()
        process.wait()
        before = {path: path.stat().st_mtime_ns for path in clips.glob("clip*.mp4")}
        subprocess.run(command(0), cwd=ROOT, check=True)
        redone = sum(path.stat().st_mtime_ns != when for path, when in before.items())
        whole = len(list(clips.glob("clip*.mp4")))
    context = f"killed after {len(before)} of {CLIPS} clips, then run again to {whole}"
    return [Figure.at_most("evaluation.clips_redone_after_sigkill", redone, "clips", 0, context)]
