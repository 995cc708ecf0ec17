"""The triplane: features of the image plane, and averages of them over the two planes that contain the depth axis."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

AXES = ((0, 1), (1, 2), (0, 2))
"""Which of a point's (x, y, z) are column and row of each plane: XY, YZ, XZ."""


@dataclass(frozen=True, eq=False)
class Planes:
    """Features [S, C, rows, columns] of XY, YZ and XZ; rows of the last two are depth."""

    xy: Tensor
    yz: Tensor
    xz: Tensor

    def __iter__(self):
        """In the order of AXES."""
        return iter((self.xy, self.yz, self.xz))


def splat(features: Tensor, z: Tensor, bins: int, across: int) -> Tensor:
    """Average the features of an image over a plane of depth and one image axis.

    Each pixel spreads over the two depth bins around its z, by nearness; a cell is the mean of what falls into it
    (average splatting: Niklaus & Liu 2020).

    Args:
        features: [S, C, H, W].
        z: depth in bins [S, H, W].
        bins: rows of the plane.
        across: 0 keeps x (columns), 1 keeps y (rows) as the plane's columns.
    Returns:
        [S, C, bins, W or H], 0 where nothing falls.
    """
    frames, channels, height, width = features.shape
    row = torch.arange(height, device=z.device, dtype=z.dtype)[:, None]
    # A cell that is touched by a hair takes its only pixel's full value, so the last bit of z counts. The weights were
    # trained on z as a displacement of the pixel's row, added back.
    z = row + (z - row)
    columns = torch.arange(height if across else width, device=z.device)
    columns = (columns[:, None] if across else columns).expand(height, width)
    side = height if across else width
    low = z.floor()
    values = torch.cat((features, torch.ones_like(features[:, :1])), 1).permute(0, 2, 3, 1).flatten(0, 2)
    total = values.new_zeros(frames * (bins + 1) * side, channels + 1)
    start = torch.arange(frames, device=z.device)[:, None, None] * (bins + 1)
    for line, weight in ((low, low + 1 - z), (low + 1, z - low)):
        inside = (line >= 0) & (line < bins)
        # What falls outside goes to one spare row below the plane.
        cell = (start + torch.where(inside, line, bins).long()) * side + columns
        total.index_add_(0, cell.flatten(), values * weight.flatten()[:, None])
    total = total.view(frames, bins + 1, side, channels + 1)[:, :bins].permute(0, 3, 1, 2)
    return total[:, :-1] / (total[:, -1:] + 1e-7)


def sample_at(planes: Planes, frame: Tensor, xyz: Tensor) -> Tensor:
    """Features [3, N, C] of points: bilinear in each plane of their own frame; beyond a plane its edge counts.

    Args:
        frame: int64 [N], index within the window.
        xyz: [N, 3], in cells.
    """
    parts = []
    for plane, axes in zip(planes, AXES):
        place = xyz[:, axes]
        out = place.new_empty(len(place), plane.shape[1])
        for t in frame.unique().tolist():
            own = frame == t
            limit = place.new_tensor([plane.shape[-1] - 1, plane.shape[-2] - 1])
            grid = (place[own] / limit * 2 - 1)[None, None]
            read = F.grid_sample(plane[t : t + 1], grid, padding_mode="border", align_corners=True)
            out[own] = read[0, :, 0].mT
        parts.append(out)
    return torch.stack(parts)
