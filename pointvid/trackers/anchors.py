"""The patches that positions are measured against: of frame 0, renewed where a point came to look too different."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .alignment import Templates, align, align_affine, make_templates
from .patches import Pyramid, from_level, square, to_level, with_gradient


@dataclass(eq=False)
class Anchors:
    """Templates of N points at a few pyramid levels, the finest first.

    `unwarp` [N, 2, 2] undoes the warp since frame 0 that a patch was cut under; `first` are the patches of frame 0.
    """

    levels: list[Templates]
    first: list[Templates]
    unwarp: Tensor
    radius: int
    step: int
    chunk: int

    @classmethod
    def cut(cls, image: Pyramid, uv: Tensor, radius: int, step: int, chunk: int) -> Anchors:
        """The patches around `uv` [N, 2] in these levels."""
        unwarp = torch.eye(2, device=uv.device).repeat(len(uv), 1, 1)
        levels = _templates(image, uv, radius, step, chunk)
        return cls(levels, [Templates.cat([level]) for level in levels], unwarp, radius, step, chunk)

    def renew(self, image: Pyramid, uv: Tensor, warp: Tensor, index: Tensor) -> None:
        """Cut the patches `index` anew, at uv [n, 2] under the warps since frame 0 [n, 2, 2]."""
        if len(index):
            fresh = _templates(image[: len(self.levels)], uv, self.radius, self.step, self.chunk)
            for level, templates in zip(self.levels, fresh):
                level.put(index, templates)
            self.unwarp[index] = inverse(warp)

    def restore(self, index: Tensor) -> None:
        """Go back to the patches of frame 0."""
        if len(index):
            for level, templates in zip(self.levels, self.first):
                level.put(index, templates.select(index))
            self.unwarp[index] = torch.eye(2, device=index.device)

    def find(self, now: Pyramid, start: Tensor, warp: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        """Align patches `which` [n] from `start` [n, 2], under the warps since frame 0 [n, 2, 2].

        Returns (uv [n, 2], correlation [n]); never far from `start`.
        """
        found = []
        for uv, a, index in zip(start.split(self.chunk), warp.split(self.chunk), which.split(self.chunk)):
            begin = uv
            a = a @ self.unwarp[index]
            for level in reversed(range(len(self.levels))):
                moved, score = align(now[level], self.levels[level].select(index), to_level(uv, level), a)
                moved = from_level(moved, level)
                held = ((moved - begin).norm(dim=-1) < 3 * 2**level) & (score > 0.5)
                uv = torch.where(held[:, None], moved, uv)
            found.append((uv, score))
        if not found:
            return start, start.new_zeros(0)
        return torch.cat([uv for uv, _ in found]), torch.cat([score for _, score in found])

    def refine(self, now: Pyramid, start: Tensor, warp: Tensor, which: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Align patches `which` [n] and their warps since frame 0, from a start close by.

        Returns (uv [n, 2], correlation [n], warp [n, 2, 2]).
        """
        found = []
        for uv, a, index in zip(start.split(self.chunk), warp.split(self.chunk), which.split(self.chunk)):
            unwarp = self.unwarp[index]
            a = a @ unwarp
            for level in reversed(range(len(self.levels))):
                moved, score, a = align_affine(now[level], self.levels[level].select(index), to_level(uv, level), a)
                uv = from_level(moved, level)
            found.append((uv, score, a @ inverse(unwarp)))
        if not found:
            return start, start.new_zeros(0), warp
        return tuple(torch.cat(parts) for parts in zip(*found))


def _templates(image: Pyramid, uv: Tensor, radius: int, step: int, chunk: int) -> list[Templates]:
    shape = square(radius, uv.device, step)
    levels = []
    for level, plane in enumerate(map(with_gradient, image)):
        parts = [make_templates(plane, to_level(some, level), *shape) for some in uv.split(chunk)]
        levels.append(Templates.cat(parts))
    return levels


def inverse(a: Tensor) -> Tensor:
    """Inverse of 2x2 matrices [N, 2, 2]; of those that squash almost all, a bounded stand-in."""
    p, q, r, s = a[:, 0, 0], a[:, 0, 1], a[:, 1, 0], a[:, 1, 1]
    determinant = p * s - q * r
    determinant = torch.where(determinant.abs() < 0.02, 0.02, determinant)
    return torch.stack((s, -q, -r, p), -1).view(-1, 2, 2) / determinant[:, None, None]
