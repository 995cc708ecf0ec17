"""From one frame to the next: pyramidal Lucas-Kanade with patches of the last frame."""

from __future__ import annotations

import torch
from torch import Tensor

from .alignment import align, correlate, make_templates
from .patches import Pyramid, from_level, square, to_level, with_gradient


def chain(
    before: Pyramid, now: Pyramid, uv: Tensor, velocity: Tensor, turn: Tensor, radius: int, chunk: int
) -> tuple[Tensor, Tensor]:
    """From the last frame to this one, coarse to fine.

    Args:
        before, now: grey pyramids of the two frames.
        uv, velocity: float32 [N, 2], pixels; turn: float32 [N, 2, 2], the warp expected.
    Returns:
        (uv [N, 2], correlation [N])
    """
    shape = square(radius, uv.device)
    images = [(with_gradient(old), new) for old, new in zip(before, now)]
    found = []
    for parts in zip(uv.split(chunk), velocity.split(chunk), turn.split(chunk)):
        found.append(_chain(images, *parts, shape))
    if not found:
        return uv, uv.new_zeros(0)
    return torch.cat([uv for uv, _ in found]), torch.cat([score for _, score in found])


def _chain(
    images: list[tuple[Tensor, Tensor]], uv: Tensor, velocity: Tensor, turn: Tensor, shape: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    ahead = there = uv + velocity
    for level in reversed(range(len(images))):
        old, new = images[level]
        templates = make_templates(old, to_level(uv, level), *shape)
        start = to_level(there, level)
        if level == len(images) - 1:
            still = to_level(uv, level)
            stayed = correlate(new, templates, still) > correlate(new, templates, start, turn)
            start = torch.where(stayed[:, None], still, start)
        start, score = align(new, templates, start, turn)
        there = from_level(start, level)
        if level < 2:
            # Coarse patches follow whatever is large. A small or plain thing beside it kept its course.
            kept_score = score.clone()
            apart = ((there - ahead).norm(dim=-1) > 0.5).nonzero()[:, 0]
            if len(apart):
                kept, kept_score[apart] = align(
                    new, templates.select(apart), to_level(ahead[apart], level), turn[apart]
                )
                ahead[apart] = from_level(kept, level)
            same = torch.ones_like(score, dtype=torch.bool)
            same[apart] = False
            ahead = torch.where(same[:, None], there, ahead)
    kept = kept_score > score - 0.02
    return torch.where(kept[:, None], ahead, there), torch.where(kept, kept_score, score)
