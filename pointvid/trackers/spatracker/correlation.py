"""Correlation of a point's features with a neighbourhood of where it is thought to be, on each plane and scale."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .planes import AXES, Planes

_POINTS_AT_ONCE = 1024


class LocalCorrelation:
    """Windows of (2 radius + 1)^2 correlations at `levels` scales, summed over the planes.

    Features of points change from step to step, so nothing but the scales of the planes is computed ahead. All samples
    of a window share their bilinear weights: correlations at whole cells are mixed, not features.
    """

    def __init__(self, planes: Planes, levels: int, radius: int) -> None:
        self.radius = radius
        self.tables: list[list[tuple[Tensor, int, int]]] = []
        for plane in planes:
            scales = []
            for level in range(levels):
                plane = F.avg_pool2d(plane, 2) if level else plane
                table = plane.permute(0, 2, 3, 1).flatten(1, 2)
                # The last row is what lies outside: nothing.
                scales.append((F.pad(table, (0, 0, 0, 1)), *plane.shape[-2:]))
            self.tables.append(scales)

    def look_up(self, features: Tensor, xyz: Tensor) -> Tensor:
        """Correlations [S, N, levels (2 radius + 1)^2] of points.

        Args:
            features: [3, S, N, C], of each plane.
            xyz: [S, N, 3], in cells.
        """
        scale = features.shape[-1] ** -0.5
        frames = []
        for t in range(xyz.shape[0]):
            parts = [
                sum(self._plane(p, t, some[p] * scale, place[:, axes]) for p, axes in enumerate(AXES))
                for some, place in zip(features[:, t].split(_POINTS_AT_ONCE, 1), xyz[t].split(_POINTS_AT_ONCE))
            ]
            frames.append(torch.cat(parts))
        return torch.stack(frames)

    def _plane(self, plane: int, t: int, features: Tensor, xy: Tensor) -> Tensor:
        """[N, levels (2 radius + 1)^2], x the slower axis of a window."""
        step = torch.arange(-self.radius, self.radius + 2, device=xy.device)
        windows = []
        for level, (table, rows, columns) in enumerate(self.tables[plane]):
            where = xy / 2**level
            base = where.floor()
            share = (where - base)[..., None, None]
            base = base.clamp(-1e6, 1e6).long()
            column, row = base[:, 0, None, None] + step[:, None], base[:, 1, None, None] + step
            inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
            index = torch.where(inside, row * columns + column, rows * columns)
            found = torch.einsum("nijc,nc->nij", table[t][index], features)
            found = torch.lerp(found[:, :-1], found[:, 1:], share[:, 0])
            windows.append(torch.lerp(found[..., :-1], found[..., 1:], share[:, 1]).flatten(1))
        return torch.cat(windows, -1)
