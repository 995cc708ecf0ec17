"""Paired differences with intervals, over two kinds of chance: training seeds and held-out clips.

Every variant is trained with the same seeds and generates the same clips from the same noise, so the difference between
two variants is taken seed by seed and clip by clip. Two intervals of its mean are given, both Student's t: over seeds
(each seed's mean over clips is one observation: would another training say the same?) and over clips (each clip's mean
over seeds: would other clips?). A difference is called clear only where both leave out 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy import stats

Cell = tuple[int, int]
"""(seed, clip)"""


@dataclass(frozen=True)
class Interval:
    """A mean and its two-sided 95% interval; NaN bounds where there are fewer than two observations."""

    mean: float
    low: float
    high: float
    count: int

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 is outside."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Difference:
    """Variant minus reference.

    Attributes:
        seeds, clips: intervals of the mean difference over seeds, and over clips.
        effect: Cohen's d of the paired differences over clips: mean / standard deviation; NaN where they do not vary.
        relative: the mean difference as a share of the reference's mean.
    """

    seeds: Interval
    clips: Interval
    effect: float
    relative: float

    @property
    def clear(self) -> bool:
        """Whether both intervals leave out 0, on the same side."""
        both = self.seeds.excludes_zero and self.clips.excludes_zero
        return both and (self.seeds.low > 0) == (self.clips.low > 0)

    def as_dict(self) -> dict:
        """For JSON."""
        return {**asdict(self), "clear": self.clear}


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Student's t interval of a mean."""
    count = len(values)
    mean = float(np.mean(values)) if count else math.nan
    if count < 2:
        return Interval(mean, math.nan, math.nan, count)
    half = float(stats.t.ppf((1 + confidence) / 2, count - 1) * np.std(values, ddof=1)) / math.sqrt(count)
    return Interval(mean, mean - half, mean + half, count)


def means(values: Mapping[Cell, float], axis: int) -> list[float]:
    """Means by seed (axis 0) or by clip (axis 1), in their order."""
    groups: dict[int, list[float]] = {}
    for cell, value in values.items():
        groups.setdefault(cell[axis], []).append(value)
    return [float(np.mean(groups[key])) for key in sorted(groups)]


def summary(values: Mapping[Cell, float]) -> dict[str, Interval]:
    """{"seeds": ..., "clips": ...}: the mean of one variant, with both intervals."""
    return {"seeds": interval(means(values, 0)), "clips": interval(means(values, 1))}


def difference(values: Mapping[Cell, float], reference: Mapping[Cell, float]) -> Difference | None:
    """Paired over the cells that both have; None where there are none."""
    common = sorted(values.keys() & reference.keys())
    if not common:
        return None
    change = {cell: values[cell] - reference[cell] for cell in common}
    clips = means(change, 1)
    spread = float(np.std(clips, ddof=1)) if len(clips) > 1 else math.nan
    base = float(np.mean([reference[cell] for cell in common]))
    mean = float(np.mean(list(change.values())))
    return Difference(
        interval(means(change, 0)),
        interval(clips),
        mean / spread if spread > 0 else math.nan,
        mean / abs(base) if base else math.nan,
    )
