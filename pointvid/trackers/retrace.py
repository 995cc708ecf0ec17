"""Can the tracks be trusted? The clip is tracked backwards from where they end, and they should come back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..points.spread import spread_pixels
from ..progress import Progress, silent
from ..tracks import PointTracks
from .base import Frames, Tracker
from .pipeline import track_points
from .registry import create_tracker

WITHIN = 2.0
"""Pixels of its query within which a track has come back."""

DOUBTFUL = 0.5
"""Share of tracks that come back below which a warning is due."""

_CUT = 6.0
"""How many times larger than its neighbours a step of a thumbnail is at a hard cut; see `preprocess.gates`."""

_FLOOR = 2.0
_BLOCK = 8
_THUMBNAIL = (24, 40)


@dataclass(frozen=True)
class Retraced:
    """What tracking backwards showed.

    Attributes:
        share: of the tracks looked at, that come back to within `WITHIN` pixels of where they started; None where no
            track is visible in the last frame.
        points: how many were looked at: some of those that are visible in the last frame.
        cut: the frame that another shot begins with, None where there is no hard cut.
    """

    share: float | None
    points: int
    cut: int | None

    def warnings(self) -> list[str]:
        """Lines for people, where there is something to say."""
        lines = []
        if self.cut is not None:
            lines.append(f"a hard cut before frame {self.cut}: tracks end there, follow each shot on its own")
        if self.share is None:
            lines.append("no track is visible in the last frame")
        elif self.share < DOUBTFUL:
            lines.append(
                f"only {100 * self.share:.0f} % of the tracks come back when the clip is tracked backwards: "
                "look at the overlay before you rely on them"
            )
        return lines


def retrace(
    video: Frames,
    tracks: PointTracks,
    tracker: str | Tracker = "lucas_kanade",
    limit: int = 250,
    progress: Progress = silent,
) -> Retraced:
    """Track backwards some of the tracks that are visible in the last frame.

    Args:
        video: the clip that `tracks` are of.
        tracker: any; one with an attribute `scout` is asked for that instead, a faster tracker of its kind.
        limit: how many tracks, evenly spread.
    """
    follower = create_tracker(tracker) if isinstance(tracker, str) else tracker
    backwards = _Backwards(video)
    alive = tracks.visible[-1].nonzero()[:, 0]
    if not len(alive) or len(tracks.uvd) < 2:
        for t in range(len(tracks.uvd)):
            backwards[t]
        return Retraced(None, 0, _cut(backwards.thumbnails))
    ends = tracks.uvd[-1, alive, :2]
    index = alive[spread_pixels(ends.cpu(), limit).to(alive.device)]
    height, width = tracks.image_size
    ends = tracks.uvd[-1, index, :2].clamp(min=0).minimum(ends.new_tensor((width - 1, height - 1)))
    back = track_points(backwards, ends, tracker=getattr(follower, "scout", follower), progress=progress)
    missed = (back.uvd[-1, :, :2].to(tracks.uvd.device) - tracks.uvd[0, index, :2]).norm(dim=-1)
    return Retraced((missed < WITHIN).float().mean().item(), len(index), _cut(backwards.thumbnails))


class _Backwards:
    """A clip from its end to its beginning; a few frames are kept, since files are read forwards."""

    def __init__(self, video: Frames) -> None:
        self.shape = tuple(video.shape)
        self.thumbnails: dict[int, Tensor] = {}
        self._video, self._kept = video, {}

    def __getitem__(self, t: int) -> Tensor:
        wanted = self.shape[0] - 1 - t
        if wanted not in self._kept:
            first = max(wanted - _BLOCK + 1, 0)
            self._kept = {}
            for index in range(first, wanted + 1):
                frame = self._video[index]
                self._kept[index] = frame
                small = F.adaptive_avg_pool2d(frame.movedim(-1, 0).float()[None], _THUMBNAIL)[0]
                self.thumbnails[index] = small.cpu()
        return self._kept[wanted]


def _cut(thumbnails: dict[int, Tensor]) -> int | None:
    """The first frame of another shot: one step alone that is far larger than those before and after."""
    if len(thumbnails) < 3:
        return None
    small = torch.stack([thumbnails[t] for t in sorted(thumbnails)])
    steps = (small[1:] - small[:-1]).abs().mean((1, 2, 3))
    edge = steps.new_zeros(1)
    around = torch.maximum(torch.cat((edge, steps[:-1])), torch.cat((steps[1:], edge)))
    jump = steps / around.clamp(min=_FLOOR)
    return int(jump.argmax()) + 1 if jump.max() > _CUT else None
