"""What the neighbours of a point say about where it is: robust local affine motion.

Points close together in frame 0 mostly lie on one surface, whose motion is affine nearby. Each point consults K leaders
around it, points of a regular grid whose density does not depend on what is asked for, and keeps a running belief, for
each of them, that the two move as one.
"""

from __future__ import annotations

import torch
from scipy.spatial import cKDTree
from torch import Tensor


class Consensus:
    """Local affine motion of N points of frame 0 by the first few of them, which lead.

    Args:
        points: float32 [N, 2], pixels of frame 0.
        leaders: how many, of the first, others consult.
        neighbours: K.

    Attributes:
        index: int64 [N, K + 1], the point itself, then the leaders that it consults.
        belief: float32 [N, K + 1].
    """

    def __init__(self, points: Tensor, leaders: int, neighbours: int = 32) -> None:
        host = points.cpu().numpy()
        count = min(neighbours + 1, leaders)
        distance, index = (
            torch.from_numpy(found.reshape(len(host), count)) for found in cKDTree(host[:leaders]).query(host, k=count)
        )
        own = torch.arange(len(host))[:, None]
        itself = index == own
        itself[:, -1] |= ~itself.any(-1)  # of K + 1, all but the point itself or the farthest
        kept = (~itself).nonzero()[:, 1].view(len(host), count - 1)
        distance = torch.cat((torch.zeros(len(host), 1), distance.gather(1, kept)), 1)
        self.index = torch.cat((own, index.gather(1, kept)), 1).to(points.device)
        distance = distance.to(points.device, torch.float32)
        self.scale = distance.amax(-1).clamp(min=1.0)
        self.near = torch.exp(-1.5 * (distance / self.scale[:, None]).square())
        offset = (points[self.index] - points[:, None]) / self.scale[:, None, None]
        x, y = offset.unbind(-1)
        self.moments = torch.stack((x * x, x * y, y * y, x, y, torch.ones_like(x)), -1)  # N K 6
        self.belief = torch.ones_like(distance)

    def fit(
        self,
        uv: Tensor,
        confidence: Tensor,
        warp: Tensor,
        rows: slice = slice(None),
        tolerance: tuple[float, ...] = (8.0, 4.0, 2.0, 1.0),
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Fit p_k = p + A (q_k - q) over the neighbours by iteratively reweighted least squares.

        Args:
            uv: float32 [N, 2], where the points seem to be.
            confidence: float32 [N] in [0, 1], how far each is believed.
            warp: float32 [n, 2, 2], A so far, towards which the fit is drawn where neighbours are few.
            rows: the n points that are asked about.
            tolerance: the residual in pixels that a neighbour may have, round by round.
        Returns:
            (p [n, 2], A [n, 2, 2], agreement [n, K + 1] in [0, 1])
        """
        index, moments, scale = self.index[rows], self.moments[rows], self.scale[rows]
        there = uv[index]
        prior = warp * scale[:, None, None]
        trust = self.near[rows] * self.belief[rows] * confidence[index]
        agreement = torch.ones_like(trust)
        basis = moments[..., 3:]  # x, y, 1
        for width in tolerance:
            weight = trust * agreement
            left = torch.bmm(weight[:, None], moments)[:, 0]
            right = torch.bmm((weight[..., None] * basis).mT, there)  # n 3 2
            p, a = _solve(left, right, prior, uv[rows])
            expected = torch.bmm(basis[..., :2], a.mT) + p[:, None]
            agreement = (1 + (there - expected).square().sum(-1) / width**2).reciprocal().square()
        return p, a / scale[:, None, None], agreement

    def learn(self, agreement: Tensor, confidence: Tensor, rows: slice = slice(None), rate: float = 0.3) -> None:
        """Move the beliefs towards this frame's agreement, as far as both ends are sure."""
        rate = rate * confidence[self.index[rows]] * confidence[rows, None]
        self.belief[rows] += rate * (agreement - self.belief[rows])


def _solve(moments: Tensor, right: Tensor, prior: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted least squares with unknowns A and p, drawn to `prior` and, hardly, to `own`; closed form."""
    pull, hold = 0.02, 1e-5
    xx, xy, yy, x, y, one = moments.unbind(-1)
    xx, yy, one = xx + pull, yy + pull, one + hold
    right = right + torch.cat((pull * prior.mT, hold * own[:, None]), 1)
    # Eliminate p, then invert the 2x2 that is left.
    mean = torch.stack((x, y), -1) / one[:, None]
    left_u, left_c, left_v = xx - x * mean[:, 0], xy - x * mean[:, 1], yy - y * mean[:, 1]
    reduced = right[:, :2] - mean[:, :, None] * right[:, 2:]
    inverse = 1 / (left_u * left_v - left_c * left_c)
    a_u = (left_v * inverse)[:, None] * reduced[:, 0] - (left_c * inverse)[:, None] * reduced[:, 1]
    a_v = (left_u * inverse)[:, None] * reduced[:, 1] - (left_c * inverse)[:, None] * reduced[:, 0]
    p = right[:, 2] / one[:, None] - mean[:, :1] * a_u - mean[:, 1:] * a_v
    return p, torch.stack((a_u, a_v), -1)
