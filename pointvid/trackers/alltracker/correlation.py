"""All-pairs correlation of one frame with several, and windows of it around where pixels are thought to be.

As in RAFT (Teed & Deng 2020, section 3.2). Offsets within a window are whole pixels, so all samples of a window share
their bilinear weights: one gather of (2 r + 2)^2 values and two interpolations replace (2 r + 1)^2 bilinear samples.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


class Correlation:
    """The correlation volume of `anchor` [C, h, w] with `frames` [T, C, h, w], at `levels` scales.

    Memory: T * (h w)^2 * 4/3 floats.
    """

    def __init__(self, anchor: Tensor, frames: Tensor, levels: int, radius: int) -> None:
        self.radius = radius
        left = (anchor.flatten(1) / anchor.shape[0] ** 0.5).mT.contiguous()
        self.volumes: list[Tensor] = []
        for level in range(levels):
            if level:
                frames = F.adaptive_avg_pool2d(frames, (frames.shape[-2] // 2, frames.shape[-1] // 2))
            volume = torch.matmul(left, frames.flatten(2))
            self.volumes.append(volume.unflatten(-1, frames.shape[-2:]))

    def look_up(self, uv: Tensor) -> Tensor:
        """Windows around [T, 2, h, w] (u, v): [T, levels (2 radius + 1)^2, h, w], channels last, u the slower axis.

        Coordinates outside a map read its edge.
        """
        frames, _, height, width = uv.shape
        side = 2 * self.radius + 1
        points = uv.flatten(2).mT  # T hw 2
        step = torch.arange(-self.radius, self.radius + 2, device=uv.device)
        out = uv.new_empty(frames, height * width, len(self.volumes), side, side)
        for level, volume in enumerate(self.volumes):
            rows, columns = volume.shape[-2:]
            where = points / 2**level
            base = where.floor()
            share = (where - base)[..., None, None]
            base = base.clamp(-1e6, 1e6).long()
            column = (base[..., 0, None] + step).clamp_(0, columns - 1)
            row = (base[..., 1, None] + step).clamp_(0, rows - 1)
            index = column[..., :, None] + row[..., None, :] * columns  # T hw (u) (v)
            window = volume.flatten(-2).gather(-1, index.flatten(-2)).view_as(index)
            along_u = torch.lerp(window[..., :-1, :], window[..., 1:, :], share[..., 0, :, :])
            torch.lerp(along_u[..., :-1], along_u[..., 1:], share[..., 1, :, :], out=out[..., level, :, :])
        return out.view(frames, height, width, -1).permute(0, 3, 1, 2)


class LeanCorrelation:
    """What `Correlation` gives, computed anew at each look-up, a frame at a time: 1 / T of its memory, and slower."""

    def __init__(self, anchor: Tensor, frames: Tensor, levels: int, radius: int) -> None:
        self.anchor, self.frames, self.levels, self.radius = anchor, frames, levels, radius

    def look_up(self, uv: Tensor) -> Tensor:
        """As `Correlation.look_up`."""
        found = [
            Correlation(self.anchor, frame[None], self.levels, self.radius).look_up(place[None])
            for frame, place in zip(self.frames, uv)
        ]
        return torch.cat(found)
