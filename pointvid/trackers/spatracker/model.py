"""The network: a window of frames with depth slides over the clip and refines the tracks it meets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...progress import Progress, silent
from ..residual_encoder import ResidualEncoder
from .correlation import LocalCorrelation
from .embedding import fourier, motion_embedding, position, sincos
from .planes import Planes, sample_at, splat
from .transformer import UpdateTransformer

UNUSED = ("embedProj.", "updateformer.RigidProj.", "updateformer.Proj.", "updateformer.se3_dec.")
"""Beginnings of keys that the published weights hold and inference has no use for."""

_NEAREST = 0.01
"""Smaller depths do not count for the clip's range."""

_SHARED, _START, _SEEN = 100, 0.1, 10.0


@dataclass(frozen=True)
class SpaTrackerConfig:
    """Sizes of the network; the defaults are those of the published weights.

    Attributes:
        window: frames refined together, even; no parameter depends on it.
        stride: of the features, in pixels.
        depth: blocks in time, and as many in space.
        dim: channels of features; hidden: of tokens.
        levels, radius: of the correlation.
    """

    window: int = 12
    stride: int = 4
    depth: int = 6
    dim: int = 128
    hidden: int = 384
    levels: int = 4
    radius: int = 3

    @property
    def channels(self) -> int:
        """Of the transformer's input: motion, correlation, features, mask and visibility; a multiple of 4."""
        return self.dim + 2 + self.levels * (2 * self.radius + 1) ** 2 + self.dim + 2


