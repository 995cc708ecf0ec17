"""Rigidity (Eq. 2 of the paper's section 3.3): who neighbours whom, the loss, and the figure of each point.

Points come as [T, N, 3], [T, H, W, 3] (as in PointMap) or [B, T, H, W, 3]; masks as [N], [H, W] or [B, H, W]. Which
space they live in is the caller's choice: camera space (`Camera.unproject`, the default of training, where rigidity
means what it says) or (u, v, d) itself.

As in `reconstruction`, what the equation sums is averaged: over edges, frames and clips.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from ..errors import PointVidError
from .reconstruction import flat_points, lengths


@dataclass(frozen=True, eq=False)
class RigidityGraph:
    """Neighbour pairs on the reference frame.

    Attributes:
        source, target: int64 [E], i and j of Eq. 2 as positions among all points of the batch, row by row.
        weight: float32 [E], sums to 1 (or 0 without edges): every clip counts alike, and every edge within it.
        points: how many points the batch has, B * N or B * H * W.
    """

    source: Tensor
    target: Tensor
    weight: Tensor
    points: int

    def to(self, device: torch.device | str) -> RigidityGraph:
        """The same graph on `device`."""
        return RigidityGraph(self.source.to(device), self.target.to(device), self.weight.to(device), self.points)


def rigidity_graph(
    reference: Tensor, mask: Tensor | None = None, k: int = 8, object_map: Tensor | None = None
) -> RigidityGraph:
    """The k nearest neighbours of every point on the reference frame, exact (KD-tree), on the device of `reference`.

    Args:
        reference: [N, 3], [H, W, 3] or [B, H, W, 3], the reference frame in the space the loss will be taken in (two
            columns, (u, v) alone, do too).
        mask: bool [N], [H, W] or [B, H, W]: the points that take part. Thin it out to make the loss cheaper.
        object_map: integers of the mask's shape; neighbours are then looked for within an object only, so that two
            things that touch in frame 0 may part.
    Raises:
        PointVidError: shapes do not fit, k below 1, or a point that takes part is not finite.
    """
    if k < 1:
        raise PointVidError(f"k is {k}, expected at least 1 neighbour")
    if reference.ndim not in (2, 3, 4):
        raise PointVidError(f"reference is {list(reference.shape)}, expected [N, 3], [H, W, 3] or [B, H, W, 3]")
    shape = reference.shape[:-1]
    for name, given in (("mask", mask), ("object map", object_map)):
        if given is not None and given.shape != shape:
            raise PointVidError(f"{name} is {list(given.shape)}, reference frame is {list(shape)}; expected the same")
    batch = shape[0] if len(shape) == 3 else 1
    places = reference.detach().reshape(batch, -1, reference.shape[-1]).double().cpu().numpy()
    count = places.shape[1]
    inside = np.ones((batch, count), bool) if mask is None else mask.reshape(batch, -1).cpu().numpy()
    objects = None if object_map is None else object_map.reshape(batch, -1).cpu().numpy()

    sources, targets, weights = [], [], []
    for b in range(batch):
        edges = []
        for label in [None] if objects is None else np.unique(objects[b][inside[b]]):
            members = np.flatnonzero(inside[b] if objects is None else inside[b] & (objects[b] == label))
            edges.append(_neighbours(places[b], members, k))
        i, j = np.concatenate(edges, axis=1) if edges else np.zeros((2, 0), np.int64)
        if len(i):
            sources.append(i + b * count)
            targets.append(j + b * count)
            weights.append(np.full(len(i), 1 / len(i)))

    def joined(parts: list, dtype: torch.dtype) -> Tensor:
        return torch.from_numpy(np.concatenate(parts) if parts else np.zeros(0)).to(reference.device, dtype)

    weight = joined(weights, torch.float32) / max(len(weights), 1)
    return RigidityGraph(joined(sources, torch.int64), joined(targets, torch.int64), weight, batch * count)


def rigidity_loss(points: Tensor, graph: RigidityGraph) -> Tensor:
    """Eq. 2: the mean over frames 1.. and edges of (dist_t(i, j) - dist_0(i, j))^2, all distances the prediction's own.

    Args:
        points: [T, N, 3], [T, H, W, 3] or [B, T, H, W, 3], of as many points as the graph's reference.
    Returns:
        A scalar, 0 with one frame or no edges. Value and gradient are finite, also where points coincide: there the
        distance's gradient, which does not exist, is taken as 0.
    Raises:
        PointVidError: the graph was made for another number of points.
    """
    points = flat_points(points)
    frames = points.shape[1]
    points = points.transpose(0, 1).reshape(frames, -1, 3)
    if points.shape[1] != graph.points:
        raise PointVidError(
            f"points are {points.shape[1]} a frame, the rigidity graph was made for {graph.points}; expected the same"
        )
    if frames < 2 or graph.source.numel() == 0:
        return points.new_zeros(()) + 0 * points[:, :0].sum()
    edges = points.index_select(1, graph.source) - points.index_select(1, graph.target)
    distance = lengths(edges)
    change = (distance[1:] - distance[:1]).square()
    return (change * graph.weight.to(change.dtype)).sum() / (frames - 1)


def point_rigidity(xyz: NDArray, valid: NDArray, object_id: NDArray | None = None, k: int = 8) -> NDArray:
    """Eq. 2 for each point: how much its distances to its neighbours changed since frame 0, as a length.

    Args:
        xyz: float [T, N, 3].
        valid: bool [T, N], the samples that may be used.
        object_id: int [N]; neighbours are looked for in the same object only.
        k: neighbours in frame 0.
    Returns:
        float32 [T, N]: sqrt(mean over neighbours j of (dist_t(i,j) - dist_0(i,j))^2), in the unit of xyz; 0 where
        there is nothing to compare.
    """
    objects = None if object_id is None else torch.from_numpy(object_id)
    graph = rigidity_graph(torch.from_numpy(xyz[0]), torch.from_numpy(valid[0]), k, objects)
    error = np.zeros(valid.shape, np.float32)
    source, target = graph.source.numpy(), graph.target.numpy()
    counts = np.bincount(source, minlength=valid.shape[1])
    for count in np.unique(counts[counts > 0]):  # objects of k points or fewer have fewer neighbours
        own = counts[source] == count
        member, neighbour = source[own][::count], target[own].reshape(-1, count)
        rest = np.linalg.norm(xyz[0, member, None] - xyz[0, neighbour], axis=-1)
        for t in range(1, len(xyz)):
            usable = valid[t, member, None] & valid[t, neighbour]
            with np.errstate(invalid="ignore", over="ignore"):
                change = np.linalg.norm(xyz[t, member, None] - xyz[t, neighbour], axis=-1) - rest
            square = np.where(usable, change, 0) ** 2
            error[t, member] = np.sqrt(square.sum(1) / np.maximum(usable.sum(1), 1))
    return error


def _neighbours(places: np.ndarray, members: np.ndarray, k: int) -> np.ndarray:
    """int64 [2, E]: each member with its k nearest other members (all, where there are fewer)."""
    count = len(members)
    k = min(k, count - 1)
    if k < 1:
        return np.zeros((2, 0), np.int64)
    inside = places[members]
    if not np.isfinite(inside).all():
        raise PointVidError("reference frame has points that are not finite inside the mask; expected finite ones")
    _, found = cKDTree(inside).query(inside, k=k + 1, workers=torch.get_num_threads())
    itself = found == np.arange(count)[:, None]
    # Among k + 1 coincident points a point may not find itself: then its last neighbour is one too many.
    itself[~itself.any(1), -1] = True
    return np.stack((np.repeat(members, k), members[found[~itself]]))
