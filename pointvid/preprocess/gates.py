"""What makes a clip unfit for training, in numbers: each gate compares one figure with one limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import PointVidError
from ..trackers.pipeline import acceleration
from ..tracks import PointTracks
from .settings import Gates

_STILL_LEVELS, _STILL_SHARE = 3, 1e-4
"""A step is still where fewer than this share of its pixels change by more than so many grey levels."""

_THUMBNAIL_ROWS = 24
_JUMP_FLOOR = 2.0


@dataclass(frozen=True)
class Reason:
    """Why a clip was rejected.

    Attributes:
        gate: short name that reasons are counted by: "cut", "still", "unreadable", ...
        message: one line for people.
        found, limit: the figure and the limit it missed, where there is one.
    """

    gate: str
    message: str
    found: float | None = None
    limit: float | None = None


class Rejected(PointVidError):
    """The clip is no training sample, for `reasons`; `figures` are what was measured until then."""

    def __init__(self, reasons: Sequence[Reason], figures: Mapping[str, float] | None = None):
        self.reasons, self.figures = tuple(reasons), dict(figures or {})
        super().__init__("; ".join(reason.message for reason in reasons))

    def __reduce__(self) -> tuple:
        return Rejected, (self.reasons, self.figures)


@dataclass(frozen=True)
class Gate:
    """`figure` must be at least (or at most) the limit that `Gates` keeps under `setting`; `what` begins messages."""

    name: str
    setting: str
    figure: str
    what: str

    def check(self, figures: Mapping[str, float], gates: Gates) -> Reason | None:
        """The reason to reject; None where the gate is passed, off, or its figure was not measured."""
        found, limit = figures.get(self.figure), getattr(gates, self.setting)
        least = self.setting.startswith("min_")
        if found is None or limit is None or (found >= limit if least else found <= limit):
            return None
        bound = "least" if least else "most"
        return Reason(self.name, f"{self.what} is {found:.4g}, expected at {bound} {limit:g}", found, limit)


GATES = (
    Gate("blank", "min_contrast", "contrast", "a frame is blank: its contrast in grey levels"),
    Gate("still", "max_still", "still", "nothing changes: the share of still steps"),
    Gate("cut", "max_jump", "jump", "a cut lies inside the clip: the jump beside its neighbours"),
    Gate("many_objects", "max_objects", "objects", "the number of objects"),
    Gate("small_foreground", "min_foreground", "foreground", "the foreground's share of the frame"),
    Gate("large_foreground", "max_foreground", "foreground", "the foreground's share of the frame"),
    Gate("few_tracks", "min_tracks", "tracks", "the number of tracks on the foreground"),
    Gate("track_loss", "min_visible", "visible", "the share of visible track points"),
    Gate("track_loss", "min_survival", "survival", "the share of tracks seen in the last frame"),
    Gate("jitter", "max_jitter", "jitter", "the tracks' jitter in px/frame^2"),
    Gate("depth_jitter", "max_depth_jitter", "depth_jitter", "the jitter of log-depth per frame^2"),
    Gate("no_motion", "min_motion", "motion", "the foreground's motion in px"),
    Gate("unfilled", "min_filled", "filled", "the share of the foreground with a trajectory"),
)


def check(figures: Mapping[str, float], gates: Gates) -> None:
    """Compare every figure that was measured with its limit.

    Raises:
        Rejected: with a reason for each gate that is not passed.
    """
    reasons = [reason for gate in GATES if (reason := gate.check(figures, gates))]
    if reasons:
        raise Rejected(reasons, figures)


def frame_figures(frames: Tensor) -> dict[str, float]:
    """`contrast`, `still` and `jump` (see `Gates`) of uint8 [T, H, W, 3] with at least two frames."""
    weights = torch.tensor([0.299, 0.587, 0.114])
    luma = frames.float() @ weights
    change = (luma[1:] - luma[:-1]).abs()
    still = (change > _STILL_LEVELS).float().mean((1, 2)) < _STILL_SHARE
    height, width = luma.shape[1:]
    small = (min(_THUMBNAIL_ROWS, height), min(max(_THUMBNAIL_ROWS * width // height, 1), width))
    thumbnails = F.adaptive_avg_pool2d(frames.permute(0, 3, 1, 2).float(), small)
    steps = (thumbnails[1:] - thumbnails[:-1]).abs().mean((1, 2, 3))
    return {
        "contrast": luma.flatten(1).std(1).min().item(),
        "still": still.float().mean().item(),
        "jump": _largest_jump(steps),
    }


def _largest_jump(steps: Tensor) -> float:
    """How much larger a step [T-1] is than the larger of its two neighbours: a cut changes one step only.

    A flash changes two steps, a pan many; both have neighbours as large as themselves.
    """
    if len(steps) < 2:
        return 0.0
    edge = steps.new_zeros(1)
    around = torch.maximum(torch.cat((edge, steps[:-1])), torch.cat((steps[1:], edge)))
    return (steps / around.clamp(min=_JUMP_FLOOR)).max().item()


def track_figures(tracks: PointTracks) -> dict[str, float]:
    """`tracks`, `visible`, `survival`, `jitter`, `depth_jitter` and `motion` (see `Gates`) of unsmoothed tracks."""
    if not tracks.num_points:
        return {"tracks": 0}
    seen = tracks.visible
    away = (tracks.uvd[..., :2] - tracks.queries).norm(dim=-1).masked_fill(~seen, 0).amax(0)
    return {
        "tracks": tracks.num_points,
        "visible": seen.float().mean().item(),
        "survival": seen[-1].float().mean().item(),
        "jitter": acceleration(tracks),
        "depth_jitter": _depth_jitter(tracks),
        "motion": away.quantile(0.9).item(),
    }


def _depth_jitter(tracks: PointTracks) -> float:
    """Median |second difference| of log-depth over triples of visible frames."""
    log, seen = tracks.uvd[..., 2].clamp(min=1e-6).log(), tracks.visible
    if len(log) < 3:
        return 0.0
    bend = (log[2:] - 2 * log[1:-1] + log[:-2]).abs()[seen[2:] & seen[1:-1] & seen[:-2]]
    return bend.median().item() if len(bend) else 0.0
