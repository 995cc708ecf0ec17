"""Do a study's intervals hold the truth as often as they say? Simulated raters with a known preference."""

from __future__ import annotations

import numpy as np

from pointvid.study.statistics import clustered_interval, share

from .figure import Figure

STUDIES, CLIPS, RATERS, PREFERENCE = 400, 60, 10, 0.7


def figures(studies: int = STUDIES) -> list[Figure]:
    """Coverage of 95 % intervals where answers are independent, and where raters resemble each other clip by clip."""
    rng = np.random.default_rng(0)
    alike, apart = (_coverage(rng, studies, spread) for spread in (2.0, None))
    context = f"{studies} simulated studies, {CLIPS} clips x {RATERS} raters, preference {PREFERENCE}"
    return [
        Figure.at_least(
            "study.independent_wilson",
            apart["wilson"],
            "share",
            0.93,
            f"holds the truth; independent answers, {context}",
        ),
        Figure.at_least("study.independent_exact", apart["exact"], "share", 0.95, "Clopper and Pearson, the same"),
        Figure("study.resembling_wilson", alike["wilson"], "share", context="raters resemble each other clip by clip"),
        Figure.at_least("study.resembling_by_clip", alike["by_clip"], "share", 0.92, "the same, interval by clip"),
    ]


def _coverage(rng: np.random.Generator, studies: int, spread: float | None) -> dict[str, float]:
    """How often each interval holds the preference.

    Args:
        spread: the sum of the parameters of the beta distribution that each clip's own preference is drawn from: the
            smaller, the more raters agree about a clip. None: the preference is the same for all.
    """
    held = {"wilson": 0, "exact": 0, "by_clip": 0}
    for _ in range(studies):
        own = np.full(CLIPS, PREFERENCE)
        if spread is not None:
            own = rng.beta(spread * PREFERENCE, spread * (1 - PREFERENCE), CLIPS)
        answers = rng.random((CLIPS, RATERS)) < own[:, None]
        found = share(int(answers.sum()), answers.size)
        by_clip = clustered_interval([list(row) for row in answers], draws=1000)
        for name, (low, high) in {"wilson": found.wilson, "exact": found.exact, "by_clip": by_clip}.items():
            held[name] += low <= PREFERENCE <= high
    return {name: count / studies for name, count in held.items()}
