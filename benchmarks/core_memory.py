"""Long and large clips: memory the tracker adds, and how its time grows with frames and with tracks."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import torch
from torch import Tensor

from pointvid.trackers.lucas_kanade import LucasKanade
from pointvid.trackers.queries import grid_queries

from .figure import Figure


class PanningClip:
    """A clip made on the fly: a window that wanders over one smooth random picture, as uint8 [H, W, 3] frames."""

    def __init__(self, frames: int, height: int, width: int) -> None:
        self.shape = (frames, height, width, 3)
        self._speed = 3
        generator = torch.Generator().manual_seed(0)
        wide = width + self._speed * frames
        picture = torch.zeros(1, 3, height, wide)
        for cell in (6, 24, 96):
            noise = torch.randn(1, 3, height // cell + 2, wide // cell + 2, generator=generator)
            picture += torch.nn.functional.interpolate(noise, (height, wide), mode="bilinear", align_corners=True)
        self._picture = (picture[0] * 40 + 128).clamp(0, 255).to(torch.uint8).movedim(0, -1).contiguous()

    def __getitem__(self, t: int) -> Tensor:
        left = self._speed * t
        return self._picture[:, left : left + self.shape[2]].clone()


def figures() -> list[Figure]:
    """Peak memory in a process of its own, and ratios of time."""
    peak = _in_own_process(120, 1080, 1920, 80)
    small = _seconds(6, 40)
    return [
        Figure.at_most(
            "tracker.memory_added", peak, "MiB", 1024, "120 frames of 1920x1080, 6400 tracks, over the process at rest"
        ),
        Figure(
            "tracker.time_twice_the_frames", _seconds(11, 40) / small, "x", context="10 frames against 5; linear: 2"
        ),
        Figure(
            "tracker.time_twice_the_tracks", _seconds(6, 57) / small, "x", context="3249 tracks against 1600; linear: 2"
        ),
    ]


def _seconds(frames: int, grid: int) -> float:
    """CPU seconds for frames of 256x448; the least of three."""
    clip = PanningClip(frames, 256, 448)
    queries, tracker = grid_queries((256, 448), grid), LucasKanade()
    least = float("inf")
    for _ in range(3):
        began = time.process_time()
        tracker.track(clip, queries)
        least = min(least, time.process_time() - began)
    return least


def _in_own_process(*arguments: int) -> float:
    command = [sys.executable, "-m", "benchmarks.core_memory", *map(str, arguments)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["added_mib"]


def _resident() -> float:
    """MiB of this process in memory; Linux."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def main() -> None:
    """Track once and print the memory added at the peak, sampled every 10 ms."""
    frames, height, width, grid = map(int, sys.argv[1:])
    clip = PanningClip(frames, height, width)
    LucasKanade().track(PanningClip(2, 64, 64), grid_queries((64, 64), 4))  # libraries load what they need
    rest, peak, done = _resident(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            peak[0] = max(peak[0], _resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    LucasKanade().track(clip, grid_queries((height, width), grid))
    done.set()
    watcher.join()
    print(json.dumps({"added_mib": peak[0] - rest}))


if __name__ == "__main__":
    main()
