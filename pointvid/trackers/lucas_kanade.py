"""The tracker without weights: pyramidal Lucas-Kanade, anchored in frame 0 and steadied by neighbours.

From frame to frame small errors add up. Here the patch of frame 0, warped by the local affine motion since, has the
last word; frame-to-frame tracking and the neighbours say where to look. Only a point that has come to look different,
on a turning object say, gets a new patch, from where the step before and the neighbours agree that it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ..depth import Depth
from ..progress import Progress, silent
from ..tracks import on_screen
from .alignment import Templates, align, correlate, make_templates
from .base import Frames, Tracked
from .consensus import Consensus
from .patches import Pyramid, from_level, grey, pyramid, square, to_level, with_gradient
from .queries import grid_queries


@dataclass
class LucasKanade:
    """Options of the tracker.

    Attributes:
        levels: of the image pyramid that frame-to-frame tracking descends.
        radius: of its patches, pixels at every level: 2 * radius + 1 wide.
        anchor_levels, anchor_radius: the same for the patches of frame 0.
        neighbours: how many neighbours a point consults.
        helpers: points a side (one in 4 pixels at most) of a grid that is followed too where there are no queries, so
            that a few queries have neighbours as well.
        visible_above: correlation with its patch from which a point counts as seen.
        refresh_below: correlation under which the patch is renewed, if the point was seen in the last frame, the step
            from there correlates better than `refresh_sure`, and the neighbours agree.
        chunk: patches sampled at once; bounds memory, changes nothing else.
    """

    levels: int = 4
    radius: int = 5
    anchor_levels: int = 2
    anchor_radius: int = 7
    neighbours: int = 24
    helpers: int = 48
    visible_above: float = 0.7
    refresh_below: float = 0.75
    refresh_sure: float = 0.9
    chunk: int = 512

    @torch.no_grad()
    def track(self, video: Frames, queries: Tensor, depth: Depth | None = None, progress: Progress = silent) -> Tracked:
        """As `Tracker.track`."""
        frames, height, width = video.shape[:3]
        first = video[0]
        state = _State.at(torch.cat((queries, self._lonely_helpers((height, width), queries))))
        consensus = Consensus(state.uv, self.neighbours)
        before = pyramid(first, self.levels)
        anchors = _Anchors.cut(before[: self.anchor_levels], state.uv, self.anchor_radius, self.chunk)
        n = len(queries)
        uv, visible = [queries], [torch.ones(n, dtype=torch.bool, device=first.device)]
        for t in range(1, frames):
            progress(t - 1, frames - 1, "tracking")
            now = pyramid(video[t], self.levels)
            state = self._step(before, now, anchors, consensus, state)
            uv.append(state.uv[:n])
            visible.append(state.visible[:n])
            before = now
        progress(frames - 1, frames - 1, "tracking")
        return Tracked(torch.stack(uv), torch.stack(visible))

    def _lonely_helpers(self, size: tuple[int, int], queries: Tensor) -> Tensor:
        """The points of the helpers' grid that have no query within half a cell, but one within four cells."""
        helpers = grid_queries(size, min(self.helpers, max(min(size) // 4, 1)))
        cell = max(size) / self.helpers
        distance, _ = cKDTree(queries.cpu().numpy()).query(helpers.numpy())
        lonely = torch.from_numpy((distance > cell / 2) & (distance < 4 * cell))
        return helpers[lonely].to(queries.device)

    def _step(self, before: Pyramid, now: Pyramid, anchors: _Anchors, consensus: Consensus, state: _State) -> _State:
        """One frame further."""
        chained, chain_score = self._chain(before, now, state)
        trust = chain_score.clamp(0.02, 1) ** 4 * torch.where(state.visible, 1.0, 0.1)
        where, warp, _ = consensus.fit(chained, trust, state.turn @ state.warp)
        start = torch.where(((chained - where).norm(dim=-1) > 2)[:, None], where, chained)
        everyone = torch.arange(len(start), device=start.device)
        uv, score = self._anchor(now, anchors, start, warp, everyone)
        good = (score > 0.6) & ((uv - where).norm(dim=-1) < 4)

        where, warp, _ = consensus.fit(uv, _trust(score, good), warp)
        stray = (~good | ((uv - where).norm(dim=-1) > 2)).nonzero()[:, 0]
        uv[stray], score[stray] = self._anchor(now, anchors, where[stray], warp[stray], stray)
        good = (score > 0.6) & ((uv - where).norm(dim=-1) < 4)

        # A point that neither follows found may just have kept its course, beside something else that moves.
        ahead = state.uv + state.velocity
        lost = (~good).nonzero()[:, 0]
        kept, kept_score = self._anchor(now, anchors, ahead[lost], state.warp[lost], lost)
        found = (kept_score > self.visible_above) & ((kept - ahead[lost]).norm(dim=-1) < 2)
        uv[lost[found]], score[lost[found]], good[lost[found]] = kept[found], kept_score[found], True

        # Where the patch no longer looks like the point, the step from the last frame may still be sure of it. It must
        # also keep its course: what sweeps over a point drags the step along, too.
        steady = (chained - ahead).norm(dim=-1) < 2 + 0.25 * state.velocity.norm(dim=-1)
        sure = state.visible & steady & (chain_score > self.refresh_sure) & ((chained - where).norm(dim=-1) < 2)
        handed = sure & (~good | (score < self.refresh_below))
        uv = torch.where((handed & ~good)[:, None], chained, uv)
        good = good | handed
        score = torch.where(handed, torch.maximum(score, chain_score), score)

        uv = torch.where(good[:, None], uv, ahead)
        where, warp, agreement = consensus.fit(uv, _trust(score, good), warp)
        uv = torch.where(good[:, None], uv, where)
        consensus.learn(agreement, _trust(score, good))
        anchors.renew(now, uv, warp, handed.nonzero()[:, 0], self.chunk)
        inside = on_screen(*uv.unbind(-1), image_size=now[0].shape[-2:])
        visible = good & inside & (score > self.visible_above)
        return _State(uv, uv - state.uv, warp, _turn(state.warp, warp), visible)

    def _chain(self, before: Pyramid, now: Pyramid, state: _State) -> tuple[Tensor, Tensor]:
        """From the last frame to this one, coarse to fine. Returns (uv [N, 2], correlation [N])."""
        shape = square(self.radius, state.uv.device)
        images = [(with_gradient(grey(old)), grey(new)) for old, new in zip(before, now)]
        found = []
        parts = (values.split(self.chunk) for values in (state.uv, state.velocity, state.turn))
        for uv, velocity, turn in zip(*parts):
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
                    start, kept_score = align(new, templates, to_level(ahead, level), turn)
                    ahead = from_level(start, level)
            kept = kept_score > score - 0.02
            there, score = torch.where(kept[:, None], ahead, there), torch.where(kept, kept_score, score)
            found.append((there, score))
        return torch.cat([uv for uv, _ in found]), torch.cat([score for _, score in found])

    def _anchor(
        self, now: Pyramid, anchors: _Anchors, start: Tensor, warp: Tensor, which: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Align patches `which` of frame 0. Returns (uv [n, 2], correlation [n]); never far from `start`."""
        found = []
        for uv, a, index in zip(start.split(self.chunk), warp.split(self.chunk), which.split(self.chunk)):
            begin = uv
            a = a @ anchors.unwarp[index]
            for level in reversed(range(len(anchors.levels))):
                moved, score = align(now[level], anchors.levels[level].select(index), to_level(uv, level), a)
                moved = from_level(moved, level)
                held = ((moved - begin).norm(dim=-1) < 3 * 2**level) & (score > 0.5)
                uv = torch.where(held[:, None], moved, uv)
            found.append((uv, score))
        if not found:
            return start, start.new_zeros(0)
        return torch.cat([uv for uv, _ in found]), torch.cat([score for _, score in found])


@dataclass(eq=False)
class _Anchors:
    """The patches that positions are measured against: of frame 0, renewed where the point came to look too different.

    `unwarp` [N, 2, 2] undoes the warp since frame 0 that a patch was cut under.
    """

    levels: list[Templates]
    unwarp: Tensor
    radius: int

    @classmethod
    def cut(cls, image: Pyramid, uv: Tensor, radius: int, chunk: int) -> _Anchors:
        unwarp = torch.eye(2, device=uv.device).repeat(len(uv), 1, 1)
        return cls(cls._templates(image, uv, radius, chunk), unwarp, radius)

    def renew(self, image: Pyramid, uv: Tensor, warp: Tensor, index: Tensor, chunk: int) -> None:
        if len(index):
            fresh = self._templates(image[: len(self.levels)], uv[index], self.radius, chunk)
            for level, templates in zip(self.levels, fresh):
                level.put(index, templates)
            self.unwarp[index] = _inverse(warp[index])

    @staticmethod
    def _templates(image: Pyramid, uv: Tensor, radius: int, chunk: int) -> list[Templates]:
        shape = square(radius, uv.device)
        levels = []
        for level, plane in enumerate(map(with_gradient, image)):
            parts = [make_templates(plane, to_level(some, level), *shape) for some in uv.split(chunk)]
            levels.append(Templates.cat(parts))
        return levels


@dataclass(frozen=True, eq=False)
class _State:
    """Where the points are in one frame.

    uv and velocity [N, 2]; warp [N, 2, 2] since frame 0; turn [N, 2, 2] since the last frame; visible [N].
    """

    uv: Tensor
    velocity: Tensor
    warp: Tensor
    turn: Tensor
    visible: Tensor

    @classmethod
    def at(cls, uv: Tensor) -> _State:
        eye = torch.eye(2, device=uv.device).expand(len(uv), 2, 2)
        return cls(uv, torch.zeros_like(uv), eye, eye, torch.ones(len(uv), dtype=torch.bool, device=uv.device))


def _trust(score: Tensor, good: Tensor) -> Tensor:
    """How far neighbours should believe a point, [N]."""
    return torch.where(good, score.clamp(0.02, 1) ** 4, 0.02)


def _turn(old: Tensor, new: Tensor) -> Tensor:
    """The warp from one frame to the next; the identity where it is not believable."""
    eye = torch.eye(2, device=old.device)
    turn = new @ _inverse(old)
    return torch.where(((turn - eye).abs().amax((1, 2)) < 0.5)[:, None, None], turn, eye)


def _inverse(a: Tensor) -> Tensor:
    """Inverse of 2x2 matrices [N, 2, 2]; of those that squash almost all, a bounded stand-in."""
    p, q, r, s = a[:, 0, 0], a[:, 0, 1], a[:, 1, 0], a[:, 1, 1]
    determinant = p * s - q * r
    determinant = torch.where(determinant.abs() < 0.02, 0.02, determinant)
    return torch.stack((s, -q, -r, p), -1).view(-1, 2, 2) / determinant[:, None, None]
