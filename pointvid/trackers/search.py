"""Finding again what was lost: patches compared everywhere in a window, and neighbours that vote."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .anchors import Anchors
from .patches import Pyramid, lookup, scaled, to_level

_LEVEL = 1
_VOTERS = 16
_MET = 0.3
"""Correlation from which a place counts at all."""


def search(
    now: Pyramid,
    anchors: Anchors,
    start: Tensor,
    warp: Tensor,
    which: Tensor,
    neighbours: Tensor,
    belief: Tensor,
    reach: float,
) -> tuple[Tensor, Tensor]:
    """Where the patches `which` [n], and those of lost neighbours that move with them, look most alike.

    Args:
        now: as for `Anchors.find`.
        start: float32 [n, 2], where to look; of points that move alike it must be wrong alike.
        warp: float32 [n, 2, 2], since frame 0.
        neighbours, belief: [N, K] of all points; the nearest of them vote, if they are lost too.
        reach: how far to look, pixels.
    Returns:
        (uv [n, 2] to a pixel or two, support [n] in [0, 1]: how well own patch and voters fit there)
    """
    if not len(which):
        return start, start.new_zeros(0)
    level = min(_LEVEL, len(anchors.levels) - 1)
    span = max(int(reach / 2**level), 2)
    maps = torch.cat(
        [
            _map(now[level], anchors, level, uv, a, index, span)
            for uv, a, index in zip(start.split(64), warp.split(64), which.split(64))
        ]
    )
    size = 2 * span + 1
    loose = F.max_pool2d(maps[:, None], 5, 1, 2)[:, 0].flatten(1)
    row = torch.full((len(neighbours),), -1, device=which.device)
    row[which] = torch.arange(len(which), device=which.device)
    voters = row[neighbours[which, 1 : 1 + _VOTERS]]
    trust = torch.where(voters >= 0, belief[which, 1 : 1 + _VOTERS], 0.0).clamp(min=0) ** 2
    votes = torch.cat(
        [torch.bmm(w[:, None], loose[v.clamp(min=0)])[:, 0] for w, v in zip(trust.split(64), voters.split(64))]
    )
    total = (0.7 * maps.flatten(1) + votes) / (0.7 + trust.sum(1, keepdim=True))
    # Fewer voters prove less.
    support, best = total.max(1)
    support = support * (1 - torch.exp(-(0.5 + trust.sum(1)) / 2))
    shift = torch.stack((best % size - span, best // size - span), -1).float() * 2**level
    return start + (warp @ anchors.unwarp[which] @ shift[..., None])[..., 0], support


def _map(image: Tensor, anchors: Anchors, level: int, uv: Tensor, a: Tensor, which: Tensor, span: int) -> Tensor:
    """How far correlation exceeds `_MET`, [n, S, S] with S = 2 span + 1, at shifts along the patches' own axes."""
    templates = anchors.levels[level].select(which)
    side = round(len(templates.offsets) ** 0.5)
    margin = anchors.radius
    line = torch.arange(-span - margin, span + margin + 1, device=uv.device, dtype=torch.float32)
    v, u = torch.meshgrid(line, line, indexing="ij")
    offsets = torch.stack((u, v), -1).reshape(-1, 2) @ (a @ anchors.unwarp[which]).mT
    window = lookup(image, to_level(uv, level)[:, None], scaled(offsets, image))
    channels, count = window.shape[:2]
    window = window.view(channels, count, len(line), len(line)) - 0.5
    kernel = templates.kernel[..., 0].view(count, channels, side, side)
    weight = templates.weight.view(1, 1, side, side)
    energy = match = window.new_zeros(())
    for c in range(channels):
        plane = window[c]
        mean = F.conv2d(plane[:, None], weight, dilation=anchors.step)[:, 0]
        energy = energy + F.conv2d(plane.square()[:, None], weight, dilation=anchors.step)[:, 0] - mean.square()
        match = match + F.conv2d(plane[None], kernel[:, c : c + 1], dilation=anchors.step, groups=count)[0]
    return (match * (energy.clamp(min=0) + 1e-5).rsqrt() - _MET).clamp(min=0) / (1 - _MET)
