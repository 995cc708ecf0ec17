"""How far tracks are from the truth: TAPVid-3D's metrics.

TAPVid-3D (Koppula et al. 2024): a point is right within a threshold of 1, 2, 4, 8 or 16 pixels, carried into space at
the depth of the true point; APD averages over the thresholds the share of visible points that are right, AJ the Jaccard
index of "visible and right", and OA is how often visibility is told correctly.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..errors import PointVidError
from ..tracks import PointTracks
from .measurement import Measurement
from .reconstruction import matched
from .trajectories import Points

THRESHOLDS = (1, 2, 4, 8, 16)
SCALINGS = ("none", "median")


@dataclass(frozen=True)
class TapVid3DScores:
    """Shares in [0, 1], NaN where there was nothing to judge.

    Attributes:
        apd: APD_3D, average share of visible points within the thresholds.
        aj: 3D average Jaccard.
        oa: occlusion accuracy.
        within: the share for each of `THRESHOLDS`.
        jaccard: the index for each of `THRESHOLDS`.
        scale: what the predicted points were multiplied by.
    """

    apd: float
    aj: float
    oa: float
    within: tuple[float, ...]
    jaccard: tuple[float, ...]
    scale: float


def tapvid3d_metrics(predicted: PointTracks, truth: PointTracks, scaling: str = "none") -> TapVid3DScores:
    """Score tracks against the truth of the same queries, over all frames.

    Args:
        predicted: T frames, N points. Its own camera unprojects it.
        truth: T frames, N points; its camera gives the focal length of the thresholds.
        scaling: "none" takes the predicted scale as it is; "median" first matches the median distance from the camera
            of the points visible in both.
    Raises:
        PointVidError: shapes differ, or the scaling is unknown.
    """
    _check(predicted, truth)
    if scaling not in SCALINGS:
        raise PointVidError(f"scaling is {scaling!r}, expected one of {SCALINGS}")
    found, target = predicted.xyz.double(), truth.xyz.double()
    scale = _median_scale(found, target, predicted.visible & truth.visible) if scaling == "median" else 1.0
    distance = (found * scale - target).norm(dim=-1)
    focal = (truth.camera.fx * truth.camera.fy) ** 0.5
    pixel = truth.uvd[..., 2].double() / focal
    right = [distance < threshold * pixel for threshold in THRESHOLDS]
    within = tuple(_share(near, truth.visible) for near in right)
    jaccard = tuple(_jaccard(near, predicted.visible, truth.visible) for near in right)
    oa = (predicted.visible == truth.visible).double().mean().item()
    return TapVid3DScores(_mean(within), _mean(jaccard), oa, within, jaccard, scale)


def tapvid3d_curves(points: Points, reference: Points, scaling: str = "none") -> tuple[Measurement, ...]:
    """The scores "apd", "aj" and "oa" of what both have in common (`matched`), with their course over the frames."""
    predicted, truth = matched(points, reference)
    whole = tapvid3d_metrics(predicted, truth, scaling)
    if scaling != "none":  # one scale for the clip, not one a frame
        predicted = predicted.replace(uvd=predicted.uvd * predicted.uvd.new_tensor([1, 1, whole.scale]))
    frames = [
        tapvid3d_metrics(
            *(one.replace(uvd=one.uvd[t : t + 1], visible=one.visible[t : t + 1]) for one in (predicted, truth))
        )
        for t in range(truth.num_frames)
    ]
    return tuple(
        Measurement(
            name,
            "",
            getattr(whole, name),
            tuple(getattr(frame, name) for frame in frames),
            "higher",
            truth.visible.double().mean().item(),
        )
        for name in ("apd", "aj", "oa")
    )


def _jaccard(near: Tensor, claimed: Tensor, visible: Tensor) -> float:
    """True positives / (truly visible + claimed but wrong)."""
    true_positives = near & visible & claimed
    false_positives = claimed & ~(near & visible)
    whole = (visible.sum() + false_positives.sum()).item()
    return true_positives.sum().item() / whole if whole else float("nan")


def _share(what: Tensor, among: Tensor) -> float:
    count = among.sum().item()
    return (what & among).sum().item() / count if count else float("nan")


def _median_scale(found: Tensor, target: Tensor, both: Tensor) -> float:
    if not both.any():
        return 1.0
    return _median(target[both].norm(dim=-1)) / max(_median(found[both].norm(dim=-1)), 1e-12)


def _median(values: Tensor) -> float:
    """With the mean of the two middle values, where torch takes the lower."""
    ordered = values.sort().values
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]).item() / 2


def _mean(values: tuple[float, ...]) -> float:
    return sum(values) / len(values)


def _check(predicted: PointTracks, truth: PointTracks) -> None:
    if predicted.uvd.shape != truth.uvd.shape:
        raise PointVidError(
            f"predicted tracks are {predicted.num_frames} frames x {predicted.num_points} points, "
            f"the truth is {truth.num_frames} x {truth.num_points}; expected the same queries and frames"
        )
