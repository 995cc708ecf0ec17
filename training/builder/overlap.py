"""Steps of many clips at once: while one clip is with the models, others are decoded and encoded."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .stages import Outcome


class Overlap:
    """Each step has its own threads; a clip goes from one to the next.

    Args:
        steps: value -> value, or an `Outcome`, which skips the rest.
        threads: how many run each step. The models' step wants one: models are not made for several.
        done: called with each outcome, from any thread.
    """

    def __init__(self, steps: Iterable[Callable[[Any], Any]], threads: Iterable[int], done: Callable[[Outcome], None]):
        self._steps, self._done = tuple(steps), done
        self._pools = [ThreadPoolExecutor(count, f"step{n}") for n, count in enumerate(threads)]

    def submit(self, value: Any, step: int = 0) -> None:
        """Start a value on its way; returns at once. The caller bounds how many are under way."""
        self._pools[step].submit(self._run, value, step)

    def close(self) -> None:
        """Wait for the threads; call it when every outcome is there."""
        for pool in self._pools:
            pool.shutdown(cancel_futures=True)

    def _run(self, value: Any, step: int) -> None:
        try:
            value = self._steps[step](value)
        except BaseException as error:
            value = error
        if isinstance(value, Outcome | BaseException) or step + 1 == len(self._steps):
            self._done(value)
        else:
            self.submit(value, step + 1)


def run_here(
    jobs: Iterable[Any], steps: Iterable[Callable[[Any], Any]], threads: Iterable[int], ahead: int
) -> Iterator[Outcome]:
    """Outcomes of jobs as they come, with at most `ahead` under way, in threads of this process."""
    finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
    overlap, under_way = Overlap(steps, threads, finished.put), 0
    try:
        jobs = iter(jobs)
        while True:
            while under_way < ahead and (job := next(jobs, None)) is not None:
                overlap.submit(job)
                under_way += 1
            if not under_way:
                return
            outcome = finished.get()
            under_way -= 1
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome
    finally:
        overlap.close()


def run_one_after_another(jobs: Iterable[Any], steps: Iterable[Callable[[Any], Any]]) -> Iterator[Outcome]:
    """The same without threads."""
    steps = tuple(steps)
    for value in jobs:
        for step in steps:
            value = step(value)
            if isinstance(value, Outcome):
                break
        yield value