class SpaTrackerNet(nn.Module):
    """Published state dicts fit, less UNUSED; made for inference."""

    def __init__(self, config: SpaTrackerConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.fnet = ResidualEncoder(dim, config.stride)
        self.embedConv = nn.Conv2d(dim + 63, dim, 3, padding=1)
        self.headyz = _plane_head(dim)
        self.headxz = _plane_head(dim)
        self.zeroMLPflow = nn.Linear(195, dim + 2)
        self.updateformer = UpdateTransformer(config.channels, config.hidden, dim + 3, config.depth)
        self.norm = nn.GroupNorm(1, dim)
        self.ffeat_updater = nn.Sequential(nn.Linear(dim, dim), nn.GELU())
        self.ffeatyz_updater = nn.Sequential(nn.Linear(dim, dim), nn.GELU())
        self.ffeatxz_updater = nn.Sequential(nn.Linear(dim, dim), nn.GELU())
        self.vis_predictor = nn.Sequential(nn.Linear(dim, 1))

    @torch.no_grad()
    def forward(
        self, images: Tensor, depth: Tensor, queries: Tensor, steps: int = 6, progress: Progress = silent
    ) -> tuple[Tensor, Tensor]:
        """Follow points through a clip.

        Args:
            images: float32 [T, 3, H, W] in 0..255.
            depth: float32 [T, H, W], with more than one value above 0.01.
            queries: float32 [N, 4]: frame (whole), u, v in pixels, depth; at least one of frame 0.
            steps: refinement steps of each window.
        Returns:
            (uvd [T, N, 3] in pixels and depth, visibility [T, N] in 0..1); zeros (and 0.5) before a query's window.
        """
        if not (queries[:, 0] == 0).any():
            raise ValueError("no query is of frame 0, expected at least one")
        frames, half, size = len(images), self.config.window // 2, images.shape[-2:]
        volume = _Volume.of(depth, size[1] // self.config.stride, self.config.stride)
        first, order = queries[:, 0].long().sort(stable=True)
        start = volume.to_cells(queries[order, 1:])
        uvd = start.new_zeros(frames, len(queries), 3)
        seen = start.new_zeros(frames, len(queries))
        # Which frames of a track are new to the network. Columns are in the caller's order while the tracks are sorted
        # by frame: so the authors' implementation does it, and so the weights are used.
        fresh = (torch.arange(frames, device=images.device)[:, None] >= queries[:, 0].long()).float()
        shared = start.new_full((_SHARED, self.config.hidden), _START)
        maps, features, known = None, start.new_zeros(3, 0, self.config.dim), 0
        place, trust = start.new_zeros(0), start.new_zeros(0)
        begins = range(0, max(frames - half, 1), half)
        for number, begin in enumerate(begins):
            progress(number, len(begins), "tracking")
            span = slice(begin, min(begin + self.config.window, frames))
            count = int((first < begin + self.config.window).sum())
            maps, z = self._maps(images[span], depth[span], volume, maps)
            planes = self._planes(maps, z, volume.bins)
            new = slice(known, count)
            features = torch.cat((features, sample_at(planes, first[new] - begin, start[new])), 1)
            window = self.config.window
            before = torch.cat((_held(place, half), start[new].expand(window, -1, -1)), 1) if known else None
            sure = torch.cat((_held(trust, half), start.new_full((window, count - known), _SEEN)), 1) if known else None
            place = start[:count].expand(window, -1, -1) if before is None else before
            trust = start.new_full((window, count), _SEEN) if sure is None else sure
            place, trust, shared = self._refine(
                planes, features, place, trust, _lengthened(fresh[span, :count], window), shared, steps
            )
            uvd[span, :count] = volume.from_cells(place)[: span.stop - begin]
            seen[span, :count] = trust[: span.stop - begin]
            fresh[: span.stop, :count] = 0
            known = count
        progress(len(begins), len(begins), "tracking")
        back = order.argsort()
        return uvd[:, back], seen[:, back].sigmoid()

    def _maps(self, images: Tensor, depth: Tensor, volume: _Volume, maps: Tensor | None) -> tuple[Tensor, Tensor]:
        """Features [S, C, h, w] of a window, the first half taken from the last window's, and depth in bins."""
        window, stride = self.config.window, self.config.stride
        images, depth = _lengthened(images, window, last=True), _lengthened(depth, window, last=True)
        z = volume.to_bins(F.interpolate(volume.normalised(depth)[:, None], scale_factor=1 / stride)[:, 0])
        count = window if maps is None else window // 2
        place = fourier(_unit_cube(z))[-count:].permute(0, 3, 1, 2)
        seen = self.fnet(2 * (images[-count:] / 255) - 1)
        found = self.embedConv(torch.cat((seen, place), 1))
        return (found if maps is None else torch.cat((maps[-count:], found))), z

    def _planes(self, maps: Tensor, z: Tensor, bins: int) -> Planes:
        return Planes(maps, self.headyz(splat(maps, z, bins, 1)), self.headxz(splat(maps, z, bins, 0)))

    def _refine(
        self,
        planes: Planes,
        features: Tensor,
        place: Tensor,
        trust: Tensor,
        fresh: Tensor,
        shared: Tensor,
        steps: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Improve the tracks of a window.

        Args:
            features: [3, N, C], of each point on each plane at its query.
            place: [S, N, 3], in cells; trust: [S, N], logits of visibility; fresh: [S, N].
            shared: [M, hidden] tokens.
        Returns:
            (place, trust, shared)
        """
        frames, channels = len(place), self.config.channels
        correlation = LocalCorrelation(planes, self.config.levels, self.config.radius)
        where = position(place[0, :, :2], tuple(planes.xy.shape[-2:]), channels)[None]
        when = sincos(torch.arange(frames, device=place.device), channels, place.dtype)[:, None]
        # The weights were trained with these two laid end to end and cut into pairs: the first half of the tracks sees
        # masks of two tracks, the second half visibilities. Whoever pairs them properly feeds the network noise.
        state = torch.cat((fresh, trust), 1).mT.reshape(-1, frames, 2).transpose(0, 1)
        features = features[:, None].expand(-1, frames, -1, -1)
        updaters = (self.ffeat_updater, self.ffeatyz_updater, self.ffeatxz_updater)
        for _ in range(steps):
            moved = self.zeroMLPflow(motion_embedding(place - place[:1]))
            tokens = torch.cat((moved, correlation.look_up(features, place), features.sum(0), state), -1)
            change, token = self.updateformer((tokens + where + when).transpose(0, 1), shared)
            change = change.transpose(0, 1)
            shared = shared + token / 100
            place = place + change[..., :3]
            learned = self.norm(change[..., 3:].reshape(-1, self.config.dim)).view(features.shape[1:])
            features = features + torch.stack([update(learned) for update in updaters])
        return place, self.vis_predictor(features.sum(0))[..., 0], shared


@dataclass(frozen=True)
class _Volume:
    """How pixels and depth become cells: the clip's range of depth is divided into `bins`."""

    near: float
    far: float
    bins: int
    stride: int

    @classmethod
    def of(cls, depth: Tensor, bins: int, stride: int) -> _Volume:
        counted = depth[depth > _NEAREST]
        if not len(counted) or counted.min() == counted.max():
            raise ValueError("depth has one value or none above 0.01, expected a range")
        return cls(counted.min().item(), counted.max().item(), bins, stride)

    def normalised(self, depth: Tensor) -> Tensor:
        return (depth - self.near) / (self.far - self.near)

    def to_bins(self, share: Tensor) -> Tensor:
        return share * self.bins

    def to_cells(self, uvd: Tensor) -> Tensor:
        return torch.cat((uvd[..., :2] / self.stride, self.to_bins(self.normalised(uvd[..., 2:]))), -1)

    def from_cells(self, xyz: Tensor) -> Tensor:
        depth = xyz[..., 2:] / self.bins * (self.far - self.near) + self.near
        return torch.cat((xyz[..., :2] * self.stride, depth), -1)


def _unit_cube(z: Tensor) -> Tensor:
    """Cells of all frames [S, h, w] of depth -> their places [S, h, w, 3], each axis stretched to -1..1."""
    frames, height, width = z.shape
    x = torch.arange(width, device=z.device, dtype=z.dtype).expand(frames, height, width)
    y = torch.arange(height, device=z.device, dtype=z.dtype)[:, None].expand(frames, height, width)
    axes = ((axis - axis.min()) / (axis.max() - axis.min()) for axis in (x, y, z))
    return 2 * (torch.stack(tuple(axes), -1) - 0.5)


def _plane_head(dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(dim, dim, 3, padding=1), nn.ReLU(), nn.Conv2d(dim, dim, 3, padding=1))


def _held(values: Tensor, half: int) -> Tensor:
    """The second half of a window [S, ...] moved to the front; its last frame held for the rest."""
    return torch.cat((values[half:], values[-1:].expand(half, *values.shape[1:])))


def _lengthened(values: Tensor, count: int, last: bool = False) -> Tensor:
    """[T, ...] made `count` long with zeros, or with the last one."""
    rest = count - len(values)
    tail = values[-1:].expand(rest, *values.shape[1:]) if last else values.new_zeros(rest, *values.shape[1:])
    return torch.cat((values, tail))
