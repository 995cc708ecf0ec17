"""The convolutional frame encoder of AllTracker's small model and of SpaTracker: residual stages, fused at one scale.

After RAFT's encoder (Teed & Deng 2020), with the four stages joined as PIPs does (Harley et al. 2022). Instance norms
have no parameters, so the state dict holds convolutions alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualEncoder(nn.Module):
    """Images [N, 3, H, W] -> features [N, dim, H // stride, W // stride].

    Args:
        dim: channels out; also sets the widths of the stages.
        stride: of the features, in pixels.
    """

    def __init__(self, dim: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        widths = (dim // 2, dim // 4 * 3, dim, dim)
        self.conv1 = nn.Conv2d(3, widths[0], 7, stride=2, padding=3)
        self.layer1 = _stage(widths[0], widths[0], 1)
        self.layer2 = _stage(widths[0], widths[1], 2)
        self.layer3 = _stage(widths[1], widths[2], 2)
        self.layer4 = _stage(widths[2], widths[3], 2)
        self.conv2 = nn.Conv2d(sum(widths), 2 * dim, 3, padding=1)
        self.conv3 = nn.Conv2d(2 * dim, dim, 1)

    def forward(self, images: Tensor) -> Tensor:
        """As the class says."""
        size = (images.shape[-2] // self.stride, images.shape[-1] // self.stride)
        x = F.instance_norm(self.conv1(images)).relu_()
        scales = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            scales.append(F.interpolate(x, size, mode="bilinear", align_corners=True))
        return self.conv3(F.instance_norm(self.conv2(torch.cat(scales, 1))).relu_())


class _Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a strided 1x1 convolution where the size changes."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride=stride)) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.instance_norm(self.conv1(x)).relu_()
        y = F.instance_norm(self.conv2(y)).relu_()
        if self.downsample is not None:
            x = F.instance_norm(self.downsample(x))
        return (x + y).relu_()


def _stage(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_Block(before, after, stride), _Block(after, after, 1))
