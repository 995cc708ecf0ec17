"""How fast videos become samples: steps of different clips at once against one clip and one step after another."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import torch

from pointvid.depth import Depth
from pointvid.files.video import write_video
from tests.moving_clips import box_clip
from training.builder.config import BuildDataset
from training.builder.inputs import Job, list_jobs
from training.builder.overlap import run_here, run_one_after_another
from training.builder.stages import Outcome, Stages
from training.builder.workers import run_workers

from .figure import Figure

CLIPS, ROUNDS = 16, 3
SIZE, FRAMES = (256, 448), 16
CONTEXT = f"{CLIPS} clips of {FRAMES}x{SIZE[0]}x{SIZE[1]} from 384x672, stub depth model, 1 thread an operation"


class StubDepth:
    """As much work as a small network: convolutions at the clip's size, and a depth that is 1 whatever they say."""

    unit = "relative"

    def __init__(self, layers: int = 2):
        torch.manual_seed(0)
        self.net = torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 3, stride=2, padding=1),
            *(torch.nn.Conv2d(16, 16, 3, padding=1) for _ in range(layers)),
        )

    def estimate(self, video, progress=None, camera=None) -> Depth:
        """Run the network; see `DepthModel.estimate`."""
        frames, height, width, _ = video.shape
        for t in range(frames):
            self.net(video[t].permute(2, 0, 1)[None].float() / 255)
        return Depth(torch.ones(frames, height, width), self.unit)


class WaitingDepth(StubDepth):
    """A model on a device of its own: it takes time, and no CPU."""

    def __init__(self, seconds: float = 0.4):
        self.seconds = seconds
        self.net = torch.nn.Identity()

    def estimate(self, video, progress=None, camera=None) -> Depth:
        """Wait."""
        time.sleep(self.seconds)
        return super().estimate(video)


def figures() -> list[Figure]:
    """Clips a second, and how many times that is of one after another; the median of the rounds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n in range(CLIPS):
            frames = box_clip(n, frames=FRAMES, size=(384, 672))
            write_video(folder / f"{n}.mp4", frames, 8, crf=20)
            (folder / f"{n}.txt").write_text("a box moves to the right", encoding="utf-8")
        jobs = list_jobs([folder])
        cpu, gpu = _config("StubDepth"), _config("WaitingDepth")
        rates = {
            "one": _rates(jobs, cpu, lambda steps: run_one_after_another(jobs, steps)),
            "threads": _rates(jobs, cpu, lambda steps: run_here(jobs, steps, (2, 1, 2), 6)),
            "waiting_one": _rates(jobs, gpu, lambda steps: run_one_after_another(jobs, steps)),
            "waiting_threads": _rates(jobs, gpu, lambda steps: run_here(jobs, steps, (2, 1, 2), 6)),
            "workers": [_rate(run_workers(jobs, cpu, 2), skip=2) for _ in range(ROUNDS)],
        }
    rate = {name: sorted(values)[len(values) // 2] for name, values in rates.items()}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    context = f"{CONTEXT}, {cores} cores, median of {ROUNDS}"
    waiting = "a device that takes 0.4 s a clip and no CPU"
    return [
        Figure("build.one_after_another", rate["one"], "clips/s", context=context),
        Figure("build.overlapped", rate["threads"], "clips/s", context="threads of one process"),
        Figure.at_least("build.overlap", rate["threads"] / rate["one"], "x", 1.5, "the two above"),
        Figure("build.two_workers", rate["workers"] / rate["one"], "x", context="after start; two processes"),
        Figure("build.device_busy", 0.4 * rate["waiting_threads"], "share", context=f"{waiting}, overlapped"),
        Figure.at_least(
            "build.overlap_device", rate["waiting_threads"] / rate["waiting_one"], "x", 1.5, f"{waiting}; same question"
        ),
    ]


def _config(depth: str) -> BuildDataset:
    return BuildDataset(
        clip={"size": SIZE, "frames": FRAMES},
        depth={"name": f"benchmarks.perception_build:{depth}"},
        tracker={"name": "tests.moving_clips:Oracle"},
        gates={"min_foreground": None},
        device="cpu",
    )


def _rates(jobs: list[Job], config: BuildDataset, run) -> list[float]:
    stages = Stages(config)
    return [_rate(run(stages.steps)) for _ in range(ROUNDS)]


def _rate(outcomes: Iterable[Outcome], skip: int = 0) -> float:
    """Outcomes a second, from the start or from outcome `skip` on."""
    began, count = time.perf_counter(), 0
    for number, outcome in enumerate(outcomes, 1):
        if outcome.members is None:
            raise RuntimeError(f"{outcome.key} was rejected: {outcome.reasons}")
        if number == skip:
            began = time.perf_counter()
        count += number > skip
    return count / (time.perf_counter() - began)
