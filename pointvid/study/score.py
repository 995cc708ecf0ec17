"""What the answers say: for every pair of methods and every question, how often which was chosen."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from ..metrics.measurement import finite
from .answers import Answer
from .plan import Question, Study, Trial
from .statistics import Share, clustered_interval, krippendorff_alpha, share


@dataclass(frozen=True)
class QuestionScore:
    """How often `method` was chosen rather than `other`.

    Attributes:
        question: its id; `negative` where being chosen speaks against the method.
        share: with intervals that take all answers for independent.
        by_clip: the interval that does not: whole clips are drawn anew.
        alpha: Krippendorff's, between raters.
        raters, clips: who answered, and about how many pairs.
    """

    method: str
    other: str
    question: str
    negative: bool
    share: Share
    by_clip: tuple[float, float]
    alpha: float
    raters: int
    clips: int

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "method": self.method,
            "other": self.other,
            "question": self.question,
            "negative": self.negative,
            "wins": self.share.wins,
            "answers": self.share.total,
            "share": finite(self.share.value),
            "wilson": [finite(value) for value in self.share.wilson],
            "clopper_pearson": [finite(value) for value in self.share.exact],
            "by_clip": [finite(value) for value in self.by_clip],
            "p": finite(self.share.p),
            "alpha": finite(self.alpha),
            "raters": self.raters,
            "clips": self.clips,
        }


@dataclass(frozen=True)
class StudyScore:
    """The result of a study.

    Attributes:
        study: what was asked.
        rows: the later method against the earlier, pair by pair, question by question.
        progress: rater -> share of the pairs answered in full.
        left: how often the left video was chosen, over all: far from a half, raters did not look.
        notes: what was passed over.
    """

    study: Study
    rows: tuple[QuestionScore, ...]
    progress: dict[str, float]
    left: Share
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "study": self.study.id,
            "title": self.study.title,
            "methods": list(self.study.methods),
            "questions": {question.id: question.text for question in self.study.questions},
            "scores": [row.as_dict() for row in self.rows],
            "progress": self.progress,
            "left_share": finite(self.left.value),
            "notes": list(self.notes),
        }

    def text(self) -> str:
        """A table, plain ASCII as far as the names are."""
        answers = sum(row.share.total for row in self.rows)
        done = sum(part == 1 for part in self.progress.values())
        lines = [
            f"{self.study.title}: {answers} answers, {len(self.progress)} raters ({done} with all pairs), "
            f"{len(self.study.trials)} pairs",
            f"the left video was chosen {_percent(self.left.value)} of the time",
        ]
        for method, other in dict.fromkeys((row.method, row.other) for row in self.rows):
            lines += ["", f"{method} chosen rather than {other}", _HEAD]
            lines += [_line(row) for row in self.rows if (row.method, row.other) == (method, other)]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


_HEAD = (
    f"  {'':<13}{'share':>7}   {'Wilson 95 %':<17} {'by clip 95 %':<16}{'p':>9}{'alpha':>8}{'answers':>9}{'clips':>7}"
)


def score_study(study: Study, answers: Sequence[Answer], notes: Sequence[str] = ()) -> StudyScore:
    """Look up whose the chosen clips are, and count. Interrupted raters count with what they answered."""
    compared = {trial.id: _compared(study, trial) for trial in study.trials}
    grouped: dict[tuple[str, str, str], list[Answer]] = defaultdict(list)
    for answer in answers:
        grouped[(*compared[answer.trial], answer.question)].append(answer)
    rows = [
        _question_score(study, method, other, question, grouped[method, other, question.id])
        for other, method in combinations(study.methods, 2)
        if (method, other) in compared.values()
        for question in study.questions
    ]
    return StudyScore(
        study,
        tuple(rows),
        _progress(study, answers),
        share(sum(answer.choice == "left" for answer in answers), len(answers)),
        tuple(notes),
    )


def _compared(study: Study, trial: Trial) -> tuple[str, str]:
    """(method, other) of a pair, the method given later first."""
    one, other = sorted((study.clips[clip].method for clip in trial.clips), key=study.methods.index)
    return other, one


def _question_score(study: Study, method: str, other: str, question: Question, answers: list[Answer]) -> QuestionScore:
    chosen: dict[str, dict[str, object]] = defaultdict(dict)
    for answer in answers:
        chosen[answer.trial][answer.rater] = study.clips[answer.chosen].method
    groups = [[name == method for name in by_rater.values()] for by_rater in chosen.values()]
    return QuestionScore(
        method,
        other,
        question.id,
        question.negative,
        share(sum(map(sum, groups)), sum(map(len, groups))),
        clustered_interval(groups),
        krippendorff_alpha(list(chosen.values())),
        len({answer.rater for answer in answers}),
        len(chosen),
    )


def _progress(study: Study, answers: Sequence[Answer]) -> dict[str, float]:
    answered: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for answer in answers:
        answered[answer.rater][answer.trial].add(answer.question)
    every = {question.id for question in study.questions}
    return {
        rater: sum(questions == every for questions in trials.values()) / len(study.trials)
        for rater, trials in sorted(answered.items())
    }


def _line(row: QuestionScore) -> str:
    name = row.question + (" (negative)" if row.negative else "")
    wilson, by_clip = (f"[{_percent(low)}, {_percent(high)}]" for low, high in (row.share.wilson, row.by_clip))
    p = "-" if math.isnan(row.share.p) else f"{row.share.p:.2g}"
    alpha = "-" if math.isnan(row.alpha) else f"{row.alpha:.2f}"
    return (
        f"  {name:<13}{_percent(row.share.value):>7}   {wilson:<17} {by_clip:<16}{p:>9}{alpha:>8}"
        f"{row.share.total:>9}{row.clips:>7}"
    )


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}%"
