"""The tracker without weights: pyramidal Lucas-Kanade, anchored in frame 0 and steadied by neighbours.

From frame to frame small errors add up. Here the patch of frame 0, warped by the local affine motion since, has the
last word; frame-to-frame tracking and the neighbours only say where to look.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..camera import Camera
from ..progress import Progress, silent
from ..tracks import PointTracks
from .alignment import Templates, align, correlate, make_templates
from .base import DepthMaps, Frames, check_clip
from .consensus import Consensus
from .lift import lift_tracks
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
        helpers: a grid of so many points a side is followed too, so that a few queries have neighbours as well.
        visible_above: correlation with the patch of frame 0 from which a point counts as seen.
        chunk: patches sampled at once; bounds memory, changes nothing else.
    """

    levels: int = 4
    radius: int = 5
    anchor_levels: int = 2
    anchor_radius: int = 7
    neighbours: int = 24
    helpers: int = 48
    visible_above: float = 0.7
    chunk: int = 512

    @torch.no_grad()
    def track(
        self,
        video: Frames,
        queries: Tensor,
        depth: DepthMaps | None = None,
        progress: Progress = silent,
        camera: Camera | None = None,
        fps: float = 8.0,
        depth_unit: str = "relative",
    ) -> PointTracks:
        """As `Tracker.track`. Raises PointVidError where the inputs do not fit each other."""
        check_clip(video, queries, depth)
        queries = queries.float()
        size = tuple(video.shape[1:3])
        uv, visible, color = self._follow(video, queries, progress)
        uvd = lift_tracks(uv, visible, depth)
        unit = "relative" if depth is None else depth_unit
        return PointTracks(uvd, visible, size, camera or Camera.default(size), unit, fps, color)

    def _follow(self, video: Frames, queries: Tensor, progress: Progress) -> tuple[Tensor, Tensor, Tensor]:
        """Returns (uv [T, N, 2], visible [T, N], color [N, 3])."""
        frames, height, width = video.shape[:3]
        first = video[0]
        queries = queries.to(first.device)
        column, row = queries.round().long().unbind(-1)
        color = first[row.clamp(0, height - 1), column.clamp(0, width - 1)]
        helpers = grid_queries((height, width), self.helpers).to(first.device)
        state = _State.at(torch.cat((queries, helpers)))
        consensus = Consensus(state.uv, self.neighbours)
        before = pyramid(first, self.levels)
        anchors = self._anchors(before, state.uv)
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
        return torch.stack(uv), torch.stack(visible), color

    def _anchors(self, first: Pyramid, uv: Tensor) -> list[Templates]:
        shape = square(self.anchor_radius, uv.device)
        anchors = []
        for level, image in enumerate(first[: self.anchor_levels]):
            image = with_gradient(image)
            parts = [make_templates(image, to_level(some, level), *shape) for some in uv.split(self.chunk)]
            anchors.append(Templates.cat(parts))
        return anchors

    def _step(
        self, before: Pyramid, now: Pyramid, anchors: list[Templates], consensus: Consensus, state: _State
    ) -> _State:
        """One frame further."""
        uv, score = self._chain(before, now, state)
        confidence = score.clamp(0.02, 1) ** 4 * torch.where(state.visible, 1.0, 0.1)
        where, warp, _ = consensus.fit(uv, confidence, state.warp)
        start = torch.where(((uv - where).norm(dim=-1) > 2)[:, None], where, uv)
        everyone = torch.arange(len(uv), device=uv.device)
        uv, score = self._anchor(now, anchors, start, warp, everyone)
        good = (score > 0.6) & ((uv - where).norm(dim=-1) < 4)

        confidence = torch.where(good, score.clamp(0.02, 1) ** 4, 0.02)
        where, warp, _ = consensus.fit(uv, confidence, warp)
        stray = ~good | ((uv - where).norm(dim=-1) > 2)
        again = stray.nonzero()[:, 0]
        uv = uv.clone()
        uv[again], score[again] = self._anchor(now, anchors, where[again], warp[again], again)
        good = (score > 0.6) & ((uv - where).norm(dim=-1) < 4)

        confidence = torch.where(good, score.clamp(0.02, 1) ** 4, 0.02)
        uv = torch.where(good[:, None], uv, state.uv + state.velocity)
        where, warp, agreement = consensus.fit(uv, confidence, warp)
        uv = torch.where(good[:, None], uv, where)
        consensus.learn(agreement, confidence)
        height, width = now[0].shape[-2:]
        u, v = uv.unbind(-1)
        inside = (u >= -0.5) & (u <= width - 0.5) & (v >= -0.5) & (v <= height - 0.5)
        return _State(uv, uv - state.uv, warp, good & inside & (score > self.visible_above))

    def _chain(self, before: Pyramid, now: Pyramid, state: _State) -> tuple[Tensor, Tensor]:
        """From the last frame to this one, coarse to fine. Returns (uv [N, 2], correlation [N])."""
        shape = square(self.radius, state.uv.device)
        images = [(with_gradient(grey(old)), grey(new)) for old, new in zip(before, now)]
        found = []
        for uv, velocity in zip(state.uv.split(self.chunk), state.velocity.split(self.chunk)):
            there = uv + velocity
            for level in reversed(range(len(images))):
                old, new = images[level]
                templates = make_templates(old, to_level(uv, level), *shape)
                start = to_level(there, level)
                if level == len(images) - 1:
                    still = to_level(uv, level)
                    stayed = correlate(new, templates, still) > correlate(new, templates, start)
                    start = torch.where(stayed[:, None], still, start)
                start, score = align(new, templates, start)
                there = from_level(start, level)
            found.append((there, score))
        return torch.cat([uv for uv, _ in found]), torch.cat([score for _, score in found])

    def _anchor(
        self, now: Pyramid, anchors: list[Templates], start: Tensor, warp: Tensor, which: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Align patches `which` of frame 0. Returns (uv [n, 2], correlation [n]); never far from `start`."""
        found = []
        for uv, a, index in zip(start.split(self.chunk), warp.split(self.chunk), which.split(self.chunk)):
            begin = uv
            for level in reversed(range(len(anchors))):
                moved, score = align(now[level], anchors[level].select(index), to_level(uv, level), a)
                moved = from_level(moved, level)
                held = ((moved - begin).norm(dim=-1) < 3 * 2**level) & (score > 0.5)
                uv = torch.where(held[:, None], moved, uv)
            found.append((uv, score))
        if not found:
            return start, start.new_zeros(0)
        return torch.cat([uv for uv, _ in found]), torch.cat([score for _, score in found])


@dataclass(frozen=True, eq=False)
class _State:
    """Where the points are in one frame: uv and velocity [N, 2], warp since frame 0 [N, 2, 2], visible [N]."""

    uv: Tensor
    velocity: Tensor
    warp: Tensor
    visible: Tensor

    @classmethod
    def at(cls, uv: Tensor) -> _State:
        warp = torch.eye(2, device=uv.device).expand(len(uv), 2, 2)
        return cls(uv, torch.zeros_like(uv), warp, torch.ones(len(uv), dtype=torch.bool, device=uv.device))
