"""Everything that can be measured of a clip with what is at hand, as one report."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..progress import Progress, silent
from ..trackers.base import Frames
from .accuracy import tapvid3d_curves
from .color import color_constancy
from .measurement import Measurement, finite
from .motion import motion
from .reconstruction import matched, reconstruction
from .retracking import retracking
from .rigidity import rigidity
from .shape import ObjectShape, mean_shape_change, shape_constancy
from .temporal import acceleration, jitter, speed
from .trajectories import Points, trajectories

TITLES = {
    "rigidity": "Rigidity error",
    "rigidity_relative": "Rigidity error, relative",
    "shape_change": "Shape change",
    "motion": "Motion in the image",
    "motion_3d": "Motion in 3D",
    "speed": "Speed",
    "acceleration": "Acceleration",
    "jitter": "Jitter",
    "agreement": "Colour agreement",
    "agreement_shuffled": "Agreement of shuffled points",
    "agreement_still": "Agreement of still points",
    "retracking": "Re-tracking distance",
    "recon": "Distance from the reference",
    "recon_px": "Distance from the reference, image",
    "apd": "TAPVid-3D APD",
    "aj": "TAPVid-3D AJ",
    "oa": "TAPVid-3D OA",
}
"""Name of a metric -> how people read it, in the order of a report. docs/metrics.md defines each."""


@dataclass(frozen=True)
class MetricReport:
    """The figures of one clip.

    Attributes:
        name: of the clip or file.
        frames, points: T and N.
        image_size: (H, W), pixels.
        unit: of lengths: "m", or "rel" where depth is relative and nothing is known of its scale.
        fps: frames a second.
        measurements: in the order of `TITLES`.
        objects: the shape of each object.
        notes: what was left out, and why.
    """

    name: str
    frames: int
    points: int
    image_size: tuple[int, int]
    unit: str
    fps: float
    measurements: tuple[Measurement, ...]
    objects: tuple[ObjectShape, ...]
    notes: tuple[str, ...] = ()

    def value(self, name: str) -> float:
        """The figure of that name; NaN where it was not measured."""
        return next((found.value for found in self.measurements if found.name == name), math.nan)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "name": self.name,
            "frames": self.frames,
            "points": self.points,
            "image_size": list(self.image_size),
            "length_unit": self.unit,
            "fps": self.fps,
            "measurements": {found.name: found.as_dict() for found in self.measurements},
            "objects": [
                {
                    "object_id": one.object_id,
                    "points": one.points,
                    **{part.name: finite(part.value) for part in (one.shape, one.size, one.area)},
                }
                for one in self.objects
            ],
            "notes": list(self.notes),
        }

    def text(self) -> str:
        """A plain table, one figure a row; pure ASCII."""
        height, width = self.image_size
        lines = [f"{self.name}: {self.points} points, {self.frames} frames, {width}x{height}, lengths in {self.unit}"]
        for found in self.measurements:
            hint = {"lower": "lower is better", "higher": "higher is better", "neither": ""}[found.better]
            seen = "" if found.coverage > 0.995 or math.isnan(found.coverage) else f"of {found.coverage:.0%}"
            lines.append(f"  {TITLES[found.name]:<36}{found!s:<16}{seen:<9}{hint}".rstrip())
        for one in self.objects:
            lines.append(
                f"  object {one.object_id}: shape changes by {one.shape}, size by {one.size}, area by {one.area}"
            )
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def measure(
    points: Points,
    video: Frames | None = None,
    reference: Points | None = None,
    *,
    retrack: bool = True,
    name: str = "clip",
    progress: Progress = silent,
) -> MetricReport:
    """Measure all that the inputs allow.

    Args:
        points: tracks or a point map.
        video: uint8 [T, H, W, 3], the clip of the points: adds colour agreement and re-tracking.
        reference: tracks or a point map of the same clip: adds the distance from it and the TAPVid-3D scores.
        retrack: leave the re-tracking out where False; it takes the longest.
        name: of the report.
        progress: of the re-tracking.
    Raises:
        PointVidError: inputs that do not belong to the same clip, no points.
    """
    found = trajectories(points)
    shapes = shape_constancy(found)
    rows = [rigidity(found), rigidity(found, relative=True), mean_shape_change(shapes, len(found.uv))]
    rows += [motion(found), motion(found, "camera"), speed(found), acceleration(found), jitter(found)]
    notes = []
    if found.unit == "rel":
        notes.append("depth is relative: lengths are in its unknown unit, compare them within one source of depth only")
    if video is not None:
        rows += [color_constancy(video, found, null) for null in (None, "shuffled", "still")]
        if retrack:
            rows.append(retracking(video, found, progress=progress))
    if reference is not None:
        pair = matched(points, reference)
        if pair[0].depth_unit == pair[1].depth_unit:
            rows += [reconstruction(*pair), reconstruction(*pair, "image"), *tapvid3d_curves(*pair)]
        else:
            rows += [reconstruction(*pair, "image"), *tapvid3d_curves(*pair, "median")]
            notes.append(
                "only one of points and reference is metric: no distance in 3D; for TAPVid-3D the scales are matched"
            )
    return MetricReport(
        name,
        len(found.uv),
        found.uv.shape[1],
        found.image_size,
        found.unit,
        found.fps,
        tuple(rows),
        shapes,
        tuple(notes),
    )
