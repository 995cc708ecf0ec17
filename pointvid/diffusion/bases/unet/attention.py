"""Injectable layers, the one attention function, position sinusoids, and the spatial transformer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

if TYPE_CHECKING:
    from .patches import Patches

AttentionFunction = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""`attention(q [B,N,C], k [B,M,C], v [B,M,C], heads) -> [B,N,C]`; ComfyUI's `optimized_attention` is one."""

# CUDA's fused kernels put the batch in a grid dimension that ends at 65535.
_LARGEST_BATCH = 2**15
_FEW_KEYS = 128


def sdpa(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """PyTorch's scaled dot product attention; channels are split into heads: [B,N,C], [B,M,C], [B,M,C] -> [B,N,C]."""
    if q.shape[0] * heads > _LARGEST_BATCH and q.shape[0] > 1:
        size = max(1, _LARGEST_BATCH // heads)
        parts = zip(q.split(size), k.split(size), v.split(size))
        return torch.cat([sdpa(*part, heads) for part in parts])
    q, k, v = (rearrange(x, "b l (heads d) -> b heads l d", heads=heads) for x in (q, k, v))
    return rearrange(F.scaled_dot_product_attention(q, k, v), "b heads l d -> b l (heads d)")


def cpu_attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """`sdpa`, or the same written out where `sdpa` takes longer to train on a CPU: with few keys, or in half precision.

    Time of `sdpa`, forward and backward, over the written one's, at 16, 64, 256 keys: 1.3, 0.9 to 1.7, 0.4 in float32,
    9, 5, 2 in bfloat16.
    """
    if q.dtype == torch.float32 and k.shape[1] >= _FEW_KEYS:
        return sdpa(q, k, v, heads)
    q, k, v = (rearrange(x, "b l (heads d) -> b heads l d", heads=heads) for x in (q, k, v))
    weights = torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, -1)
    return rearrange(weights @ v, "b heads l d -> b l (heads d)")


def sinusoids(positions: Tensor, half: int) -> Tensor:
    """Cosines, then sines, of `positions` [N] at `half` frequencies from 1 down to 1/10000: float32 [N, 2*half]."""
    exponents = torch.arange(half, dtype=torch.float32, device=positions.device) / half
    angles = positions.float()[:, None] * torch.exp(-math.log(10000) * exponents)
    return torch.cat((angles.cos(), angles.sin()), -1)


@dataclass(frozen=True)
class Layers:
    """Where a network's parts come from: the host's casting layers or torch.nn, on which device, in which dtype."""

    operations: Any = nn
    dtype: torch.dtype | None = None
    device: torch.device | str | None = None
    attention: AttentionFunction = sdpa

    def linear(self, *args: Any, **options: Any) -> nn.Module:
        """`operations.Linear`."""
        return self.operations.Linear(*args, **options, device=self.device, dtype=self.dtype)

    def conv2d(self, *args: Any, **options: Any) -> nn.Module:
        """`operations.Conv2d`."""
        return self.operations.Conv2d(*args, **options, device=self.device, dtype=self.dtype)

    def conv3d(self, *args: Any, **options: Any) -> nn.Module:
        """`operations.Conv3d`."""
        return self.operations.Conv3d(*args, **options, device=self.device, dtype=self.dtype)

    def group_norm(self, *args: Any, **options: Any) -> nn.Module:
        """`operations.GroupNorm`."""
        return self.operations.GroupNorm(*args, **options, device=self.device, dtype=self.dtype)

    def layer_norm(self, *args: Any, **options: Any) -> nn.Module:
        """`operations.LayerNorm`."""
        return self.operations.LayerNorm(*args, **options, device=self.device, dtype=self.dtype)


class Attention(nn.Module):
    """Multi-head attention of tokens [B,N,dim] to themselves or to a context [B,M,context_dim]."""

    def __init__(self, layers: Layers, dim: int, heads: int, head_dim: int, context_dim: int | None = None):
        super().__init__()
        self.heads, self.attention = heads, layers.attention
        inner = heads * head_dim
        self.to_q = layers.linear(dim, inner, bias=False)
        self.to_k = layers.linear(context_dim or dim, inner, bias=False)
        self.to_v = layers.linear(context_dim or dim, inner, bias=False)
        self.to_out = nn.ModuleList([layers.linear(inner, dim)])  # a list only because the published keys say to_out.0

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """[B,N,dim] -> [B,N,dim]."""
        context = x if context is None else context
        x = self.attention(self.to_q(x), self.to_k(context), self.to_v(context), self.heads)
        return self.to_out[0](x)


class GEGLU(nn.Module):
    """Linear layer whose second half gates the first."""

    def __init__(self, layers: Layers, dim: int, inner: int):
        super().__init__()
        self.proj = layers.linear(dim, inner * 2)

    def forward(self, x: Tensor) -> Tensor:
        """[..., dim] -> [..., inner]."""
        x, gate = self.proj(x).chunk(2, -1)
        return x * F.gelu(gate)


class GELU(nn.Module):
    """Linear layer and GELU."""

    def __init__(self, layers: Layers, dim: int, inner: int):
        super().__init__()
        self.proj = layers.linear(dim, inner)

    def forward(self, x: Tensor) -> Tensor:
        """[..., dim] -> [..., inner]."""
        return F.gelu(self.proj(x))


class FeedForward(nn.Module):
    """Two linear layers; Identity keeps the published numbering (there is a dropout of rate 0)."""

    def __init__(self, layers: Layers, dim: int, activation: type[nn.Module] = GEGLU):
        super().__init__()
        self.net = nn.Sequential(activation(layers, dim, dim * 4), nn.Identity(), layers.linear(dim * 4, dim))

    def forward(self, x: Tensor) -> Tensor:
        """[..., dim] -> [..., dim]."""
        return self.net(x)


class TransformerBlock(nn.Module):
    """Self-attention, attention to the context (or to itself once more), feed-forward; all residual."""

    def __init__(self, layers: Layers, dim: int, heads: int, head_dim: int, context_dim: int | None = None):
        super().__init__()
        self.norm1 = layers.layer_norm(dim)
        self.attn1 = Attention(layers, dim, heads, head_dim)
        self.norm2 = layers.layer_norm(dim)
        self.attn2 = Attention(layers, dim, heads, head_dim, context_dim)
        self.norm3 = layers.layer_norm(dim)
        self.ff = FeedForward(layers, dim)

    def forward(self, x: Tensor, context: Tensor | None = None, patches: Patches | None = None) -> Tensor:
        """Tokens [N,L,dim], context [B,M,context_dim] with N a multiple of B; patches: only with a context.

        The N/B frames of a video share one context, so their tokens query it together: keys and values are computed
        once a video instead of once a frame.
        """
        if patches is not None:
            return patches.transformer(self, x, context)
        x = self.attn1(self.norm1(x)) + x
        y = self.norm2(x)
        if context is None:
            x = self.attn2(y) + x
        else:
            x = self.attn2(y.reshape(context.shape[0], -1, y.shape[-1]), context).view_as(x) + x
        return self.ff(self.norm3(x)) + x


class SpatialTransformer(nn.Module):
    """A transformer block over the pixels of each frame, with attention to the context."""

    def __init__(self, layers: Layers, channels: int, head_dim: int, context_dim: int, groups: int):
        super().__init__()
        self.norm = layers.group_norm(groups, channels, eps=1e-6)
        self.proj_in = layers.linear(channels, channels)
        block = TransformerBlock(layers, channels, channels // head_dim, head_dim, context_dim)
        self.transformer_blocks = nn.ModuleList([block])
        self.proj_out = layers.linear(channels, channels)

    def forward(self, x: Tensor, context: Tensor, patches: Patches | None = None) -> Tensor:
        """[B*T,C,H,W], context [B,M,context_dim] -> [B*T,C,H,W]."""
        y = rearrange(self.norm(x), "n c h w -> n (h w) c")
        y = self.proj_in(y)
        for block in self.transformer_blocks:
            y = block(y, context, patches)
        return x + rearrange(self.proj_out(y), "n (h w) c -> n c h w", h=x.shape[-2])
