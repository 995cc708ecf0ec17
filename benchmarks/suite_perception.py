"""Videos to samples: how fast. Trackers and depth against the authors' code, where it is named, and exact truth."""

from __future__ import annotations

import os

import torch

from pointvid.trackers.alltracker.model import AllTrackerConfig, AllTrackerNet
from pointvid.trackers.spatracker.model import UNUSED, SpaTrackerConfig, SpaTrackerNet
from tests import alltracker_reference as reference
from tests import spatracker_reference

from . import perception_build, perception_depth, perception_objects, perception_trackers
from .figure import Figure
from .timing import best_ms

FRAMES, HEIGHT, WIDTH = 16, 256, 448


def run() -> list[Figure]:
    """Every figure of the suite."""
    figures: list[Figure] = [
        *perception_build.figures(),
        *perception_trackers.figures(),
        *perception_depth.figures(),
        *perception_objects.figures(),
    ]
    if checkout := os.environ.get("ALLTRACKER_REFERENCE"):
        figures += [*_alltracker(checkout, False), *_alltracker(checkout, True)]
    else:
        print("alltracker.*: not measured, ALLTRACKER_REFERENCE names no checkout of aharley/alltracker")
    if checkout := os.environ.get("SPATRACKER_REFERENCE"):
        figures += [
            _spatracker(checkout, "spatracker.error", spatracker_reference.CALM, torch.float32),
            _spatracker(checkout, "spatracker.error_moving_fp64", spatracker_reference.MOVING, torch.float64),
        ]
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


def _spatracker(checkout: str, name: str, gain: float, dtype: torch.dtype) -> Figure:
    """Largest relative error of u, v, depth and visibility; why two precisions: see `tests/spatracker_reference.py`."""
    theirs = spatracker_reference.reference_net(checkout, depth=6)
    state = spatracker_reference.seeded_state(spatracker_reference.shapes(theirs), gain)
    theirs.load_state_dict(state)
    ours = SpaTrackerNet(SpaTrackerConfig(window=spatracker_reference.WINDOW))
    ours.load_state_dict({key: value for key, value in state.items() if not key.startswith(UNUSED)})
    clip = spatracker_reference.seeded_clip(dtype)
    expected, seen = spatracker_reference.reference_tracks(theirs.to(dtype), *clip)
    uvd, visibility = ours.to(dtype)(*clip, steps=spatracker_reference.STEPS)
    expected, found = torch.cat((expected, seen[..., None]), -1), torch.cat((uvd, visibility[..., None]), -1)
    error = (found - expected).abs().amax((0, 1)) / expected.abs().amax((0, 1))
    context = f"published size, {len(found[0])} points, {len(found)} frames, same random weights, {dtype}, CPU"
    return Figure.at_most(name, error.max().item(), "relative", 1e-4, context)
