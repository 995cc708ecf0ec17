"""Worker processes, each with its own models. A worker that dies is replaced, and its clips are tried again.

Every worker has a pipe of its own: a process killed in the middle of a message leaves no lock behind that others wait
for. Workers write nothing, so nothing of theirs can be half-written.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from pointvid.errors import PointVidError

from .config import BuildDataset
from .inputs import Job
from .overlap import Overlap, run_one_after_another
from .stages import Outcome, Stages

_log = logging.getLogger(__name__)

_STRIKES = 3
"""How often a clip may be alone in a worker that dies."""

_FAILED_STARTS = 5
"""How often in a row workers may die before they are ready."""


def run_workers(jobs: Iterable[Job], config: BuildDataset, workers: int, gpus: int = 0) -> Iterator[Outcome]:
    """Outcomes of jobs as they come.

    Of the clips that a dying worker held nobody knows which one killed it. They are tried again one at a time; a clip
    that is alone in a dying worker three times is rejected.

    Args:
        workers: processes.
        gpus: they are shared among this many GPUs, worker n on GPU n modulo `gpus`; 0: none.
    Raises:
        PointVidError: the models cannot be loaded, or workers die before they are ready.
    """
    pool: dict[Connection, _Worker] = {}
    jobs, suspects, strikes, failed_starts = iter(jobs), deque(), Counter(), 0
    try:
        for number in range(workers):
            worker = _Worker(config, number, gpus)
            pool[worker.connection] = worker
        while True:
            for worker in pool.values():
                while worker.ready and (chosen := _next_job(worker, suspects, jobs)):
                    worker.send(*chosen)
            idle = any(worker.ready for worker in pool.values())  # it found no job, so there is none
            if idle and not suspects and not any(worker.jobs for worker in pool.values()):
                return
            for connection in wait(list(pool)):
                worker = pool[connection]
                try:
                    message = worker.receive()
                except (EOFError, OSError):
                    del pool[connection]
                    held, failed_starts = worker.bury(), failed_starts + (not worker.ready)
                    if failed_starts >= _FAILED_STARTS:
                        raise PointVidError(
                            f"{failed_starts} workers died before they were ready (exit code {worker.exit_code}); "
                            "expected enough memory for speed.workers of them, use fewer"
                        ) from None
                    for job in held:
                        strikes[job.key] += len(held) == 1
                        if strikes[job.key] >= _STRIKES:
                            why = f"its worker died {_STRIKES} times over it alone (exit code {worker.exit_code})"
                            yield Outcome.rejected(job.key, "crash", f"{why}; out of memory, or a decoder's fault")
                        else:
                            suspects.append(job)
                    _log.warning("worker %d died (exit code %s), starting another", worker.number, worker.exit_code)
                    replacement = _Worker(config, worker.number, gpus)
                    pool[replacement.connection] = replacement
                    continue
                if isinstance(message, Exception):
                    raise message
                if isinstance(message, Outcome):
                    yield message
                else:
                    failed_starts = 0
    finally:
        for worker in pool.values():
            worker.stop()


def _next_job(worker: _Worker, suspects: deque[Job], jobs: Iterator[Job]) -> tuple[Job, bool] | None:
    """A job for the worker and whether it must be alone there; None where the worker has enough."""
    if suspects:
        return None if worker.jobs else (suspects.popleft(), True)
    if worker.alone or len(worker.jobs) >= worker.ahead:
        return None
    job = next(jobs, None)
    return None if job is None else (job, False)


class _Worker:
    """The parent's end of one process."""

    def __init__(self, config: BuildDataset, number: int, gpus: int):
        context = multiprocessing.get_context("spawn")  # CUDA and threads do not survive a fork
        self.connection, theirs = context.Pipe()
        self.number, self.ahead = number, config.speed.ahead
        self.jobs: dict[str, Job] = {}
        self.alone = self.ready = False
        self.exit_code: int | None = None
        self._process = context.Process(
            target=_work,
            args=(theirs, config.model_dump_json(), number % gpus if gpus else None),
            name=f"worker{number}",
            daemon=True,
        )
        self._process.start()
        theirs.close()

    def send(self, job: Job, alone: bool) -> None:
        """Give it a job."""
        self.jobs[job.key], self.alone = job, alone
        with suppress(OSError):  # a dead worker shows in `receive`, and the job is in `jobs`
            self.connection.send(job)

    def receive(self) -> Any:
        """Its next message: True when ready, an outcome, or the error that keeps it from working."""
        message = self.connection.recv()
        if message is True:
            self.ready = True
        elif isinstance(message, Outcome):
            del self.jobs[message.key]
            self.alone = self.alone and bool(self.jobs)
        return message

    def bury(self) -> list[Job]:
        """After its death: the jobs that it held."""
        self.connection.close()
        self._process.join()
        self.exit_code = self._process.exitcode
        return list(self.jobs.values())

    def stop(self) -> None:
        """End it. It holds nothing that would have to be saved."""
        self._process.kill()
        self.bury()


def _work(connection: Connection, settings: str, gpu: int | None) -> None:
    """A worker's whole life: load, say so, work until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu)  # before CUDA is first asked for anything
    lock = threading.Lock()

    def send(message: Any) -> None:
        try:
            with lock:
                connection.send(message)
        except OSError:
            os._exit(0)  # nobody is listening any more

    try:
        config = BuildDataset.model_validate_json(settings)
        stages = Stages(config)
    except Exception as error:
        send(error if isinstance(error, PointVidError) else PointVidError(f"models: {type(error).__name__}: {error}"))
        return
    send(True)
    overlap = Overlap(stages.steps, (config.speed.readers, 1, config.speed.finishers), send)
    while True:
        try:
            job = connection.recv()
        except (EOFError, OSError):
            os._exit(0)
        if config.speed.overlap:
            overlap.submit(job)
        else:
            send(next(run_one_after_another([job], stages.steps)))
