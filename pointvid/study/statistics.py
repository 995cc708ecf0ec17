"""How sure a share is, and how far raters agree."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Share:
    """`wins` of `total`, with 95 % intervals; NaN where there are none.

    Attributes:
        wilson: Wilson's score interval.
        exact: Clopper and Pearson's, which never covers too little.
        p: two-sided exact binomial test against one half.
    """

    wins: int
    total: int
    wilson: tuple[float, float]
    exact: tuple[float, float]
    p: float

    @property
    def value(self) -> float:
        """The share itself."""
        return self.wins / self.total if self.total else math.nan


def share(wins: int, total: int) -> Share:
    """Intervals and test of `wins` out of `total` independent answers."""
    if not total:
        return Share(0, 0, (math.nan, math.nan), (math.nan, math.nan), math.nan)
    test = binomtest(wins, total)
    wilson, exact = (test.proportion_ci(CONFIDENCE, method) for method in ("wilson", "exact"))
    return Share(
        wins, total, (float(wilson.low), float(wilson.high)), (float(exact.low), float(exact.high)), float(test.pvalue)
    )


def clustered_interval(groups: Sequence[Sequence[bool]], draws: int = 4000, seed: int = 0) -> tuple[float, float]:
    """95 % interval of a share whose answers come in groups, by drawing whole groups anew (percentile bootstrap).

    Answers about one clip resemble each other: a binomial interval, which takes them for independent, is too narrow.

    Args:
        groups: the answers about each clip.
    Returns:
        (low, high); NaN with fewer than two groups.
    """
    filled = [group for group in groups if group]
    if len(filled) < 2:
        return math.nan, math.nan
    wins, totals = np.array([(sum(group), len(group)) for group in filled]).T
    drawn = np.random.default_rng(seed).integers(0, len(filled), (draws, len(filled)))
    shares = wins[drawn].sum(1) / totals[drawn].sum(1)
    edge = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(shares, [edge, 100 - edge])
    return float(low), float(high)


def krippendorff_alpha(units: Sequence[Mapping[str, object]]) -> float:
    """Krippendorff's alpha for nominal answers (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability).

    1 where raters always agree, 0 where they agree as chance would. Raters need not have answered everything.

    Args:
        units: {rater: answer} of each thing judged.
    Returns:
        NaN where no two raters judged the same thing, or where all answers are equal and chance agrees, too.
    """
    coincidences: Counter[tuple[object, object]] = Counter()
    for answers in units:
        values = list(answers.values())
        if len(values) < 2:
            continue
        counts = Counter(values)
        for one, n in counts.items():
            for other, m in counts.items():
                pairs = n * (m - (one == other))
                coincidences[one, other] += pairs / (len(values) - 1)
    marginals: Counter[object] = Counter()
    for (one, _), number in coincidences.items():
        marginals[one] += number
    total = sum(marginals.values())
    if not total:
        return math.nan
    observed = sum(number for (one, other), number in coincidences.items() if one != other)
    expected = (total * total - sum(n * n for n in marginals.values())) / (total - 1)
    return 1 - observed / expected if expected else math.nan
