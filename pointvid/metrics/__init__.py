"""Figures of tracks and videos, each with its course over the clip. docs/metrics.md defines them.

All take `PointTracks`, a `PointMap`, or the `trajectories` of one, made once for several metrics, and give a
`Measurement`; they compute on the CPU in double precision.
"""

from .accuracy import TapVid3DScores, tapvid3d_curves, tapvid3d_metrics
from .color import color_constancy
from .measure import MetricReport, measure
from .measurement import Measurement
from .motion import motion
from .reconstruction import matched, reconstruction
from .retracking import retracking, track_video
from .rigidity import rigidity
from .shape import ObjectShape, shape_change, shape_constancy
from .temporal import acceleration, jitter, speed
from .trajectories import Trajectories, trajectories

__all__ = [
    "Measurement",
    "MetricReport",
    "ObjectShape",
    "TapVid3DScores",
    "Trajectories",
    "acceleration",
    "color_constancy",
    "jitter",
    "matched",
    "measure",
    "motion",
    "reconstruction",
    "retracking",
    "rigidity",
    "shape_change",
    "shape_constancy",
    "speed",
    "tapvid3d_curves",
    "tapvid3d_metrics",
    "track_video",
    "trajectories",
]
