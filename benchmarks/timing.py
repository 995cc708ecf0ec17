"""How long things take, compared fairly."""

from __future__ import annotations

import time
from collections.abc import Callable


def best_ms(*actions: Callable[[], object], repeats: int = 7) -> list[float]:
    """Milliseconds of each action: the best of `repeats` rounds. Actions take turns, so that all meet the same load."""
    best = [float("inf")] * len(actions)
    for _ in range(repeats):
        for n, action in enumerate(actions):
            started = time.perf_counter()
            action()
            best[n] = min(best[n], (time.perf_counter() - started) * 1e3)
    return best


def gpu_seconds(action: Callable[[], object]) -> float:
    """Seconds of one action, until the GPU has finished it."""
    import torch

    torch.cuda.synchronize()
    started = time.perf_counter()
    action()
    torch.cuda.synchronize()
    return time.perf_counter() - started
