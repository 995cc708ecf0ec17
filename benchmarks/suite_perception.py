"""Trackers with weights against the authors' implementations, run side by side where a checkout is named."""

from __future__ import annotations

import os

import torch

from pointvid.trackers.alltracker.model import AllTrackerConfig, AllTrackerNet
from tests import alltracker_reference as reference

from .figure import Figure
from .timing import best_ms

FRAMES, HEIGHT, WIDTH = 16, 256, 448


def run() -> list[Figure]:
    """Every figure of the suite."""
    checkout = os.environ.get("ALLTRACKER_REFERENCE")
    if not checkout:
        print("alltracker.*: not measured, ALLTRACKER_REFERENCE names no checkout of aharley/alltracker")
        return []
    return [*_alltracker(checkout, False), *_alltracker(checkout, True)]


def _alltracker(checkout: str, small: bool) -> list[Figure]:
    theirs = reference.reference_net(checkout, small, tiny=False)
    state = reference.seeded_state(theirs)
    theirs.load_state_dict(state)
    ours = AllTrackerNet(AllTrackerConfig(small=small))
    ours.load_state_dict(state)
    clip = reference.seeded_clip(FRAMES, HEIGHT, WIDTH)
    found: dict[str, torch.Tensor] = {}

    def run_theirs() -> None:
        found["theirs"] = torch.cat(reference.reference_tracks(theirs, clip), 1)

    def run_ours() -> None:
        found["ours"] = torch.stack([torch.cat(frame) for frame in ours(clip)])

    reference_ms, ms = best_ms(run_theirs, run_ours, repeats=2)
    name = "alltracker_tiny" if small else "alltracker"
    error = (found["ours"] - found["theirs"]).abs().amax((0, 2, 3)) / found["theirs"].abs().amax((0, 2, 3))
    context = f"{FRAMES}x{HEIGHT}x{WIDTH}, same random weights, fp32, CPU, {torch.get_num_threads()} threads"
    return [
        Figure.at_most(f"{name}.error", error.max().item(), "relative", 1e-4, f"largest of any output; {context}"),
        Figure(f"{name}.seconds", ms / 1e3, "s", context=context),
        Figure.at_most(f"{name}.vs_reference", ms / reference_ms, "x", 1.0, f"time in turns, best of 2; {context}"),
    ]
