"""What every metric gives back: one number, its unit, and its course over the clip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """A metric of one clip.

    Attributes:
        name: as in docs/metrics.md, for example "rigidity".
        unit: "m", "m/s", "px", "%"; "rel" stands for the unknown unit of relative depth; "" for shares in [0, 1].
        value: the clip's figure; NaN where there was nothing to judge.
        per_frame: its course, one number a frame; NaN in frames where it is not defined.
        better: "lower", "higher", or "neither" where more is not better.
        coverage: share in [0, 1] of what there was to judge that could be judged: where points are hidden, off screen
            or lost, the rest speaks for them.
    """

    name: str
    unit: str
    value: float
    per_frame: tuple[float, ...]
    better: str = "lower"
    coverage: float = 1.0

    def as_dict(self) -> dict[str, object]:
        """For JSON, which knows no NaN: None stands for it."""
        return {
            "name": self.name,
            "unit": self.unit,
            "value": finite(self.value),
            "per_frame": [finite(value) for value in self.per_frame],
            "better": self.better,
            "coverage": finite(self.coverage),
        }

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "-"
        return f"{self.value:.4g} {self.unit}".rstrip()


def finite(value: float) -> float | None:
    """The number, or None where it is none."""
    return value if math.isfinite(value) else None


def mean(values: Sequence[float]) -> float:
    """Of the numbers among `values`; NaN where there are none."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
