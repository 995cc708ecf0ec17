"""Figures of a generated clip that need no ground truth: do its tracks and its video tell the same story?"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from torch import Tensor

from ..errors import PointVidError
from ..point_map import PointMap
from . import color_constancy, rigidity


@dataclass(frozen=True)
class GenerationFigures:
    """What a report says of a generated clip.

    Attributes:
        agreement: colour constancy along the tracks, 0 to 1: 1 minus the mean absolute RGB difference (of 1) between a
            point's colour in frame 0 and the video where the point is said to be later.
        agreement_shuffled: the same with the trajectories dealt out to other points: what tracks that know nothing get.
        agreement_still: the same with points that do not move: what tracks that miss the motion get.
        rigidity: how much distances between neighbours change, root mean square, relative to the distances, in 3D.
        motion_px: how far points are from their start in the last frame, mean, pixels.
        points: foreground points there are.
    """

    agreement: float
    agreement_shuffled: float
    agreement_still: float
    rigidity: float
    motion_px: float
    points: int

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


def generation_figures(video: Tensor, point_map: PointMap, seed: int = 0) -> GenerationFigures:
    """Measure a generated clip.

    Args:
        video: uint8 [T,H,W,3]; point_map: of the same size; seed: of the shuffling.
    Raises:
        PointVidError: sizes differ, or there is no foreground.
    """
    if tuple(video.shape) != tuple(point_map.points.shape):
        raise PointVidError(
            f"video is {list(video.shape)}, point map is {list(point_map.points.shape)}, expected equal"
        )
    if not point_map.mask.any():
        raise PointVidError("point map has no foreground points, expected at least one to measure")
    uv = point_map.points[:, point_map.mask][..., :2]
    return GenerationFigures(
        agreement=_agreement(video, point_map),
        agreement_shuffled=_agreement(video, point_map, "shuffled", seed),
        agreement_still=_agreement(video, point_map, "still"),
        rigidity=rigidity(point_map, relative=True).value / 100,
        motion_px=(uv[-1] - uv[0]).norm(dim=-1).mean().item(),
        points=uv.shape[1],
    )


def _agreement(video: Tensor, point_map: PointMap, null: str | None = None, seed: int = 0) -> float:
    """Colour constancy; 0 where no point ever is on screen after frame 0."""
    value = color_constancy(video, point_map, null, seed).value
    return value if math.isfinite(value) else 0.0
