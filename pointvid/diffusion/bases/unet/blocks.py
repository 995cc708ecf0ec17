"""The blocks of one resolution: residual convolution, temporal convolution, spatial and temporal attention."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .attention import Layers, SpatialTransformer
from .config import UNetConfig
from .temporal import TemporalConv, TemporalTransformer

if TYPE_CHECKING:
    from .patches import Patches


def recomputed(enabled: bool, function: Callable[..., Tensor], *args: object) -> Tensor:
    """`function(*args)`; where enabled, its activations are not kept but computed again in the backward pass."""
    if enabled and torch.is_grad_enabled():
        # Dropout as it was: stage 2 turns it off for the rollout, and on again before the backward pass.
        module = getattr(function, "__self__", function)
        again = partial(_in_mode, module, module.training)
        return checkpoint(function, *args, use_reentrant=False, context_fn=lambda: (nullcontext(), again()))
    return function(*args)


def kept(x: Tensor, skips: list[Tensor], patches: Patches | None) -> Tensor:
    """Append a layer's output to `skips`; returns what goes on, which patches may have changed."""
    if patches is not None:
        return patches.keep(x, skips)
    skips.append(x)
    return x


@contextmanager
def _in_mode(module: nn.Module, training: bool) -> Iterator[None]:
    """The module trains, or does not, inside the block."""
    before = module.training
    module.train(training)
    try:
        yield
    finally:
        module.train(before)


