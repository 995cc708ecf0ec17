"""`python -m training.build_dataset INPUT... --out SHARDS`: any videos with captions as training shards.

Inputs are folders of videos, CSV or JSON lines (Panda-70M's too) and WebDataset tars; docs/dataset.md says how they
may look. Run it again after a kill, or with more inputs: what is done is kept.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pointvid.ending import add_debug, one_line
from pointvid.files.atomic import atomic_path, writing
from pointvid.files.pictures import printable

from .builder.config import BuildDataset
from .builder.inputs import Job, list_jobs
from .builder.lock import lock_folder
from .builder.models import described, hashes, resolve_device
from .builder.on_ray import run_ray
from .builder.overlap import run_here, run_one_after_another
from .builder.report import write_build_report
from .builder.stages import Outcome, Stages
from .builder.store import Store
from .builder.workers import run_workers
from .config import load_config, save_config

REPORT, UNUSED = "report.html", "unused.jsonl"
log = logging.getLogger(__name__)


def build(inputs: list[Path], out: Path, config: BuildDataset, ray: str | None = None, show: bool = False) -> Store:
    """Make samples of every clip of the inputs.

    Args:
        ray: None works on this machine; else a Ray cluster's address, "" for one that is started here.
        show: a progress bar.
    Raises:
        PointVidError: inputs that cannot be listed, models that cannot be loaded, or an `out` that cannot be written
            or holds something else. What is wrong with a clip is never an error here.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    with lock_folder(out):
        return _build(inputs, out, config, ray, show)


def _build(inputs: list[Path], out: Path, config: BuildDataset, ray: str | None, show: bool) -> Store:
    models = {**described(config), "hashes": hashes(config)}
    settings = {"made_by": "training.build_dataset", **config.decisive(), **models}
    unused: list[dict[str, str]] = []
    jobs = list_jobs(
        inputs, config.videos, config.min_score, lambda name, why: unused.append({"name": printable(name), "why": why})
    )
    store = Store(out, settings, jobs, config.clips_in_shard)
    with atomic_path(out / UNUSED) as temporary:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in unused)
        temporary.write_text(text, encoding="utf-8", newline="\n")
    if unused:
        log.warning("%d things in the inputs are not used; %s says which, and why", len(unused), out / UNUSED)
    save_config(config.without_secrets(), out / "config.yaml")
    waiting = store.waiting()
    with tqdm(total=store.total, initial=store.done, unit="clip", disable=not show) as bar:
        store.close_blocks()
        for outcome in _run(waiting, config, ray):
            store.put(outcome)
            store.close_blocks()
            bar.update()
    if waiting or not (out / REPORT).is_file():
        write_build_report(store, out / REPORT, config.report_samples)
    return store


def _run(jobs: list[Job], config: BuildDataset, ray: str | None) -> Iterator[Outcome]:
    if not jobs:
        return iter(())
    speed = config.speed
    if ray is not None:
        return run_ray(jobs, config, ray)
    gpus = torch.cuda.device_count() if resolve_device(config) == "cuda" else 0
    workers = (gpus or os.cpu_count() or 1) if speed.workers is None else speed.workers
    if workers:
        return run_workers(jobs, config, min(workers, len(jobs)), gpus)
    steps = Stages(config).steps
    if not speed.overlap:
        return run_one_after_another(jobs, steps)
    return run_here(jobs, steps, (speed.readers, 1, speed.finishers), speed.ahead)


def read_build_config(path: Path | None, overrides: list[str]) -> BuildDataset:
    """The YAML at `path`, or every default where there is none."""
    default = Path(__file__).resolve().parent / "configs" / "build_dataset.yaml"
    return load_config(BuildDataset, path or default, overrides)


def summary(store: Store) -> str:
    """What came of it, for people."""
    found: dict[str, Any] = store.manifest["build"]
    lines = [
        f"{found['accepted']} samples in {len(store.manifest['shards'])} shards, {found['rejected']} clips rejected"
    ]
    lines += [f"  {count:6d}  {gate}" for gate, count in found["reasons"].items()]
    return "\n".join(lines)


def main() -> None:
    """Parse arguments, build."""
    parser = argparse.ArgumentParser(
        prog="python -m training.build_dataset",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="folder, .csv, .jsonl, .tar or a video")
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--config", type=Path, help="YAML file; default: training/configs/build_dataset.yaml")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="as in clip.frames=24 gates.min_tracks=100"
    )
    parser.add_argument(
        "--ray", nargs="?", const="", metavar="ADDRESS", help="on a Ray cluster; without ADDRESS one is started here"
    )
    add_debug(parser)
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with one_line(debug=args.debug, interrupted="stopped; run the same command again to go on"):
        config = read_build_config(args.config, args.set)
        store = build(args.inputs, args.out, config, args.ray, show=sys.stderr.isatty())
    print(summary(store))
    print(f"wrote {args.out / 'manifest.json'}, {REPORT} shows them")


if __name__ == "__main__":
    main()
