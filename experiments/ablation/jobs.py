"""Commands that need each other, run side by side; what is done stays done.

A job is done when its mark exists. Jobs start in the order given, as soon as what they need is done, so put the
important ones first. After a kill the same call goes on with what is not done.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# Many processes share the cores: one thread each, and none that waits by spinning.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}
_TICK = 0.2


@dataclass(frozen=True)
class AblationJob:
    """One command.

    Attributes:
        name: unique.
        command: arguments of this Python, as `["-m", "training.augment", ...]`.
        mark: the file that exists once the job is done; the command writes it itself, atomically.
        log: where its output goes.
        needs: names of jobs that come first.
        late: may start after the deadline.
        finish: called once, right after the job is done, e.g. to remove what is no longer needed.
    """

    name: str
    command: Sequence[str]
    mark: Path
    log: Path
    needs: tuple[str, ...] = ()
    late: bool = False
    finish: Callable[[], None] = lambda: None


@dataclass
class JobsOutcome:
    """What became of the jobs: done (name -> seconds, 0 where done before), failed (name -> log), missing (names)."""

    done: dict[str, float] = field(default_factory=dict)
    failed: dict[str, Path] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def run_jobs(
    jobs: Sequence[AblationJob],
    parallel: int,
    deadline: float | None = None,
    end: float | None = None,
    report: Callable[[str], None] = print,
    clock: Callable[[], float] = time.monotonic,
) -> JobsOutcome:
    """Run what is not done, at most `parallel` at a time.

    Args:
        deadline: seconds from now after which no job starts but `late` ones; those that run go on to their end.
        end: seconds from now at which running jobs but `late` ones are stopped; they count as missing.
        report: called with one line for everything that starts, ends or fails.
    Returns:
        what was done; a failed job's dependants are missing.
    """
    started, outcome = clock(), JobsOutcome()
    outcome.done = {job.name: 0.0 for job in jobs if job.mark.exists()}
    waiting = [job for job in jobs if job.name not in outcome.done]
    running: dict[subprocess.Popen, tuple[AblationJob, float]] = {}
    stopped: set[str] = set()
    try:
        while waiting or running:
            elapsed = clock() - started
            for process, (job, _) in running.items():
                if end is not None and elapsed > end and not job.late and process.poll() is None:
                    process.terminate()
                    process.wait()
                    stopped.add(job.name)
            for process in [process for process in running if process.poll() is not None]:
                job, since = running.pop(process)
                if job.name in stopped:
                    waiting.append(job)
                    report(f"stopped {job.name}")
                    continue
                seconds = clock() - since
                if process.returncode == 0 and job.mark.exists():
                    outcome.done[job.name] = seconds
                    job.finish()
                    report(f"done {job.name} ({seconds:.0f} s)")
                else:
                    outcome.failed[job.name] = job.log
                    report(f"FAILED {job.name}: {last_line(job.log)}")
            over = any(limit is not None and elapsed > limit for limit in (deadline, end))
            for job in [job for job in waiting if set(job.needs) <= outcome.done.keys()]:
                if len(running) < parallel and (job.late or not over):
                    waiting.remove(job)
                    running[_start(job)] = (job, clock())
                    report(f"start {job.name}")
            if not running:
                break  # nothing can start any more
            time.sleep(_TICK)
    finally:
        for process in running:  # an exception, or Ctrl-C: leave none behind
            process.terminate()
        for process in running:
            process.wait()
    outcome.missing = [job.name for job in waiting]
    return outcome


def last_line(log: Path) -> str:
    """What a command said last, which is its error message."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "no output")[-300:]


def _start(job: AblationJob) -> subprocess.Popen:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, *job.command], stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **_ENVIRONMENT}
        )
