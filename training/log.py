"""log.csv: the course of a run, a row a logged step, for spreadsheets and plots."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from pointvid.files.atomic import atomic_path


class Log:
    """The file, open to go on after `step`: rows of later steps, which are taken again, are dropped.

    A loss that first appears in a later row gets a column then, and rows before it stay empty there.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path, self._columns = path, ["step"]
        rows = [row for row in _read(path) if row["step"].isdecimal() and int(row["step"]) <= step]
        self._write(rows)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Append a row."""
        row = {"step": str(step)} | {name: f"{value:.6g}" for name, value in values.items()}
        if row.keys() <= set(self._columns):
            with self.path.open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, self._columns, lineterminator="\n").writerow(row)
        else:
            self._write([*_read(self.path), row])

    def _write(self, rows: list[dict[str, str]]) -> None:
        """The whole file anew, with a column for every value."""
        self._columns = list(dict.fromkeys([*self._columns, *(name for row in rows for name in row)]))
        with atomic_path(self.path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self._columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def _read(path: Path) -> list[dict[str, str]]:
    """The rows of a file, also of version 0.1's: without a header, "12,loss=0.5,lr=1e-4"."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    if lines and lines[0].partition(",")[0] == "step":
        return [{name: value for name, value in row.items() if name and value} for row in csv.DictReader(lines)]
    found = []
    for line in lines:
        step, *cells = line.split(",")
        found.append({"step": step} | {name: value for name, _, value in (cell.partition("=") for cell in cells)})
    return found
