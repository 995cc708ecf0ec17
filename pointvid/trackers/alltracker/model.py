"""The network: windows of a clip in, motion of every pixel of frame 0 out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...memory import free_cached, is_out_of_memory
from ..residual_encoder import ResidualEncoder
from .correlation import Correlation, LeanCorrelation
from .encoder import ConvNeXtEncoder
from .update import UpdateBlock, head, upsample

STRIDE = 8
_MULTIPLE = 64
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class AllTrackerConfig:
    """Sizes of the network; the defaults are those of the published weights.

    Attributes:
        small: the small model: a residual encoder, whose features serve matching and context alike.
        window: frames refined together, even and at least 4; the next window starts half of it later.
        dim, hidden: channels of features and within the update; both a multiple of 8.
        levels, radius: of the correlation.
        blocks: pairs of time and space blocks in the update.
    """

    small: bool = False
    window: int = 16
    dim: int = 128
    hidden: int = 128
    levels: int = 5
    radius: int = 4
    blocks: int = 3

    @property
    def smallest(self) -> int:
        """Shortest side, in pixels, that leaves the coarsest correlation at least one value."""
        return STRIDE * 2 ** (self.levels - 1)


class AllTrackerNet(nn.Module):
    """Published state dicts fit; made for inference."""

    def __init__(self, config: AllTrackerConfig) -> None:
        super().__init__()
        self.config = config
        self.lean = False
        dim = config.dim
        if config.small:
            self.fnet = ResidualEncoder(dim, STRIDE)
        else:
            self.cnn = ConvNeXtEncoder()
            self.dot_conv = nn.Conv2d(ConvNeXtEncoder.channels, 2 * dim, 1)
        correlations = config.levels * (2 * config.radius + 1) ** 2
        self.update_block = UpdateBlock(correlations, dim, config.hidden, config.blocks)
        self.upsample_weight = head(dim, 9 * STRIDE**2, 1)
        self.flow_head = head(dim, 2, 3)
        self.visconf_head = head(dim, 2, 3)
        self.register_buffer("time_emb", _time_embedding(config.window, dim))
        self.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def forward(self, frames: Iterable[Tensor], steps: int = 4) -> Iterator[tuple[Tensor, Tensor]]:
        """Follow the pixels of the first frame.

        Args:
            frames: float32 [3, H, W] in 0..255, one by one; at least 2, of one size.
            steps: refinement steps of each window.
        Yields:
            For each frame: (flow [2, H, W] (u, v) in pixels since frame 0, trust [2, H, W] in 0..1: visible,
            confident). A window's frames come as soon as it is done.
        """
        frames = iter(frames)
        window = self.config.window
        images = [image for _, image in zip(range(window), frames)]
        if len(images) < 2:
            raise ValueError(f"{len(images)} frames, expected at least 2")
        pad = _Padding(images[0].shape[-2:])
        count = len(images)
        features = self.encode(torch.stack([pad.add(image) for image in images]))
        anchor = features[0]
        if count == 2:
            yield torch.zeros_like(images[0][:2]), torch.ones_like(images[0][:2])
            flow, trust = self._start(features[1:])
            yield from self._read(*self._refine_in_memory(anchor, features[1:], flow, trust, steps), 1, pad)
            return
        features = _filled(features, window)
        flow, trust = self._start(features)
        done = 0
        while True:
            flow, trust, moving = self._refine_in_memory(anchor, features, flow, trust, steps)
            yield from self._read(flow[done:count], trust[done:count], moving[done:count], count - done, pad)
            done = window // 2
            images = [image for _, image in zip(range(done), frames)]
            if not images:
                return
            count = done + len(images)
            fresh = self.encode(torch.stack([pad.add(image) for image in images]))
            features = _filled(torch.cat((features[done:], fresh)), window)
            flow, trust = _filled(flow[done:], window), _filled(trust[done:], window)

    def encode(self, images: Tensor) -> Tensor:
        """Images [T, 3, H, W] in 0..255 -> features [T, C, H / 8, W / 8]."""
        mean, std = (images.new_tensor(values)[:, None, None] for values in (_MEAN, _STD))
        images = ((images / 255 - mean) / std).contiguous(memory_format=torch.channels_last)
        return self.fnet(images) if self.config.small else self.dot_conv(self.cnn(images))

    def _refine_in_memory(self, *inputs: Any) -> tuple[Tensor, Tensor, Tensor]:
        """As `refine`; where the correlations of a window do not fit into memory, frame by frame from then on."""
        if not self.lean:
            try:
                return self.refine(*inputs)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            # Outside of the except block, which keeps what filled the memory alive.
            free_cached()
            self.lean = True
        return self.refine(*inputs)

    def refine(
        self, anchor: Tensor, features: Tensor, flow: Tensor, trust: Tensor, steps: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Improve the motion of one window.

        Args:
            anchor: features [C, h, w] of frame 0.
            features: [T, C, h, w] of the window.
            flow, trust: [T, 2, h, w], where to begin; flow in pixels of this size, trust in logits.
        Returns:
            (flow, trust, features of the motion [T, dim, h, w])
        """
        frames, height, width = len(features), *features.shape[-2:]
        config = self.config
        moving, context = (anchor, anchor) if config.small else anchor.split(config.dim)
        moving = moving.expand(frames, -1, -1, -1)
        context = context + self._time(frames)[:, :, None, None]
        correlation = (LeanCorrelation if self.lean else Correlation)(anchor, features, config.levels, config.radius)
        v, u = torch.meshgrid(
            torch.arange(height, dtype=flow.dtype, device=flow.device),
            torch.arange(width, dtype=flow.dtype, device=flow.device),
            indexing="ij",
        )
        grid = torch.stack((u, v))
        for _ in range(steps):
            moving = self.update_block(moving, context, trust, correlation.look_up(grid + flow), flow)
            flow = flow + self.flow_head(moving)
            trust = trust + self.visconf_head(moving)
        return flow, trust, moving

    def _read(
        self, flow: Tensor, trust: Tensor, moving: Tensor, count: int, pad: _Padding
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The results at full size, a frame at a time."""
        for t in range(count):
            logits = 0.25 * self.upsample_weight(moving[t : t + 1])
            # The published weights were trained with trust enlarged like flow: its logits, too, times the stride.
            large = upsample(STRIDE * torch.cat((flow[t : t + 1], trust[t : t + 1]), 1), logits.contiguous())[0]
            large = pad.remove(large)
            yield large[:2], large[2:].sigmoid()

    def _start(self, features: Tensor) -> tuple[Tensor, Tensor]:
        zero = features.new_zeros(len(features), 2, *features.shape[-2:])
        return zero, zero

    def _time(self, frames: int) -> Tensor:
        """[T, dim]: a whole window, or the single frame of a pair."""
        return self.time_emb[0] if frames > 1 else self.time_emb[0, 1:2]


class _Padding:
    """Edges repeated on all sides until both are multiples of 64, as the weights were trained with."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.height, self.width = size
        down, right = -self.height % _MULTIPLE, -self.width % _MULTIPLE
        self.top, self.left = down // 2, right // 2
        self.bottom, self.right = down - self.top, right - self.left

    def add(self, image: Tensor) -> Tensor:
        return F.pad(image[None], (self.left, self.right, self.top, self.bottom), mode="replicate")[0]

    def remove(self, image: Tensor) -> Tensor:
        return image[..., self.top : self.top + self.height, self.left : self.left + self.width]


def _filled(values: Tensor, count: int) -> Tensor:
    """[T, ...] made `count` long by repeating the last."""
    return torch.cat((values, values[-1:].expand(count - len(values), *values.shape[1:])))


def _time_embedding(frames: int, dim: int) -> Tensor:
    """[1, T, dim]: sines, then cosines, of geometrically falling frequencies."""
    rate = 10000 ** -(torch.arange(dim // 2, dtype=torch.float64) / (dim / 2))
    angle = torch.arange(frames, dtype=torch.float64)[:, None] * rate
    return torch.cat((angle.sin(), angle.cos()), 1).float()[None]
