"""Local rigidity: how much distances between neighbours change (Eq. 2 of the paper, as a length)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..points.rigidity import rigidity_graph
from .measurement import Measurement
from .trajectories import Measurable, trajectories


def rigidity(points: Measurable, k: int = 8, relative: bool = False) -> Measurement:
    """Root mean square of dist_t(i, j) - dist_0(i, j) over the k nearest neighbours of every point in frame 0.

    The square of the value is L_rigid of `points.rigidity.rigidity_loss`; a rigid motion scores 0 whatever it
    is. Neighbours are of the same object where objects are known.

    Args:
        points: tracks or a point map.
        k: neighbours a point.
        relative: per cent of the neighbours' distances in frame 0 (root mean square) instead of metres: makes clips of
            different scale comparable, and scaling everything by s scores |s - 1|.
    Returns:
        "rigidity" in m (rel), or "rigidity_relative" in %. The value is taken over frames 1.. together.
    """
    found = trajectories(points)
    objects = found.object_id if len(found.object_id.unique()) > 1 else None
    graph = rigidity_graph(found.xyz[0].nan_to_num(), found.counted[0], k, objects)
    rest = _lengths(found.xyz[0], graph.source, graph.target)
    scale = 100 / rest.square().mean().sqrt().clamp(min=1e-12).item() if relative and len(rest) else 1.0
    per_frame, squares, judged = [0.0 if len(rest) else float("nan")], 0.0, 0
    for t in range(1, len(found.xyz)):  # frame by frame: a dense map has millions of edges in all
        both = found.counted[t, graph.source] & found.counted[t, graph.target]
        change = _lengths(found.xyz[t], graph.source[both], graph.target[both]) - rest[both]
        total, count = change.square().sum().item(), len(change)
        per_frame.append(scale * (total / count) ** 0.5 if count else float("nan"))
        squares, judged = squares + total, judged + count
    edges = len(rest) * (len(found.xyz) - 1)
    return Measurement(
        "rigidity_relative" if relative else "rigidity",
        "%" if relative else found.unit,
        scale * (squares / judged) ** 0.5 if judged else float("nan"),
        tuple(per_frame),
        coverage=judged / edges if edges else float("nan"),
    )


def _lengths(xyz: Tensor, i: Tensor, j: Tensor) -> Tensor:
    return torch.linalg.vector_norm(xyz[i] - xyz[j], dim=-1)
