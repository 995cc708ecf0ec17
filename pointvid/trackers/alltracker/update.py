"""One refinement step: what correlation says about the motion so far becomes new features of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import SpaceBlock, TimeBlock


class UpdateBlock(nn.Module):
    """Features of the motion [T, dim, h, w], refined.

    Args:
        correlations: channels that `Correlation.look_up` returns.
        dim: channels of features in and out; hidden: between.
        blocks: how many pairs of a block in time and a block in space.
    """

    def __init__(self, correlations: int, dim: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.motion_encoder = _MotionEncoder(correlations, hidden)
        self.compressor = nn.Conv2d(2 * dim + hidden + 2, hidden, 1)
        kinds = (TimeBlock, SpaceBlock) * blocks
        self.refine = nn.Sequential(*(kind(hidden) for kind in kinds))
        self.final_conv = nn.Conv2d(hidden, dim, 1)

    def forward(self, features: Tensor, context: Tensor, trust: Tensor, correlation: Tensor, flow: Tensor) -> Tensor:
        """All [T, C, h, w] at 1/8 size; `trust` and `flow` have 2 channels."""
        motion = self.motion_encoder(flow, correlation)
        x = self.compressor(torch.cat((features, context, motion, trust), 1))
        return self.final_conv(self.refine(x))


class _MotionEncoder(nn.Module):
    """Flow and the correlation around it -> [T, dim, h, w], the flow itself being the last 2 channels."""

    def __init__(self, correlations: int, dim: int) -> None:
        super().__init__()
        self.convc1 = nn.Conv2d(correlations, 4 * dim, 1)
        self.convc2 = nn.Conv2d(4 * dim, dim + dim // 2, 3, padding=1)
        self.convf1 = nn.Conv2d(2, 2 * dim, 5, padding=2)
        self.convf2 = nn.Conv2d(2 * dim, dim // 2, 3, padding=1)
        self.conv = nn.Conv2d(2 * dim, dim - 2, 3, padding=1)

    def forward(self, flow: Tensor, correlation: Tensor) -> Tensor:
        seen = self.convc2(self.convc1(correlation).relu_()).relu_()
        moved = self.convf2(self.convf1(flow).relu_()).relu_()
        return torch.cat((self.conv(torch.cat((seen, moved), 1)).relu_(), flow), 1)


def head(dim: int, out: int, kernel: int) -> nn.Sequential:
    """Two convolutions, the second of size `kernel`: what is read off the features."""
    return nn.Sequential(
        nn.Conv2d(dim, 2 * dim, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(2 * dim, out, kernel, padding=kernel // 2),
    )


def upsample(values: Tensor, logits: Tensor, factor: int = 8) -> Tensor:
    """Enlarge [T, C, h, w] by `factor`: each new pixel mixes the 3x3 old ones around it (RAFT, section 3.3).

    Args:
        logits: [T, 9 factor^2, h, w], softmax over the 9 neighbours gives the shares.
    Returns:
        [T, C, factor h, factor w], not scaled.
    """
    frames, channels, height, width = values.shape
    share = logits.view(frames, 9, factor**2, height * width).softmax(1)
    around = F.unfold(values, 3, padding=1).view(frames, channels, 9, 1, height * width)
    mixed = (around * share[:, None]).sum(2)
    mixed = mixed.view(frames, channels, factor, factor, height, width).permute(0, 1, 4, 2, 5, 3)
    return mixed.reshape(frames, channels, factor * height, factor * width)
