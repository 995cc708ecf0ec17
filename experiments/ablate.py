"""`python -m experiments.ablate CONFIG.yaml [key=value ...]`: the paper's ablation, and ours.

Trains every variant of ablation/variants.py from several seeds for the same number of steps, measures what each makes
of held-out clips, and writes out/report.html and report.json with paired 95% intervals. Run again after a kill, it goes
on. The small model and its data are those of docs/training.md.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from typing import Any

from pointvid.ending import add_debug, one_line
from pointvid.files.atomic import atomic_path
from training.config import load_config

from .ablation.config import Ablation
from .ablation.jobs import JobsOutcome, run_jobs
from .ablation.plan import AblationPlan, make_jobs, prepare
from .ablation.report import read_results, write_ablation_report


def ablate(plan: AblationPlan, jobs: int, deadline: float | None = None, end: float | None = None) -> JobsOutcome:
    """Run what is missing, then write the report of what there is.

    Raises:
        PointVidError: the inputs do not fit, or nothing could be measured.
    """
    prepare(plan)
    outcome = run_jobs(make_jobs(plan), jobs, deadline, end, lambda line: print(line, flush=True))
    _keep(plan, outcome)
    write_ablation_report(read_results(plan.out), plan.out)
    return outcome


def _keep(plan: AblationPlan, outcome: JobsOutcome) -> None:
    """What the report says of the runs, beside the results, so that it can be written again without them."""
    path = plan.out / "runs.json"
    runs: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"seconds": {}}
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
    parser.add_argument("config", help="YAML file, see experiments/configs/ablation_cpu/ablate.yaml")
    parser.add_argument("override", nargs="*", help="key=value, as in steps1=200 seeds=[0,1] first.joint=FILE")
    parser.add_argument("--report-only", action="store_true", help="write the report again from the results, and stop")
    add_debug(parser)
    args = parser.parse_intermixed_args()
    # ended from outside, it takes the processes that it started with it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with one_line(debug=args.debug):
        config: Ablation = load_config(Ablation, args.config, args.override)
        if args.report_only:
            write_ablation_report(read_results(config.out), config.out)
        else:
            outcome = ablate(config.plan(), config.jobs, config.deadline, config.end)
            for name, log in outcome.failed.items():
                print(f"failed: {name}, see {log}")
            if outcome.missing:
                print(f"missing: {', '.join(outcome.missing)}; run the same command again to go on")
    print(f"wrote {config.out / 'report.html'} and report.json")


if __name__ == "__main__":
    main()
