"""One measured figure and how it is printed."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """A measurement beside its goal.

    Attributes:
        name: suite-unique, e.g. "densify.vs_literal_loop".
        value: in `unit`.
        goal: as text, e.g. ">= 100"; None where the figure is only reported.
        meets: whether value reaches the goal; None without a goal.
        context: what was compared with what, sizes, seeds.
    """

    name: str
    value: float
    unit: str
    goal: str | None = None
    meets: bool | None = None
    context: str = ""

    @classmethod
    def at_least(cls, name: str, value: float, unit: str, goal: float, context: str = "") -> Figure:
        """A figure that should be `goal` or more."""
        return cls(name, value, unit, f">= {goal:g}", bool(value >= goal), context)

    @classmethod
    def at_most(cls, name: str, value: float, unit: str, goal: float, context: str = "") -> Figure:
        """A figure that should be `goal` or less."""
        return cls(name, value, unit, f"<= {goal:g}", bool(value <= goal), context)

    def as_dict(self) -> dict[str, object]:
        """The JSON row."""
        return asdict(self)


def table(figures: list[Figure]) -> str:
    """A plain text table, one figure a row."""
    rows = [("figure", "value", "unit", "goal", "meets", "context")]
    rows += [
        (f.name, f"{f.value:.4g}", f.unit, f.goal or "-", {True: "yes", False: "NO", None: "-"}[f.meets], f.context)
        for f in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join([*(cell.ljust(w) for cell, w in zip(row[:5], widths)), row[5]]).rstrip() for row in rows)
