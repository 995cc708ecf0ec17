"""The answers: one row a question, in CSV, from the server or from the raters' downloads."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..errors import PointVidError
from ..files.readable import readable
from .plan import Study

COLUMNS = ("study", "rater", "trial", "question", "choice", "left", "right", "seconds", "time")
RATER = re.compile(r"\w[\w .@-]{0,63}")
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?Z")


@dataclass(frozen=True)
class Answer:
    """One rater's answer to one question about one pair.

    Attributes:
        rater, trial, question: who, which pair, which question.
        choice: "left" or "right".
        left, right: ids of the clips as they were shown.
        seconds: spent on the pair.
        time: when, UTC, ISO 8601.
    """

    rater: str
    trial: str
    question: str
    choice: str
    left: str
    right: str
    seconds: float
    time: str

    @property
    def chosen(self) -> str:
        """The id of the clip chosen."""
        return self.left if self.choice == "left" else self.right

    def row(self, study: str) -> dict[str, object]:
        """As in the CSV."""
        return {"study": study, **{name: getattr(self, name) for name in COLUMNS[1:]}}


def parse_answer(row: Mapping[str, object], study: Study) -> Answer:
    """Check a row of strings (or JSON values).

    Raises:
        PointVidError: says which field is wrong, what it is and what was expected.
    """

    def refuse(field: str, expected: str) -> PointVidError:
        return PointVidError(f"{field} is {repr(row.get(field))[:80]}, expected {expected}")

    missing = [name for name in COLUMNS if row.get(name) in (None, "")]
    if missing:
        raise PointVidError(f"{', '.join(missing)} missing, expected the columns {','.join(COLUMNS)}")
    for name in COLUMNS:
        if not isinstance(row[name], str) and (name != "seconds" or isinstance(row[name], bool | list | dict)):
            raise refuse(name, "a number" if name == "seconds" else "a text")
    text = {name: str(row[name]) for name in COLUMNS}
    if text["study"] != study.id:
        raise refuse("study", f"{study.id!r}: these answers belong to another study")
    if not RATER.fullmatch(text["rater"]):
        raise refuse("rater", "a name of up to 64 letters, digits, spaces or .@-")
    pairs = {trial.id: set(trial.clips) for trial in study.trials}
    if text["trial"] not in pairs:
        raise refuse("trial", "a pair of this study")
    if {text["left"], text["right"]} != pairs[text["trial"]]:
        raise PointVidError(
            f"left and right are {text['left']!r} and {text['right']!r}, not the clips of {text['trial']}"
        )
    if text["question"] not in {question.id for question in study.questions}:
        raise refuse("question", "a question of this study")
    if text["choice"] not in ("left", "right"):
        raise refuse("choice", "'left' or 'right'")
    try:
        datetime.fromisoformat(_TIME.fullmatch(text["time"])[1])  # type: ignore[index]
    except (TypeError, ValueError):
        raise refuse("time", "like 2025-01-31T12:00:00Z") from None
    try:
        seconds = float(text["seconds"]) if text["seconds"].isascii() else math.nan
    except ValueError:
        raise refuse("seconds", "a number") from None
    if not 0 <= seconds < 1e7:
        raise refuse("seconds", "a number from 0 on")
    values = {name: text[name] for name in COLUMNS[1:] if name != "seconds"}
    return Answer(**values, seconds=seconds)


def append_answers(answers: Iterable[Answer], study: Study, path: Path) -> None:
    """Add rows to the CSV in one write that is on disk when this returns; the header first where the file is new."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    if not path.exists() or not path.stat().st_size:
        writer.writeheader()
    elif not _ends_with_newline(path):  # what was cut off must not swallow the next row
        text.write("\n")
    writer.writerows(answer.row(study.id) for answer in answers)
    with path.open("ab", buffering=0) as file:
        file.write(text.getvalue().encode("utf-8"))
        os.fsync(file.fileno())


def read_answers(paths: Iterable[Path], study: Study) -> tuple[list[Answer], list[str]]:
    """Read CSV files; where a rater answered a question again, or two files hold the same row, the latest counts.

    Returns:
        The answers, and notes about what was passed over: a last row that was cut off while it was written.
    Raises:
        PointVidError: unreadable, not such a file, or a wrong row: names the file and the line.
    """
    latest: dict[tuple[str, str, str], Answer] = {}
    notes: list[str] = []
    for path in paths:
        for number, row, is_last in _rows(path):
            try:
                answer = parse_answer(row, study)
            except PointVidError as error:
                if is_last and not _ends_with_newline(path):
                    notes.append(f"{path.name}: the last row is cut off and was passed over")
                    continue
                raise PointVidError(f"{path}, line {number}: {error}") from None
            place = (answer.rater, answer.trial, answer.question)
            if place not in latest or answer.time >= latest[place].time:
                latest[place] = answer
    return list(latest.values()), notes


def _rows(path: Path) -> list[tuple[int, dict[str, str], bool]]:
    """(line, row, whether it is the last) of a CSV; empty lines are passed over."""
    what, expected = str(path), "a CSV file of answers"
    if not path.is_file():
        raise PointVidError(f"cannot read {path}: there is no such file; expected {expected}")
    with readable(what, expected), path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            found = ",".join(reader.fieldnames or ()) or "nothing"
            raise PointVidError(f"{path} begins with {found[:80]}, expected {','.join(COLUMNS)}: answers of a study")
        rows = [(reader.line_num, row) for row in reader]
    return [(number, row, index == len(rows) - 1) for index, (number, row) in enumerate(rows)]


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        if not file.tell():
            return True
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
