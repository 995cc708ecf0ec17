"""`python -m experiments.ablate --shards TRAIN --val-shards TEST --vae VAE --out OUT`: the paper's ablation, and ours.

Trains every variant of ablation/variants.py from several seeds for the same number of steps, measures what each makes
of held-out clips, and writes OUT/report.html and report.json with paired 95% intervals. Run again after a kill, it goes
on. The small model and its data are those of docs/training.md.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from pointvid.ending import add_debug, one_line
from pointvid.errors import PointVidError
from pointvid.files.atomic import atomic_path
from pointvid.files.manifest import read_manifest
from training.config import Augment, Regularize, load_config

from .ablation.jobs import Outcome, run_jobs
from .ablation.plan import Plan, make_jobs, prepare
from .ablation.report import read_results, write_report
from .ablation.variants import FIRST, REFERENCE, VARIANTS, Variant

CONFIGS = Path(__file__).resolve().parents[1] / "training" / "configs"


def ablate(plan: Plan, jobs: int, deadline: float | None = None, end: float | None = None) -> Outcome:
    """Run what is missing, then write the report of what there is.

    Raises:
        PointVidError: the inputs do not fit, or nothing could be measured.
    """
    prepare(plan)
    outcome = run_jobs(make_jobs(plan), jobs, deadline, end, lambda line: print(line, flush=True))
    _keep(plan, outcome)
    write_report(read_results(plan.out), plan.out)
    return outcome


def _keep(plan: Plan, outcome: Outcome) -> None:
    """What the report says of the runs, beside the results, so that it can be written again without them."""
    path = plan.out / "runs.json"
    runs = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"seconds": {}}
    runs["seconds"] |= {name: round(seconds, 1) for name, seconds in outcome.done.items() if seconds}
    runs["failed"] = sorted(outcome.failed)
    runs["missing"] = outcome.missing
    runs["variants"] = [variant.name for variant in plan.variants]
    runs["seeds"] = list(plan.seeds)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(runs, indent=1), encoding="utf-8")


def main() -> None:
    """Parse arguments, run, say where the report is."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.ablate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder of results, videos and the report; some MB")
    add("--report-only", action="store_true", help="write the report again from the results in --out, and stop")
    add("--shards", type=Path, help="training clips (training.synthesize)")
    add("--val-shards", type=Path, help="held-out clips, of the split val or test")
    add("--vae", type=Path, help="diffusers folder of train_vae, or an all-in-one checkpoint; not with --base")
    add(
        "--base",
        type=Path,
        help="checkpoint of `training.augment mode=rgb_only` that all first runs start from; default: from scratch",
    )
    add("--model", type=Path, default=CONFIGS / "tiny_model.yaml", help="YAML of the small model; not with --base")
    add("--stage1", type=Path, default=CONFIGS / "tiny_stage1.yaml", help="config of the first run")
    add("--stage2", type=Path, default=CONFIGS / "tiny_stage2.yaml", help="config of the second run")
    add("--work", type=Path, help="folder of configs, logs, checkpoints; default OUT/work; hundreds of MB")
    add("--cache", type=Path, help="folder of latents, shared by all runs; default WORK/latents")
    add("--variants", nargs="+", choices=[v.name for v in VARIANTS], help="default: all")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of training; three or more give intervals")
    add("--steps1", type=int, help="first run; default as the config has it")
    add("--steps2", type=int, help="stage 2, or as many more of stage 1; default as the config has it")
    add("--batch", type=int, help="clips a step; default as each config has it")
    add("--clips", type=int, default=32, help="held-out clips to generate")
    add("--sample-steps", type=int, default=20)
    add("--guidance", type=float, default=3.0)
    add("--spacing", type=int, default=4, help="pixels between the tracks of the sparse variants")
    add(
        "--first",
        nargs="*",
        default=[],
        metavar="NAME=CHECKPOINT",
        help=f"use this stage-1 checkpoint for all seeds instead of a first run; names: {', '.join(FIRST)}",
    )
    add(
        "--share-first",
        type=int,
        nargs="?",
        const=0,
        metavar="SEED",
        help="train each first run once, with this seed (0); --seeds are then of the second run alone",
    )
    add("--set1", nargs="*", default=[], metavar="KEY=VALUE", help="further settings of the first runs")
    add("--set2", nargs="*", default=[], metavar="KEY=VALUE", help="further settings of the second runs")
    add("--jobs", type=int, default=1, help="processes side by side, of one thread each; they share the device")
    add("--deadline", type=float, metavar="SECONDS", help="start no training later; what is trained is still measured")
    add("--end", type=float, metavar="SECONDS", help="stop trainings that still run then; they can be gone on with")
    add_debug(parser)
    options = parser.parse_args()
    # ended from outside, it takes the processes that it started with it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with one_line(debug=options.debug):
        if options.report_only:
            write_report(read_results(options.out), options.out)
        else:
            for name in ("shards", "val_shards"):
                if getattr(options, name) is None:
                    parser.error(f"--{name.replace('_', '-')} is missing")
            if (options.vae is None) == (options.base is None):
                parser.error("give either --vae (first runs from scratch) or --base (from a trained model)")
            outcome = ablate(_plan(options), options.jobs, options.deadline, options.end)
            for name, log in outcome.failed.items():
                print(f"failed: {name}, see {log}")
            if outcome.missing:
                print(f"missing: {', '.join(outcome.missing)}; run the same command again to go on")
    print(f"wrote {options.out / 'report.html'} and report.json")


def _plan(options: argparse.Namespace) -> Plan:
    chosen = set(options.variants or [variant.name for variant in VARIANTS]) | {REFERENCE}
    variants: tuple[Variant, ...] = tuple(variant for variant in VARIANTS if variant.name in chosen)
    work = options.work or options.out / "work"
    same = ("shards", "val_shards", "vae", "base", "stage1", "stage2", "out")
    numbers = ("clips", "sample_steps", "guidance", "spacing")
    stage1, stage2 = load_config(Augment, options.stage1), load_config(Regularize, options.stage2)
    return Plan(
        work=work,
        model=None if options.base else options.model,
        cache=options.cache or work / "latents",
        variants=variants,
        seeds=tuple(options.seeds),
        steps1=options.steps1 or stage1.steps,
        steps2=options.steps2 or stage2.steps,
        batch1=options.batch or stage1.batch_size,
        batch2=options.batch or stage2.batch_size,
        set1=tuple(options.set1),
        set2=tuple(options.set2),
        given=_given(options.first),
        share_first=options.share_first,
        encode_jobs=max(1, min(options.jobs, len(read_manifest(options.shards)["shards"]))),
        **{name: getattr(options, name) for name in (*same, *numbers)},
    )


def _given(pairs: list[str]) -> dict[str, Path]:
    given = {}
    for pair in pairs:
        name, _, path = pair.partition("=")
        if name not in FIRST or not Path(path).is_file():
            raise PointVidError(f"--first {pair}: expected NAME=CHECKPOINT, a file and one of {', '.join(FIRST)}")
        given[name] = Path(path)
    return given


if __name__ == "__main__":
    main()
