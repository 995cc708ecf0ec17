"""Blocks that refine feature maps in space and in time. Maps are [N, C, H, W] in channels-last memory throughout."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_EPS = 1e-6


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of [N, C, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """As the class says."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SpaceBlock(nn.Module):
    """ConvNeXt's block (Liu et al. 2022): 7x7 depthwise convolution, then a pixel's own MLP, scaled, plus the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # The places of the published state dict; what lies between has no parameters.
        self.block = nn.ModuleDict(
            {
                "0": nn.Conv2d(channels, channels, 7, padding=3, groups=channels),
                "2": nn.LayerNorm(channels, eps=_EPS),
                "3": nn.Linear(channels, 4 * channels),
                "5": nn.Linear(4 * channels, channels),
            }
        )
        self.layer_scale = nn.Parameter(torch.full((channels, 1, 1), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same."""
        y = self.block["2"](self.block["0"](x).permute(0, 2, 3, 1))
        y = self.block["5"](F.gelu(self.block["3"](y)))
        return torch.addcmul(x.permute(0, 2, 3, 1), y, self.layer_scale[:, 0, 0]).permute(0, 3, 1, 2)


class TimeBlock(nn.Module):
    """A transformer block over the frames of each pixel, scaled, plus the input."""

    def __init__(self, channels: int, heads: int = 8) -> None:
        super().__init__()
        self.block = _Transformer(channels, heads)
        self.layer_scale = nn.Parameter(torch.full((channels, 1), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """[T, C, H, W], the frames of one clip, -> the same."""
        frames, channels, height, width = x.shape
        pixels = x.permute(2, 3, 0, 1).reshape(height * width, frames, channels)
        pixels = torch.addcmul(pixels, self.block(pixels), self.layer_scale[:, 0])
        return pixels.view(height, width, frames, channels).permute(2, 3, 0, 1).contiguous(memory_format=_LAST)


class _Transformer(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.attn = _Attention(channels, heads)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(channels, 4 * channels), "fc2": nn.Linear(4 * channels, channels)})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(F.layer_norm(x, x.shape[-1:], eps=_EPS))
        y = self.mlp["fc1"](F.layer_norm(x, x.shape[-1:], eps=_EPS))
        return x + self.mlp["fc2"](F.gelu(y, approximate="tanh"))


class _Attention(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels)
        self.to_kv = nn.Linear(channels, 2 * channels)
        self.to_out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        key, value = self.to_kv(x).chunk(2, -1)
        parts = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.to_q(x), key, value))
        return self.to_out(F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2))


_LAST = torch.channels_last
