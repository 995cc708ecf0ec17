"""Trackers with weights against the authors' implementations, run side by side where a checkout is named."""

from __future__ import annotations

import os

import torch

from pointvid.trackers.alltracker.model import AllTrackerConfig, AllTrackerNet
from pointvid.trackers.spatracker.model import UNUSED, SpaTrackerConfig, SpaTrackerNet
from tests import alltracker_reference as reference
from tests import spatracker_reference

from .figure import Figure
from .timing import best_ms

FRAMES, HEIGHT, WIDTH = 16, 256, 448


def run() -> list[Figure]:
    """Every figure of the suite."""
    figures: list[Figure] = []
    if checkout := os.environ.get("ALLTRACKER_REFERENCE"):
        figures += [*_alltracker(checkout, False), *_alltracker(checkout, True)]
    else:
        print("alltracker.*: not measured, ALLTRACKER_REFERENCE names no checkout of aharley/alltracker")
    if checkout := os.environ.get("SPATRACKER_REFERENCE"):
        figures += _spatracker(checkout)
    else:
        print("spatracker.*: not measured, SPATRACKER_REFERENCE names no checkout of henry123-boy/SpaTracker")
    return figures


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


def _spatracker(checkout: str) -> list[Figure]:
    theirs = spatracker_reference.reference_net(checkout, depth=6)
    state = spatracker_reference.seeded_state(spatracker_reference.shapes(theirs))
    theirs.load_state_dict(state)
    ours = SpaTrackerNet(SpaTrackerConfig(window=spatracker_reference.WINDOW))
    ours.load_state_dict({name: value for name, value in state.items() if not name.startswith(UNUSED)})
    clip = spatracker_reference.seeded_clip()
    expected = torch.cat([part.view(*part.shape[:2], -1) for part in _spatracks(theirs, clip)], -1)
    found = torch.cat([part.view(*part.shape[:2], -1) for part in ours(*clip)], -1)
    error = (found - expected).abs().amax((0, 1)) / expected.abs().amax((0, 1))
    frames, points = expected.shape[:2]
    context = (
        f"largest of u, v, depth, visibility; {points} points, {frames} frames, 6 steps, same random weights, fp32"
    )
    return [Figure.at_most("spatracker.error", error.max().item(), "relative", 1e-4, context)]


def _spatracks(net: torch.nn.Module, clip: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    return spatracker_reference.reference_tracks(net, *clip, steps=6)
