"""The transformer that turns what is known of all tracks of a window into changes of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_EPS = 1e-6


class UpdateTransformer(nn.Module):
    """Attention along each track and across tracks, alternating, then among all tokens and a few that the clip shares.

    Attention runs in the tensors' own precision (the authors' in half).
    """

    def __init__(self, channels: int, hidden: int, out: int, depth: int, heads: int = 8, rounds: int = 3) -> None:
        super().__init__()
        self.input_transform = nn.Linear(channels, hidden)
        self.time_blocks = nn.ModuleList(_Block(hidden, heads) for _ in range(depth))
        self.space_blocks = nn.ModuleList(_Block(hidden, heads) for _ in range(depth))
        self.gnn = _Exchange(hidden, rounds)
        self.flow_head = nn.Sequential(
            nn.Linear(hidden, out), nn.ReLU(), nn.Linear(out, out), nn.ReLU(), nn.Linear(out, out)
        )

    def forward(self, tokens: Tensor, shared: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [N, S, channels] and shared ones [M, hidden] -> ([N, S, out], [M, hidden])."""
        x = self.input_transform(tokens)
        for in_time, in_space in zip(self.time_blocks, self.space_blocks):
            x = in_space(in_time(x).transpose(0, 1)).transpose(0, 1)
        refined, shared = self.gnn(x.flatten(0, 1), shared)
        return self.flow_head(refined.view(x.shape)), shared


class _Block(nn.Module):
    """Self-attention and an MLP, each after a norm without parameters: [B, L, C] -> the same."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.attn = _SelfAttention(channels, heads)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(channels, 4 * channels), "fc2": nn.Linear(4 * channels, channels)})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(F.layer_norm(x, x.shape[-1:], eps=_EPS))
        y = self.mlp["fc1"](F.layer_norm(x, x.shape[-1:], eps=_EPS))
        return x + self.mlp["fc2"](F.gelu(y, approximate="tanh"))


class _SelfAttention(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(_attend(*self.qkv(x).chunk(3, -1), self.heads))


class _Exchange(nn.Module):
    """Two sets of tokens look at themselves, then at each other, a few times over (after LoFTR, Sun et al. 2021)."""

    def __init__(self, channels: int, rounds: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Message(channels) for _ in range(2 * rounds))

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        for inward, across in zip(self.layers[::2], self.layers[1::2]):
            first, second = inward(first, first), inward(second, second)
            first = across(first, second)
            second = across(second, first)
        return first, second


class _Message(nn.Module):
    """What [L, C] learns from a source [M, C]."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(channels, channels, bias=False)
        self.k_proj = nn.Linear(channels, channels, bias=False)
        self.v_proj = nn.Linear(channels, channels, bias=False)
        self.merge = nn.Linear(channels, channels, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * channels, 2 * channels, bias=False),
            nn.ReLU(),
            nn.Linear(2 * channels, channels, bias=False),
        )
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        parts = (self.q_proj(x), self.k_proj(source), self.v_proj(source))
        message = _attend(*(part[None] for part in parts), self.heads)[0]
        message = self.norm1(self.merge(message))
        return x + self.norm2(self.mlp(torch.cat((x, message), -1)))


def _attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Scaled dot-product attention of [B, L, C], heads being slices of the channels."""
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
