"""The weight-free tracker against exact truth, beside OpenCV's chained pyramidal Lucas-Kanade."""

from __future__ import annotations

import time
from itertools import pairwise

import cv2
import numpy as np
import torch
from torch import Tensor

from pointvid.depth import Depth
from pointvid.metrics import tapvid3d_metrics
from pointvid.synthetic import generate_clip
from pointvid.trackers.pipeline import track_points
from pointvid.trackers.queries import random_queries

from .figure import Figure

CLIPS = 16
POINTS = 512


def opencv_chain(video: Tensor, queries: Tensor) -> Tensor:
    """float32 [T, N, 2]: calcOpticalFlowPyrLK from frame to frame, window 21, 3 levels above the image."""
    grey = [cv2.cvtColor(frame.numpy(), cv2.COLOR_RGB2GRAY) for frame in video]
    points = [np.ascontiguousarray(queries.numpy().reshape(-1, 1, 2))]
    for before, now in pairwise(grey):
        points.append(cv2.calcOpticalFlowPyrLK(before, now, points[-1], None, winSize=(21, 21), maxLevel=3)[0])
    return torch.from_numpy(np.stack(points)[:, :, 0])


def figures(clips: int = CLIPS) -> list[Figure]:
    """Share within 2 px and median error at the last frame, TAPVid-3D scores with true depth."""
    ours, theirs, scores, seconds = [], [], [], 0.0
    for seed in range(clips):
        clip = generate_clip(seed, split="test")
        queries = random_queries(clip.mask, POINTS, seed)
        truth = clip.tracks(queries)
        began = time.process_time()
        found = track_points(clip.video, queries, depth=Depth(clip.depth, "metric", clip.camera))
        seconds += time.process_time() - began
        seen = truth.visible[-1]
        target = truth.uvd[-1, seen, :2]
        ours.append((found.uvd[-1, seen, :2] - target).norm(dim=-1))
        theirs.append((opencv_chain(clip.video, queries)[-1, seen] - target).norm(dim=-1))
        scores.append(tapvid3d_metrics(found, truth))
    ours, theirs = torch.cat(ours), torch.cat(theirs)
    within, within_cv = ((error < 2).float().mean().item() for error in (ours, theirs))
    median, median_cv = ours.median().item(), theirs.median().item()
    context = (
        f"{clips} test clips 16x256x448, seeds 0..{clips - 1}, {POINTS} random pixels of movable objects each, "
        f"the {len(ours)} truly visible in the last frame"
    )
    mean = {name: sum(getattr(s, name) for s in scores) / clips for name in ("apd", "aj", "oa")}
    return [
        Figure("tracker.within_2px", within, "share", context=context),
        Figure("tracker.within_2px_opencv", within_cv, "share", context="window 21, 3 levels, frame to frame"),
        Figure.at_least("tracker.within_2px_vs_opencv", within / within_cv, "x", 1.4, "the two above"),
        Figure("tracker.median_error", median, "px", context="same points"),
        Figure("tracker.median_error_opencv", median_cv, "px", context="same points"),
        Figure.at_most("tracker.median_error_vs_opencv", median / median_cv, "x", 0.6, "the two above"),
        Figure("tracker.tapvid3d_apd", mean["apd"], "share", context="true depth, no rescaling, mean over clips"),
        Figure("tracker.tapvid3d_aj", mean["aj"], "share", context="same"),
        Figure("tracker.tapvid3d_oa", mean["oa"], "share", context="same"),
        Figure("tracker.seconds", seconds / clips, "CPU s", context="a clip, 512 queries and the leaders around them"),
    ]
