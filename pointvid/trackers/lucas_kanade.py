"""The tracker without weights: pyramidal Lucas-Kanade, anchored in frame 0 and steadied by neighbours.

From frame to frame small errors add up. Here the patch of frame 0, warped by the local affine motion since, has the
last word; frame-to-frame tracking and the neighbours say where to look. Only a point that has come to look different,
on a turning object say, gets a new patch, from where the step before and the neighbours agree that it is.

A regular grid of leaders around the queries is followed with all care, and the queries follow the leaders: each looks
for its own patch where they say that it is. So a query's track does not depend on what else is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ..depth import Depth
from ..progress import Progress, silent
from ..tracks import on_screen
from .anchors import Anchors, inverse
from .base import Frames, Tracked
from .chain import chain
from .consensus import Consensus
from .patches import Pyramid, grey, pyramid
from .search import search


@dataclass
class LucasKanade:
    """Options of the tracker.

    Attributes:
        levels: of the image pyramid that frame-to-frame tracking descends.
        radius: of its patches, pixels at every level: 2 * radius + 1 wide.
        anchor_levels, anchor_radius, anchor_step: the same for the patches of frame 0; every `anchor_step`-th pixel.
        neighbours: how many leaders a point consults.
        leaders: the cell of their grid is the side of a square image divided by this, at least 4 pixels.
        margin: cells around the queries that leaders fill.
        visible_above: correlation with its patch from which a point counts as seen.
        refresh_below: correlation under which the patch is renewed, if the point was seen in the last frame, the step
            from there correlates better than `refresh_sure`, and the neighbours agree.
        chunk: patches sampled at once; bounds memory, changes nothing else.
    """

    levels: int = 4
    radius: int = 5
    anchor_levels: int = 2
    anchor_radius: int = 7
    anchor_step: int = 2
    anchor_grey: bool = False
    neighbours: int = 24
    leaders: int = 48
    margin: float = 4.0
    rounds: int = 4
    search_round: int = 0
    search_known: float = 0.8
    hidden_for: int = 4
    reach: float = 32.0
    yield_to: float = 0.02
    slack: float = 6.0
    visible_above: float = 0.75
    refine_below: float = 0.9
    refine_above: float = 0.5
    refined_above: float = 0.8
    bend: float = 0.4
    search_sure: float = 0.8
    search_support: float = 0.4
    ahead_below: float = 0.9
    refresh_below: float = 0.75
    refresh_sure: float = 0.9
    chunk: int = 1024

    @property
    def scout(self) -> LucasKanade:
        """A faster one, to find out what moves or whether tracks come back."""
        return replace(self, leaders=min(self.leaders, 32), rounds=2, refine_below=0.0)

    @torch.no_grad()
    def track(self, video: Frames, queries: Tensor, depth: Depth | None = None, progress: Progress = silent) -> Tracked:
        """As `Tracker.track`."""
        frames, height, width = video.shape[:3]
        first = video[0]
        leaders = self._leaders((height, width), queries)
        state = _State.at(torch.cat((leaders, queries)))
        consensus = Consensus(state.uv, len(leaders), self.neighbours)
        before = self._pyramids(first)
        anchors = Anchors.cut(before[1], state.uv, self.anchor_radius, self.anchor_step, self.chunk)
        uv, visible = [queries], [torch.ones(len(queries), dtype=torch.bool, device=first.device)]
        for t in range(1, frames):
            progress(t - 1, frames - 1, "tracking")
            now = self._pyramids(video[t])
            state = self._step(before[0], now, anchors, consensus, state, len(leaders))
            uv.append(state.uv[len(leaders) :])
            visible.append(state.visible[len(leaders) :])
            before = now
        progress(frames - 1, frames - 1, "tracking")
        return Tracked(torch.stack(uv), torch.stack(visible))

    def _pyramids(self, frame: Tensor) -> tuple[Pyramid, Pyramid]:
        """Of a frame: grey, for the steps; and for the anchors."""
        colored = pyramid(frame, self.levels)
        plain = [grey(level) for level in colored]
        return plain, (plain if self.anchor_grey else colored)[: self.anchor_levels]

    def _leaders(self, size: tuple[int, int], queries: Tensor) -> Tensor:
        """The points of the leaders' grid within `margin` cells of a query."""
        height, width = size
        cell = max((height * width) ** 0.5 / self.leaders, 4.0)
        rows, columns = max(round(height / cell), 1), max(round(width / cell), 1)
        v = (torch.arange(rows) + 0.5) * height / rows - 0.5
        u = (torch.arange(columns) + 0.5) * width / columns - 0.5
        grid = torch.stack((u.repeat(rows), v.repeat_interleave(columns)), -1)
        distance, _ = cKDTree(queries.cpu().numpy()).query(grid.numpy())
        return grid[torch.from_numpy(distance < self.margin * cell)].to(queries.device)

    def _step(
        self,
        before: Pyramid,
        now: tuple[Pyramid, Pyramid],
        anchors: Anchors,
        consensus: Consensus,
        state: _State,
        leaders: int,
    ) -> _State:
        """One frame further: the leaders, then those that follow them."""
        # What was last taken for a point before it was lost may have been what hides it.
        anchors.restore((state.hidden == self.hidden_for).nonzero()[:, 0])
        work = _Work.begin(state)
        everyone = torch.arange(len(state.uv), device=state.uv.device)
        lead, rest = slice(0, leaders), slice(leaders, None)
        self._lead(before, now, anchors, consensus, state, work, everyone[lead], lead)
        self._finish(now, anchors, consensus, state, work, everyone[lead], lead)
        self._join(before, now, anchors, consensus, state, work, everyone[rest], rest)
        self._finish(now, anchors, consensus, state, work, everyone[rest], rest)
        inside = on_screen(*work.uv.unbind(-1), now[0][0].shape[-2:])
        visible = work.good & inside & (work.score > self.visible_above)
        hidden = torch.where(visible, 0.0, state.hidden.clamp(min=0) + 1)
        step = work.uv - state.uv
        course = torch.where(visible[:, None], torch.lerp(state.course, step, 0.3), state.course)
        return _State(work.uv, step, course, work.warp, _turn(state.warp, work.warp), visible, hidden)

    def _lead(self, before, now, anchors, consensus, state, work, which, rows) -> None:
        seen = which[state.visible[rows]]  # what is hidden has nothing to follow from frame to frame
        work.chained[seen], work.chain_score[seen] = chain(
            before, now[0], state.uv[seen], state.velocity[seen], state.turn[seen], self.radius, self.chunk
        )
        chained, score = work.chained[rows], work.chain_score[rows]
        trust = torch.zeros_like(work.score)
        trust[rows] = score.clamp(0.02, 1) ** 4 * torch.where(state.visible[rows], 1.0, 0.1)
        work.uv[rows] = chained
        where, warp, _ = consensus.fit(work.uv, trust, work.warp[rows], rows)
        start = torch.where(((chained - where).norm(dim=-1) > 2)[:, None], where, chained)
        uv, score = anchors.find(now[1], start, warp, which)
        self._refine(now, anchors, which, state.visible[rows], uv, score, warp)
        good = self._agrees(uv, score, where, state.uv[rows])
        work.uv[rows], work.score[rows], work.good[rows], work.warp[rows] = uv, score, good, warp
        tried = start
        for turn in range(self.rounds):
            if turn == self.search_round:
                self._search(now, anchors, consensus, state, work, which, rows)
            where, warp, _ = consensus.fit(work.uv, work.trust(), work.warp[rows], rows)
            uv, score, good = work.uv[rows], work.score[rows], work.good[rows]
            apart = (uv - where).norm(dim=-1) > 1 + self._slack(score, where, state.uv[rows])
            stray = (~good | apart).nonzero()[:, 0]
            work.where[rows], work.warp[rows] = where, warp
            stray = stray[(where - tried)[stray].norm(dim=-1) > 0.5]  # not where it was looked for before
            tried = where
            if not len(stray):
                break
            at, fit = anchors.find(now[1], where[stray], warp[stray], which[stray])
            bent = warp[stray]
            self._refine(now, anchors, which[stray], state.visible[which[stray]], at, fit, bent)
            better = ~good[stray] | (fit > score[stray] - self.yield_to)
            stray = stray[better]
            uv[stray], score[stray], warp[stray] = at[better], fit[better], bent[better]
            work.warp[rows] = warp
            good = self._agrees(uv, score, where, state.uv[rows])
            work.uv[rows], work.score[rows], work.good[rows] = uv, score, good

    def _join(self, before, now, anchors, consensus, state, work, which, rows) -> None:
        where, warp, _ = consensus.fit(work.uv, work.trust(), work.warp[rows], rows)
        uv, score = anchors.find(now[1], where, warp, which)
        self._refine(now, anchors, which, state.visible[rows], uv, score, warp)
        good = self._agrees(uv, score, where, state.uv[rows])
        unsure = (state.visible[rows] & (~good | (score < self.refresh_below))).nonzero()[:, 0]
        asked = which[unsure]
        chained, chain_score = chain(
            before, now[0], state.uv[asked], state.velocity[asked], state.turn[asked], self.radius, self.chunk
        )
        work.chained[asked], work.chain_score[asked] = chained, chain_score
        work.uv[rows], work.score[rows], work.good[rows] = uv, score, good
        work.where[rows], work.warp[rows] = where, warp

    def _agrees(self, uv: Tensor, score: Tensor, where: Tensor, before: Tensor) -> Tensor:
        """Whether a place fits the patch, and the neighbours."""
        return (score > 0.6) & ((uv - where).norm(dim=-1) < 2 + self._slack(score, where, before))

    def _slack(self, score: Tensor, where: Tensor, before: Tensor) -> Tensor:
        """How far a patch may lie beside where its neighbours say, pixels: the farther the better it fits and the
        faster it goes. What is slow and covered would else stay with what covers it."""
        pace = ((where - before).norm(dim=-1) / 16).clamp(max=1)
        return self.slack * pace * ((score - 0.7) / 0.3).clamp(0, 1)

    def _known(self, consensus: Consensus, work: _Work, rows: slice) -> Tensor:
        """The share of a point's believed neighbours that were found, [n]."""
        tie = consensus.near[rows, 1:] * consensus.belief[rows, 1:]
        return (tie * work.good[consensus.index[rows, 1:]]).sum(1) / tie.sum(1).clamp(min=1e-6)

    def _search(self, now, anchors, consensus, state, work, which, rows) -> None:
        """Look for what is lost in a window around where its course leads."""
        known = self._known(consensus, work, rows)
        unseen = state.hidden[rows]
        due = (unseen >= self.hidden_for) & (unseen % 2 == 0) | (unseen < 0)
        lost = (~work.good[rows] & due & (known < self.search_known)).nonzero()[:, 0]
        if not len(lost):
            return
        index = which[lost]
        warp = work.warp[index]
        uv, support = search(
            now[1], anchors, state.ahead[index], warp, index, consensus.index, consensus.belief, self.reach
        )
        uv, score, warp = anchors.refine(now[1], uv, warp, index)
        better = (
            (support > self.search_support)
            & (score > self.search_sure)
            & (~work.good[index] | (score > work.score[index] + 0.05))
        )
        index = index[better]
        work.uv[index], work.score[index], work.warp[index] = uv[better], score[better], warp[better]
        work.good[index] = True

    def _refine(self, now, anchors, which, seen, uv, score, warp) -> None:
        """Let patches that were just seen and look somewhat different find their own warps, in place."""
        odd = (seen & (score < self.refine_below) & (score > self.refine_above)).nonzero()[:, 0]
        if not len(odd):
            return
        at, fit, bent = anchors.refine(now[1], uv[odd], warp[odd], which[odd])
        better = (fit > torch.clamp(score[odd] + 0.02, min=self.refined_above)) & ((at - uv[odd]).norm(dim=-1) < 4)
        better &= (bent - warp[odd]).abs().amax((1, 2)) < self.bend
        index = odd[better]
        uv[index], score[index], warp[index] = at[better], fit[better], bent[better]

    def _finish(self, now, anchors, consensus, state, work, which, rows) -> None:
        uv, score, good, where, warp = (x[rows] for x in (work.uv, work.score, work.good, work.where, work.warp))
        # A point that neither follows found may just have kept its course, beside something else that moves.
        ahead = state.ahead[rows]
        apart = (uv - ahead).norm(dim=-1) > 0.5
        lost = (~good | (apart & (score < self.ahead_below))).nonzero()[:, 0]
        kept, kept_score = anchors.find(now[1], ahead[lost], state.warp[rows][lost], which[lost])
        found = (kept_score > self.visible_above) & ((kept - ahead[lost]).norm(dim=-1) < 2)
        found &= ~good[lost] | (kept_score > score[lost] + 0.05)
        uv[lost[found]], score[lost[found]], good[lost[found]] = kept[found], kept_score[found], True

        # Where the patch no longer looks like the point, the step from the last frame may still be sure of it. It must
        # also keep its course: what sweeps over a point drags the step along, too.
        chained, chain_score = work.chained[rows], work.chain_score[rows]
        pace = ((where - state.uv[rows]).norm(dim=-1) / 16).clamp(max=1)
        near = 0.5 + 2 * pace  # what stays behind a slow surface leaves it by a pixel a frame
        steady = (chained - ahead).norm(dim=-1) < near + 0.25 * state.velocity[rows].norm(dim=-1)
        sure = state.visible[rows] & steady & (chain_score > self.refresh_sure)
        sure &= (chained - where).norm(dim=-1) < near
        handed = sure & (~good | (score < self.refresh_below))
        uv = torch.where((handed & ~good)[:, None], chained, uv)
        good = good | handed
        score = torch.where(handed, torch.maximum(score, chain_score), score)

        work.uv[rows] = torch.where(good[:, None], uv, ahead)
        work.score[rows], work.good[rows] = score, good
        where, warp, agreement = consensus.fit(work.uv, work.trust(), warp, rows)
        # What is hidden goes with its neighbours, unless few are seen and they leave its course: they may hide it.
        gap = (where - ahead).norm(dim=-1)
        stay = (self._known(consensus, work, rows) < 0.6) & (gap > 0.5 + 0.25 * (ahead - state.uv[rows]).norm(dim=-1))
        uv = torch.where(good[:, None], uv, torch.where(stay[:, None], ahead, where))
        warp = torch.where((stay & ~good)[:, None, None], state.warp[rows], warp)
        work.uv[rows], work.warp[rows] = uv, warp
        consensus.learn(agreement, work.trust(), rows)
        handed = handed.nonzero()[:, 0]
        anchors.renew(now[1], uv[handed], warp[handed], which[handed])


