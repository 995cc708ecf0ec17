"""L_recon (Eq. 1) and L_rigid (Eq. 2) of the paper's section 3.3, on points in any space.

Points come as [T, N, 3], [T, H, W, 3] (as in PointMap) or [B, T, H, W, 3]; masks as [N], [H, W] or [B, H, W]. Which
space they live in is the caller's choice: camera space (`Camera.unproject`, the default of training, where rigidity
means what it says) or (u, v, d) itself.

The equations sum over frames and points; here every sum is a mean over the points of a clip, its frames and the clips.
A sum is that mean times a constant of the clip's size, so weights c0, c1, c2 and lambda keep their meaning when
resolution, length or the share of foreground changes. Clips without foreground count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ..errors import PointVidError

NORMS = ("l2", "l1", "squared")


class ReconTerms(NamedTuple):
    """The three terms of Eq. 1 before their weights, scalars."""

    position: Tensor
    velocity: Tensor
    acceleration: Tensor

    def weighted(self, c0: float, c1: float, c2: float) -> Tensor:
        """L_recon = c0 position + c1 velocity + c2 acceleration."""
        return c0 * self.position + c1 * self.velocity + c2 * self.acceleration


def recon_terms(pred: Tensor, target: Tensor, mask: Tensor | None = None, norm: str = "l2") -> ReconTerms:
    """The terms of Eq. 1: |P~_t - P_t|, |P~_t - P~_(t-1)|, |P~_t - 2 P~_(t-1) + P~_(t-2)|, averaged.

    Velocity and acceleration are the prediction's own, not its difference from the target, as the paper has it.

    Args:
        pred, target: points, see the module.
        mask: bool, the points that count; default all.
        norm: of one point's three numbers: "l2" (the paper's), "l1" or "squared" (l2 squared).
    Returns:
        Scalars; a term for which there are too few frames is 0. Gradients are finite everywhere, 0 where a norm is 0.
    Raises:
        PointVidError: shapes do not fit, unknown norm.
    """
    if norm not in NORMS:
        raise PointVidError(f"reconstruction norm is {norm!r}, expected one of {NORMS}")
    if pred.shape != target.shape:
        raise PointVidError(
            f"predicted points are {list(pred.shape)}, target is {list(target.shape)}; expected the same"
        )
    pred, target = _flat(pred), _flat(target)
    weight = _mask_weights(pred, mask)

    def mean(vectors: Tensor) -> Tensor:
        # Masked points may hold anything, also infinities: they are zeroed before the norm, not after.
        vectors = torch.where(weight[:, None, :, None] > 0, vectors, 0.0)
        per_point = _norm(vectors, norm)
        return (per_point * weight[:, None]).sum() / max(per_point.shape[1], 1)

    velocity = pred.diff(dim=1)
    return ReconTerms(mean(pred - target), mean(velocity), mean(velocity.diff(dim=1)))


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
    points = _flat(points)
    frames = points.shape[1]
    points = points.transpose(0, 1).reshape(frames, -1, 3)
    if points.shape[1] != graph.points:
        raise PointVidError(
            f"points are {points.shape[1]} a frame, the rigidity graph was made for {graph.points}; expected the same"
        )
    if frames < 2 or graph.source.numel() == 0:
        return points.new_zeros(()) + 0 * points[:, :0].sum()
    edges = points.index_select(1, graph.source) - points.index_select(1, graph.target)
    distance = _norm(edges, "l2")
    change = (distance[1:] - distance[:1]).square()
    return (change * graph.weight.to(change.dtype)).sum() / (frames - 1)


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


def _norm(vectors: Tensor, norm: str) -> Tensor:
    """[..., 3] -> [...]; the square root has gradient 0 at 0 instead of infinity times 0."""
    if norm == "l1":
        return vectors.abs().sum(-1)
    squared = vectors.square().sum(-1)
    if norm == "squared":
        return squared
    positive = squared > torch.finfo(squared.dtype).tiny
    return torch.where(positive, torch.where(positive, squared, 1.0).sqrt(), 0.0)


def _flat(points: Tensor) -> Tensor:
    """[B, T, N, 3] of any allowed form."""
    if points.ndim not in (3, 4, 5) or points.shape[-1] != 3:
        raise PointVidError(f"points are {list(points.shape)}, expected [T, N, 3], [T, H, W, 3] or [B, T, H, W, 3]")
    if points.ndim < 5:
        points = points[None]
    return points.reshape(*points.shape[:2], -1, 3)


def _mask_weights(points: Tensor, mask: Tensor | None) -> Tensor:
    """[B, N] weights that sum to 1 over the batch: clips with foreground alike, their foreground points alike."""
    batch, _, count, _ = points.shape
    if mask is None:
        mask = torch.ones(batch, count, dtype=torch.bool, device=points.device)
    elif mask.numel() != batch * count:
        raise PointVidError(
            f"mask is {list(mask.shape)}, points are {batch} clips of {count}; expected one entry a point"
        )
    inside = mask.reshape(batch, count).to(points.dtype)
    per_clip = inside.sum(1, keepdim=True)
    return inside / per_clip.clamp(min=1) / (per_clip > 0).sum().clamp(min=1)
