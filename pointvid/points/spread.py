"""Choosing a few tracks that stand for many."""

from __future__ import annotations

import torch
from torch import Tensor

from ..tracks import PointTracks


def spread_out(tracks: PointTracks, count: int) -> Tensor:
    """int64 [<= count]: the longest visible track of each cell of a grid over the queries, best first within `count`.

    The grid is as fine as `count` allows, so that the chosen tracks cover what the clip shows evenly.
    """
    return spread_pixels(tracks.queries.cpu(), count, tracks.visible.sum(0).cpu())


def spread_pixels(pixels: Tensor, count: int, rank: Tensor | None = None) -> Tensor:
    """int64 [<= count]: of pixels [N, 2] the one of highest rank [N] (else the first) in each cell, best first."""
    rank = torch.zeros(len(pixels)) if rank is None else rank
    order = torch.argsort(rank, descending=True, stable=True)
    queries = pixels[order]
    low, high = queries.min(0).values, queries.max(0).values
    best = order[:1]
    coarse, fine = 1, 4 * count
    while coarse <= fine:  # the finest grid whose occupied cells are at most `count`
        cells = (coarse + fine) // 2
        xy = ((queries - low) / (high - low).clamp(min=1e-6) * cells).floor().clamp(max=cells - 1).long()
        key = xy[:, 1] * cells + xy[:, 0]
        unique, inverse = torch.unique(key, return_inverse=True)
        if len(unique) <= count:
            first = torch.full((len(unique),), len(key)).scatter_reduce(
                0, inverse, torch.arange(len(key)), reduce="amin"
            )
            best, coarse = order[first.sort().values], cells + 1
        else:
            fine = cells - 1
    return best
