"""Figures of tracks and videos, each with its course over the clip. docs/metrics.md defines them.

All take `PointTracks` or `PointMap` and give a `Measurement`; they compute on the CPU in double precision.
"""

from .accuracy import PositionErrors, TapVid3DScores, position_errors, tapvid3d_curves, tapvid3d_metrics
from .color import color_constancy
from .measure import MetricReport, measure
from .measurement import Measurement
from .motion import motion
from .reconstruction import matched, reconstruction
from .retracking import retracking, track_video
from .rigidity import rigidity
from .shape import ObjectShape, shape_change, shape_constancy
from .temporal import acceleration, smoothness, speed

__all__ = [
    "Measurement",
    "MetricReport",
    "ObjectShape",
    "PositionErrors",
    "TapVid3DScores",
    "acceleration",
    "color_constancy",
    "matched",
    "measure",
    "motion",
    "position_errors",
    "reconstruction",
    "retracking",
    "rigidity",
    "shape_change",
    "shape_constancy",
    "smoothness",
    "speed",
    "tapvid3d_curves",
    "tapvid3d_metrics",
    "track_video",
]
