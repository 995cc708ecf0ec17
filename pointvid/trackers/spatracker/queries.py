"""Where SpaTracker's points start: the paper's preset, and the grids that the network is used with."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import PointVidError

SIZE = (384, 512)
"""(H, W) the network sees, whatever the clip's shape; as in the authors' demo."""

_PAPER_GRID, _PAPER_MOST = 80, 800


def paper_queries(mask: Tensor, seed: int = 0) -> Tensor:
    """The queries of the paper's preset (grid 80, downsample 1): grid points in the mask, at most 800 of them.

    To be tracked by `SpaTracker(companions=80)`.

    Args:
        mask: bool [H, W], the foreground of frame 0.
        seed: of the choice where there are more.
    Returns:
        float32 [n, 2], pixels (u, v) of the clip.
    Raises:
        PointVidError: no grid point is in the mask.
    """
    height, width = mask.shape
    points = network_grid(_PAPER_GRID)
    column, row = points.round().long().unbind(-1)
    seen = F.interpolate(mask[None, None].float(), SIZE)[0, 0].bool().cpu()
    points = points[seen[row, column]]
    if not len(points):
        raise PointVidError("mask holds no point of the 80x80 grid, expected a larger foreground")
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))[:_PAPER_MOST]
    scaled = points[order] * torch.tensor([width / SIZE[1], height / SIZE[0]])
    return scaled.minimum(torch.tensor([width - 1.0, height - 1.0]))  # clips below 64 pixels: the margin is under one


def network_grid(side: int) -> Tensor:
    """float32 [side^2, 2], (u, v) over the network's image, some pixels from its border."""
    margin = SIZE[1] // 64
    v, u = (torch.linspace(margin, length - margin, side) for length in SIZE)
    return torch.stack(torch.meshgrid(v, u, indexing="ij")[::-1], -1).flatten(0, 1)
