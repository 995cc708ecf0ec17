"""What the neighbours of a point say about where it is: robust local affine motion.

Points close together in frame 0 mostly lie on one surface, whose motion is affine nearby. Each point keeps K neighbours
and a running belief, for each of them, that the two move as one.
"""

from __future__ import annotations

import torch
from scipy.spatial import cKDTree
from torch import Tensor


class Consensus:
    """Local affine motion among N points of frame 0.

    Args:
        queries: float32 [N, 2], pixels of frame 0.
        neighbours: K.
    """

    def __init__(self, queries: Tensor, neighbours: int = 24) -> None:
        host = queries.cpu().numpy()
        count = min(neighbours + 1, len(queries))
        distance, index = cKDTree(host).query(host, k=count)
        self.index = torch.from_numpy(index.reshape(len(host), count)).to(queries.device)
        distance = torch.from_numpy(distance.reshape(len(host), count)).to(queries.device, torch.float32)
        self.scale = distance[:, -1].clamp(min=1.0)
        self.near = torch.exp(-1.5 * (distance / self.scale[:, None]).square())
        offset = (queries[self.index] - queries[:, None]) / self.scale[:, None, None]
        x, y = offset.unbind(-1)
        self.moments = torch.stack((x * x, x * y, y * y, x, y, torch.ones_like(x)), -1)  # N K 6
        self.belief = torch.ones_like(distance)

    def fit(
        self, uv: Tensor, confidence: Tensor, warp: Tensor, tolerance: tuple[float, ...] = (8.0, 4.0, 2.0, 1.0)
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Fit p_k = p + A (q_k - q) over the neighbours by iteratively reweighted least squares.

        Args:
            uv: float32 [N, 2], where the points seem to be.
            confidence: float32 [N] in [0, 1], how far each is believed.
            warp: float32 [N, 2, 2], A so far, towards which the fit is drawn where neighbours are few.
            tolerance: the residual in pixels that a neighbour may have, round by round.
        Returns:
            (p [N, 2], A [N, 2, 2], agreement [N, K] in [0, 1])
        """
        there = uv[self.index]
        prior = warp * self.scale[:, None, None]
        trust = self.near * self.belief * confidence[self.index]
        agreement = torch.ones_like(trust)
        x, y = self.moments[..., 3], self.moments[..., 4]
        for width in tolerance:
            weight = (trust * agreement)[:, None]
            right = (weight * torch.stack((x, y, torch.ones_like(x)), 1)) @ there  # N 3 2
            p, a = _solve((weight @ self.moments)[:, 0], right, prior, uv)
            expected = torch.stack((x, y), -1) @ a.mT + p[:, None]
            agreement = 1 / (1 + (there - expected).square().sum(-1) / width**2) ** 2
        return p, a / self.scale[:, None, None], agreement

    def learn(self, agreement: Tensor, confidence: Tensor, rate: float = 0.3) -> None:
        """Move the beliefs towards this frame's agreement, as far as both ends are sure."""
        rate = rate * confidence[self.index] * confidence[:, None]
        self.belief = self.belief + rate * (agreement - self.belief)


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
