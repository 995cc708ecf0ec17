"""How good tracks are beside an exact truth, in pixels of the clip, and OpenCV's trackers to compare with."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise

import cv2
import numpy as np
import torch
from torch import Tensor

from pointvid.tracks import PointTracks, on_screen

THRESHOLDS = (1, 2, 4, 8, 16)
"""Pixels, of the average Jaccard."""


@dataclass(frozen=True)
class Scores:
    """One clip's figures.

    Attributes:
        within: share of the points truly seen in the last frame that are within 2 px of the truth there.
        median: px, of the same points.
        oa: share of (frame, point) pairs whose visibility is right.
        aj: average Jaccard (TAP-Vid), thresholds of 1, 2, 4, 8 and 16 px.
        back: share within 2 px in the last frame, of the points that are seen then and were hidden for 5 frames or
            more; NaN where there are fewer than 10.
        false_visible, false_hidden: share of truly hidden pairs called visible, and the reverse.
    """

    within: float
    median: float
    oa: float
    aj: float
    back: float
    false_visible: float
    false_hidden: float


def score(uv: Tensor, visible: Tensor, truth: PointTracks) -> Scores:
    """Scores of positions [T, N, 2] and flags [T, N]."""
    error = (uv - truth.uvd[..., :2]).norm(dim=-1)[1:]
    said, seen = visible[1:], truth.visible[1:]
    last = error[-1, seen[-1]]
    returned = seen[-1] & ((~seen).sum(0) >= 5)
    jaccard = []
    for threshold in THRESHOLDS:
        right = (said & seen & (error < threshold)).sum()
        jaccard.append(right / (seen.sum() + (said & ~(seen & (error < threshold))).sum()))
    return Scores(
        within=(last < 2).float().mean().item(),
        median=last.median().item(),
        oa=(said == seen).float().mean().item(),
        aj=torch.stack(jaccard).mean().item(),
        back=(error[-1, returned] < 2).float().mean().item() if returned.sum() >= 10 else float("nan"),
        false_visible=said[~seen].float().mean().item(),
        false_hidden=(~said[seen]).float().mean().item(),
    )


def mean(scores: list[Scores]) -> Scores:
    """The mean of each figure, over the clips that have it."""
    return Scores(*(float(np.nanmean([getattr(s, f.name) for s in scores] or [np.nan])) for f in fields(Scores)))


def lucas_kanade(video: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    """OpenCV's pyramidal Lucas-Kanade from frame to frame, window 21; seen while it comes back to within 1 px."""
    grey = [cv2.cvtColor(frame.numpy(), cv2.COLOR_RGB2GRAY) for frame in video]
    options = {"winSize": (21, 21), "maxLevel": 3}
    points, alive = [np.ascontiguousarray(queries.numpy().reshape(-1, 1, 2))], [np.ones(len(queries), bool)]
    for before, now in pairwise(grey):
        there = cv2.calcOpticalFlowPyrLK(before, now, points[-1], None, **options)[0]
        back = cv2.calcOpticalFlowPyrLK(now, before, there, None, **options)[0]
        alive.append(alive[-1] & (np.linalg.norm(back - points[-1], axis=-1)[:, 0] < 1))
        points.append(there)
    return _result(points, alive, video)


def dis(video: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    """OpenCV's dense inverse search from frame to frame, read at the points; seen as with `lucas_kanade`."""
    grey = [cv2.cvtColor(frame.numpy(), cv2.COLOR_RGB2GRAY) for frame in video]
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    points, alive = [np.ascontiguousarray(queries.numpy().reshape(-1, 1, 2))], [np.ones(len(queries), bool)]

    def step(flow: np.ndarray, at: np.ndarray) -> np.ndarray:
        return at + cv2.remap(flow, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    for before, now in pairwise(grey):
        there = step(search.calc(before, now, None), points[-1])
        back = step(search.calc(now, before, None), there)
        alive.append(alive[-1] & (np.linalg.norm(back - points[-1], axis=-1)[:, 0] < 1))
        points.append(there)
    return _result(points, alive, video)


def _result(points: list[np.ndarray], alive: list[np.ndarray], video: Tensor) -> tuple[Tensor, Tensor]:
    uv = torch.from_numpy(np.stack(points)[:, :, 0])
    return uv, torch.from_numpy(np.stack(alive)) & on_screen(*uv.unbind(-1), video.shape[1:3])
