"""How much moves. Every score of constancy is perfect on a still picture; this one is not."""

from __future__ import annotations

from .measurement import Measurement
from .trajectories import Measurable, frame_means, share, trajectories


def motion(points: Measurable, space: str = "image") -> Measurement:
    """How far the points are from where they started, mean over points.

    Args:
        points: tracks or a point map.
        space: "image" measures in pixels, "camera" in 3D.
    Returns:
        "motion" in px, or "motion_3d" in m (rel). The value is that of the frame where it is largest, so that going and
        coming back counts; a still clip scores 0.
    """
    found = trajectories(points)
    place = found.uv if space == "image" else found.xyz
    counted = found.counted & found.counted[0]
    course = frame_means((place - place[0]).norm(dim=-1), counted)
    return Measurement(
        "motion" if space == "image" else "motion_3d",
        "px" if space == "image" else found.unit,
        max((value for value in course if value == value), default=float("nan")),
        course,
        better="neither",
        coverage=share(counted[1:]),
    )
