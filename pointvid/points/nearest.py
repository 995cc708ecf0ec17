"""The k tracks nearest to each pixel of frame 0, exactly, with ties broken by place alone."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

# Which of equally near tracks is taken must not depend on their order, nor on whether the tree or the walk finds them.
# So distances are taken from a place this far off a pixel's centre: less than any difference that matters, along a
# slope (the golden ratio's) that is no ratio of whole numbers, so that no two lattice points stay equally far.
_TIE_BREAK = np.array([1e-7, 0.618034e-7])

_REACH = 8  # pixels the lattice is walked outward
_DENSE = 0.05  # tracks a pixel above which walking beats the tree


def nearest_tracks(places: NDArray, pixels: NDArray, k: int) -> tuple[NDArray, NDArray]:
    """Indices int64 [P, k] into `places` and distances [P, k], nearest first; fewer columns where places are fewer.

    A KD-tree finds them, as in Algorithm 1. Where tracks are dense and start on pixel centres, as the paper's do, most
    pixels find theirs a few pixels away by walking the lattice outward, in half the time; the tree does the rest.

    Args:
        places: float64 [M, 2], distinct (u, v) of the tracks in frame 0, M at least 1.
        pixels: float64 [P, 2], pixel centres.
    """
    k = min(k, len(places))
    index, distance = np.zeros((len(pixels), k), np.int64), np.zeros((len(pixels), k))
    rest = np.arange(len(pixels))
    if len(places) > _DENSE * len(pixels) and (places == np.floor(places)).all():
        rest = _walk(places.astype(np.int64), pixels.astype(np.int64), index, distance)
    if len(rest):
        distance[rest], index[rest] = cKDTree(places).query(
            pixels[rest] + _TIE_BREAK, k=np.arange(1, k + 1), workers=torch.get_num_threads()
        )
    return index, distance


def _walk(places: NDArray, pixels: NDArray, index: NDArray, distance: NDArray) -> NDArray:
    """Fill rows of `index` and `distance` from places within reach; returns the rows that are not full."""
    low = np.minimum(places.min(0), pixels.min(0, initial=2**31)) - _REACH
    width, height = np.maximum(places.max(0), pixels.max(0, initial=0)) - low + _REACH + 1
    owner = np.full(width * height, -1, np.int32)  # an image: which track starts at this pixel
    owner[(places - low) @ (1, width)] = np.arange(len(places))

    dv, du = np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1].reshape(2, -1)
    away = np.hypot(du - _TIE_BREAK[0], dv - _TIE_BREAK[1])
    order = np.argsort(away)
    order = order[away[order] < _REACH]

    rows, at = np.arange(len(pixels)), (pixels - low) @ (1, width)
    found = np.zeros(len(pixels), np.int64)
    for step, d in zip((du + dv * width)[order].tolist(), away[order].tolist()):
        track = owner[at + step]
        hits = np.flatnonzero(track >= 0)
        column = found[hits]
        index[rows[hits], column], distance[rows[hits], column] = track[hits], d
        found[hits] = column + 1
        full = hits[column + 1 == index.shape[1]]
        if len(full):
            still = np.ones(len(rows), bool)
            still[full] = False
            rows, at, found = rows[still], at[still], found[still]
            if not len(rows):
                break
    return rows
