"""Every tracker that can run here, on synthetic clips whose truth is exact."""

from __future__ import annotations

import torch

from pointvid.depth import Depth
from pointvid.metrics import tapvid3d_metrics
from pointvid.synthetic import generate_clip
from pointvid.trackers.base import Tracker
from pointvid.trackers.pipeline import track_points
from pointvid.trackers.queries import random_queries
from pointvid.trackers.registry import TRACKERS, create_tracker, find_weights

from .figure import Figure

CLIPS, POINTS = 8, 512


def figures(clips: int = CLIPS) -> list[Figure]:
    """Accuracy of each tracker on the test split; of those with weights only where the published file is there."""
    found: list[Figure] = []
    for name, kind in sorted(TRACKERS.items()):
        if not kind.needs_weights:
            found += _accuracy(name, create_tracker(name), clips)
        elif weights := find_weights(kind):
            device = "cuda" if torch.cuda.is_available() else "cpu"
            found += _accuracy(name, create_tracker(name, weights=weights, device=device), clips)
        else:
            print(f"tracker.{name}.*: not measured, its published weights are not here (pointvid download {name})")
    return found


def _accuracy(name: str, tracker: Tracker, clips: int) -> list[Figure]:
    errors, scores = [], []
    for seed in range(clips):
        clip = generate_clip(seed, split="test")
        queries = random_queries(clip.mask, POINTS, seed)
        truth = clip.tracks(queries)
        found = track_points(clip.video, queries, depth=Depth(clip.depth, "metric", clip.camera), tracker=tracker)
        seen = truth.visible[-1]
        errors.append((found.uvd[-1, seen, :2] - truth.uvd[-1, seen, :2]).norm(dim=-1))
        scores.append(tapvid3d_metrics(found, truth))
    error = torch.cat(errors)
    context = f"{clips} test clips 16x256x448, seeds 0..{clips - 1}, {POINTS} random pixels of movable objects each"
    last = f"{context}; the {len(error)} truly visible in the last frame"
    mean = {key: sum(getattr(score, key) for score in scores) / clips for key in ("apd", "aj", "oa")}
    return [
        Figure(f"tracker.{name}.within_2px", (error < 2).float().mean().item(), "share", context=last),
        Figure(f"tracker.{name}.median_error", error.median().item(), "px", context=last),
        *(
            Figure(f"tracker.{name}.{key}", value, "share", context=f"TAPVid-3D, true depth, no rescaling; {context}")
            for key, value in mean.items()
        ),
    ]