class ResnetBlock(nn.Module):
    """Two convolutions of a frame with the time embedding between them, residual."""

    def __init__(self, layers: Layers, config: UNetConfig, channels: int, out_channels: int):
        super().__init__()
        self.norm1 = layers.group_norm(config.norm_num_groups, channels)
        self.conv1 = layers.conv2d(channels, out_channels, 3, padding=1)
        self.time_emb_proj = layers.linear(config.time_embed_dim, out_channels)
        self.norm2 = layers.group_norm(config.norm_num_groups, out_channels)
        self.conv2 = layers.conv2d(out_channels, out_channels, 3, padding=1)
        self.conv_shortcut = layers.conv2d(channels, out_channels, 1) if channels != out_channels else nn.Identity()

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """[B*T,C,H,W], emb [B,E] (one time a video) -> [B*T,out,H,W]."""
        y = self.conv1(F.silu(self.norm1(x)))
        time = self.time_emb_proj(F.silu(emb)).repeat_interleave(x.shape[0] // emb.shape[0], 0)
        y = y + time[:, :, None, None]
        y = self.conv2(F.silu(self.norm2(y)))
        return self.conv_shortcut(x) + y


class Downsample(nn.Module):
    """Half the resolution, rounded up."""

    def __init__(self, layers: Layers, channels: int):
        super().__init__()
        self.conv = layers.conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[N,C,H,W] -> [N,C,ceil(H/2),ceil(W/2)]."""
        return self.conv(x)


class Upsample(nn.Module):
    """The resolution of the next skip connection."""

    def __init__(self, layers: Layers, channels: int):
        super().__init__()
        self.conv = layers.conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        """[N,C,H,W] -> [N,C,*size]."""
        return self.conv(F.interpolate(x, size=size, mode="nearest"))


class _Block(nn.Module):
    """Shared by down, mid and up blocks: their parts, under the published names, and activation checkpointing."""

    checkpointing = False

    def __init__(self, layers: Layers, config: UNetConfig, sizes: list[tuple[int, int]], attentions: int):
        super().__init__()
        channels, groups, head_dim = sizes[-1][1], config.norm_num_groups, config.attention_head_dim
        self.resnets = nn.ModuleList(ResnetBlock(layers, config, *size) for size in sizes)
        self.temp_convs = nn.ModuleList(TemporalConv(layers, channels, groups) for _ in sizes)
        if attentions:
            self.attentions = nn.ModuleList(
                SpatialTransformer(layers, channels, head_dim, config.cross_attention_dim, groups)
                for _ in range(attentions)
            )
            self.temp_attentions = nn.ModuleList(
                TemporalTransformer(layers, channels, channels // head_dim, head_dim, groups) for _ in range(attentions)
            )
        self.has_attention = attentions > 0

    def convolve(self, i: int, x: Tensor, emb: Tensor, frames: int) -> Tensor:
        """Residual layer i, in space then in time."""
        return self.temp_convs[i](self.resnets[i](x, emb), frames)

    def attend(self, i: int, x: Tensor, context: Tensor, frames: int, patches: Patches | None = None) -> Tensor:
        """Attention i, in space then in time."""
        return self.temp_attentions[i](self.attentions[i](x, context, patches), frames)

    def layer(
        self, i: int, x: Tensor, emb: Tensor, context: Tensor, frames: int, patches: Patches | None = None
    ) -> Tensor:
        """Residual layer i followed by attention i, where this resolution has any."""
        x = self.convolve(i, x, emb, frames)
        return self.attend(i, x, context, frames, patches) if self.has_attention else x


class DownBlock(_Block):
    """Layers of one resolution, then half of it, except in the last block."""

    def __init__(self, layers: Layers, config: UNetConfig, channels: int, out_channels: int, attend: bool, last: bool):
        count = config.layers_per_block
        sizes = [(channels if i == 0 else out_channels, out_channels) for i in range(count)]
        super().__init__(layers, config, sizes, count if attend else 0)
        self.downsamplers = nn.ModuleList([] if last else [Downsample(layers, out_channels)])

    def forward(
        self,
        x: Tensor,
        skips: list[Tensor],
        emb: Tensor,
        context: Tensor,
        frames: int,
        patches: Patches | None = None,
    ) -> Tensor:
        """Appends every layer's output to `skips`, for the skip connections; the last one is the block's."""
        for i in range(len(self.resnets)):
            x = recomputed(self.checkpointing, self.layer, i, x, emb, context, frames, patches)
            x = kept(x, skips, patches)
        for downsample in self.downsamplers:
            x = kept(downsample(x), skips, patches)
        return x


class MidBlock(_Block):
    """Two residual layers with attention between them."""

    def __init__(self, layers: Layers, config: UNetConfig, channels: int):
        super().__init__(layers, config, [(channels, channels)] * 2, 1)

    def forward(self, x: Tensor, emb: Tensor, context: Tensor, frames: int, patches: Patches | None = None) -> Tensor:
        """[B*T,C,H,W] -> [B*T,C,H,W]."""
        x = recomputed(self.checkpointing, self.layer, 0, x, emb, context, frames, patches)
        return recomputed(self.checkpointing, self.convolve, 1, x, emb, frames)


class UpBlock(_Block):
    """Layers of one resolution, each fed a skip connection, then twice the resolution, except in the last block."""

    def __init__(
        self, layers: Layers, config: UNetConfig, below: int, out_channels: int, above: int, attend: bool, last: bool
    ):
        count = config.layers_per_block + 1
        skips = [out_channels] * (count - 1) + [above]
        sizes = [((below if i == 0 else out_channels) + skip, out_channels) for i, skip in enumerate(skips)]
        super().__init__(layers, config, sizes, count if attend else 0)
        self.upsamplers = nn.ModuleList([] if last else [Upsample(layers, out_channels)])

    def forward(
        self,
        x: Tensor,
        skips: list[Tensor],
        emb: Tensor,
        context: Tensor,
        frames: int,
        patches: Patches | None = None,
    ) -> Tensor:
        """Takes what it needs off the end of `skips`; upsamples to the size of the skip that is next then."""
        for i in range(len(self.resnets)):
            x = recomputed(self.checkpointing, self._joined_layer, i, x, skips.pop(), emb, context, frames, patches)
        for upsample in self.upsamplers:
            x = upsample(x, skips[-1].shape[-2:])
        return x

    def _joined_layer(
        self,
        i: int,
        x: Tensor,
        skip: Tensor,
        emb: Tensor,
        context: Tensor,
        frames: int,
        patches: Patches | None,
    ) -> Tensor:
        if patches is not None:
            x, skip = patches.join(x, skip)
        return self.layer(i, torch.cat((x, skip), 1), emb, context, frames, patches)