@dataclass(frozen=True, eq=False)
class _State:
    """Where the points are in one frame.

    uv and velocity [N, 2]; course [N, 2], the velocity of the last few frames in which the point was seen;
    warp [N, 2, 2] since frame 0; turn [N, 2, 2] since the last frame; visible [N];
    hidden [N], for how many frames it has not been, -1 in the first frame.
    """

    uv: Tensor
    velocity: Tensor
    course: Tensor
    warp: Tensor
    turn: Tensor
    visible: Tensor
    hidden: Tensor

    @classmethod
    def at(cls, uv: Tensor) -> _State:
        eye = torch.eye(2, device=uv.device).expand(len(uv), 2, 2)
        seen = torch.ones(len(uv), dtype=torch.bool, device=uv.device)
        return cls(uv, torch.zeros_like(uv), torch.zeros_like(uv), eye, eye, seen, torch.full_like(uv[:, 0], -1))

    @property
    def ahead(self) -> Tensor:
        """Where the points are in the next frame if they keep their course, [N, 2]."""
        return self.uv + torch.where(self.visible[:, None], self.velocity, self.course)


@dataclass(eq=False)
class _Work:
    """What is found out about one frame, point by point."""

    uv: Tensor
    score: Tensor
    good: Tensor
    where: Tensor
    warp: Tensor
    chained: Tensor
    chain_score: Tensor

    @classmethod
    def begin(cls, state: _State) -> _Work:
        ahead = state.ahead
        zero = torch.zeros(len(ahead), device=ahead.device)
        return cls(
            ahead.clone(), zero, zero > 1, ahead.clone(), state.turn @ state.warp, ahead.clone(), torch.zeros_like(zero)
        )

    def trust(self) -> Tensor:
        """How far neighbours should believe a point, [N]."""
        return torch.where(self.good, self.score.clamp(0.02, 1) ** 4, 0.02)


def _turn(old: Tensor, new: Tensor) -> Tensor:
    """The warp from one frame to the next; the identity where it is not believable."""
    eye = torch.eye(2, device=old.device)
    turn = new @ inverse(old)
    return torch.where(((turn - eye).abs().amax((1, 2)) < 0.5)[:, None, None], turn, eye)
