"""L_recon (Eq. 1 of the paper's section 3.3), on points in any space.

Points come as [T, N, 3], [T, H, W, 3] (as in PointMap) or [B, T, H, W, 3]; masks as [N], [H, W] or [B, H, W]. Which
space they live in is the caller's choice: camera space (`Camera.unproject`, the default of training, where rigidity
means what it says) or (u, v, d) itself.

The equation sums over frames and points; here every sum is a mean over the points of a clip, its frames and the clips.
A sum is that mean times a constant of the clip's size, so weights c0, c1, c2 and lambda keep their meaning when
resolution, length or the share of foreground changes. Clips without foreground count for nothing.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from ..errors import PointVidError

Norm = Literal["l2", "l1", "squared"]
NORMS = get_args(Norm)


class ReconTerms(NamedTuple):
    """The three terms of Eq. 1 before their weights, scalars."""

    position: Tensor
    velocity: Tensor
    acceleration: Tensor

    def weighted(self, c0: float, c1: float, c2: float) -> Tensor:
        """L_recon = c0 position + c1 velocity + c2 acceleration."""
        return c0 * self.position + c1 * self.velocity + c2 * self.acceleration


def recon_terms(pred: Tensor, target: Tensor, mask: Tensor | None = None, norm: Norm = "l2") -> ReconTerms:
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
    pred, target = flat_points(pred), flat_points(target)
    weight = _mask_weights(pred, mask)

    def mean(vectors: Tensor) -> Tensor:
        # Masked points may hold anything, also infinities: they are zeroed before the norm, not after.
        vectors = torch.where(weight[:, None, :, None] > 0, vectors, 0.0)
        per_point = lengths(vectors, norm)
        return (per_point * weight[:, None]).sum() / max(per_point.shape[1], 1)

    velocity = pred.diff(dim=1)
    return ReconTerms(mean(pred - target), mean(velocity), mean(velocity.diff(dim=1)))


def lengths(vectors: Tensor, norm: Norm = "l2") -> Tensor:
    """[..., 3] -> [...]; the square root has gradient 0 at 0 instead of infinity times 0."""
    if norm == "l1":
        return vectors.abs().sum(-1)
    squared = vectors.square().sum(-1)
    if norm == "squared":
        return squared
    positive = squared > torch.finfo(squared.dtype).tiny
    return torch.where(positive, torch.where(positive, squared, 1.0).sqrt(), 0.0)


def flat_points(points: Tensor) -> Tensor:
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
