"""The cross-attention between the video and the point half of a latent, before the first convolution.

The paper says one layer at the UNet's entry between "corresponding channels" of the two halves (section 3.2, figure 3)
and leaves tokens, heads and position encoding open. `spatial` is the default; the others exist to be compared.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from .attention import Layers, sinusoids

ENTRY_ATTENTIONS = ("spatial", "temporal", "channel", "none")
_FREQUENCIES = 4  # a position's sinusoids per axis have wavelengths of 6 to 6000 latent pixels or frames


class EntryAttention(nn.Module):
    """Each half adds what it attends to in the other: [B,2C,T,h,w] -> [B,2C,T,h,w].

    Args:
        layers: where linear layers come from.
        channels: C, of one half.
        tokens: "spatial": the pixels of one frame; "temporal": the frames of one pixel; "channel": the projected
            channels, compared over all pixels of the clip (cross-covariance attention, arXiv 2106.09681).
        heads, head_dim: size.
    """

    def __init__(self, layers: Layers, channels: int, tokens: str, heads: int, head_dim: int):
        super().__init__()
        self.tokens = tokens
        axes = {"spatial": 2, "temporal": 1, "channel": 0}[tokens]
        kind = ChannelAttention if tokens == "channel" else PositionedAttention
        self.video_from_point = kind(layers, channels, heads, head_dim, axes)
        self.point_from_video = kind(layers, channels, heads, head_dim, axes)

    def forward(self, x: Tensor) -> Tensor:
        """Both directions read the untouched halves."""
        b, _, t, h, w = x.shape
        if self.tokens == "temporal":
            tokens, positions = rearrange(x, "b c t h w -> (b h w) t c"), _positions(x, t)
        elif self.tokens == "spatial":
            tokens, positions = rearrange(x, "b c t h w -> (b t) (h w) c"), _positions(x, h, w)
        else:
            tokens, positions = rearrange(x, "b c t h w -> b (t h w) c"), None
        video, point = tokens.chunk(2, -1)
        change = torch.cat(
            (self.video_from_point(video, point, positions), self.point_from_video(point, video, positions)), -1
        )
        if self.tokens == "temporal":
            return x + rearrange(change, "(b h w) t c -> b c t h w", b=b, h=h, w=w)
        return x + (
            rearrange(change, "(b t) (h w) c -> b c t h w", b=b, h=h)
            if self.tokens == "spatial"
            else rearrange(change, "b (t h w) c -> b c t h w", t=t, h=h)
        )


class PositionedAttention(nn.Module):
    """Attention whose queries and keys also see where, or when, their token is."""

    def __init__(self, layers: Layers, channels: int, heads: int, head_dim: int, axes: int):
        super().__init__()
        self.heads, self.attention = heads, layers.attention
        inner, positioned = heads * head_dim, channels + axes * 2 * _FREQUENCIES
        self.to_q = layers.linear(positioned, inner, bias=False)
        self.to_k = layers.linear(positioned, inner, bias=False)
        self.to_v = layers.linear(channels, inner, bias=False)
        self.to_out = layers.linear(inner, channels)

    def forward(self, x: Tensor, other: Tensor, positions: Tensor) -> Tensor:
        """[N,L,C] of one half, [N,L,C] of the other, positions [L,P] -> [N,L,C]."""
        positions = positions.expand(x.shape[0], -1, -1)
        q, k = self.to_q(torch.cat((x, positions), -1)), self.to_k(torch.cat((other, positions), -1))
        return self.to_out(self.attention(q, k, self.to_v(other), self.heads))


class ChannelAttention(nn.Module):
    """Attention between projected channels: each weighs the other half's by their correlation over the clip."""

    def __init__(self, layers: Layers, channels: int, heads: int, head_dim: int, axes: int):
        super().__init__()
        self.heads = heads
        inner = heads * head_dim
        self.to_q, self.to_k, self.to_v = (layers.linear(channels, inner, bias=False) for _ in range(3))
        self.to_out = layers.linear(inner, channels)

    def forward(self, x: Tensor, other: Tensor, positions: None) -> Tensor:
        """[B,L,C] of one half, [B,L,C] of the other -> [B,L,C]."""
        q, k, v = (
            rearrange(layer(tokens), "b l (heads d) -> b heads d l", heads=self.heads)
            for layer, tokens in ((self.to_q, x), (self.to_k, other), (self.to_v, other))
        )  # each [B,heads,head_dim,L]
        # Divided before the product: a sum over 1e4 and more pixels overflows fp16.
        weights = torch.softmax((q / q.shape[-1]) @ k.transpose(-1, -2), -1)
        return self.to_out(rearrange(weights @ v, "b heads d l -> b l (heads d)"))


def _positions(like: Tensor, *sizes: int) -> Tensor:
    """Sinusoids of every cell of a grid, row order: [prod(sizes), len(sizes)*2*_FREQUENCIES]."""
    axes = torch.meshgrid(*(torch.arange(size, device=like.device) for size in sizes), indexing="ij")
    return torch.cat([sinusoids(axis.flatten(), _FREQUENCIES) for axis in axes], -1).to(like.dtype)
