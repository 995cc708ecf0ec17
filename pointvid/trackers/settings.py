"""What can be chosen about tracking a clip, with the paper's values where it names them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from ..errors import PointVidError
from ..points.densify import INTERPOLATIONS

Queries = Literal["auto", "grid", "dense", "paper"]
QUERIES = get_args(Queries)


@dataclass(frozen=True)
class TrackSettings:
    """How many points are followed, and how they become the dense P.

    Attributes:
        grid: query points a side over the whole image (the paper's 80); with a mask those inside it are followed.
        extra: random query pixels besides, in the mask where there is one.
        seed: of the random pixels.
        smooth: run the Kalman smoother (Algorithm 1, line 4).
        tau, tau_depth: its time constants in frames, for (u, v) and for log-depth; 0 leaves them as tracked.
        interpolation: how pixels between tracks are filled: "displacement", or "absolute" as the paper says it.
        k: from how many nearest tracks (the paper's 3).
        queries: "grid" (grid and extra); "dense", every pixel (`queries.dense_queries`); "paper", the published preset
            for SpaTracker (`spatracker.queries.paper_queries`; needs a mask); or "auto": dense for a tracker that
            follows every pixel anyway, else grid.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - inside a config file's model: unknown keys are errors

    grid: int = 80
    extra: int = 1600
    seed: int = 0
    smooth: bool = True
    tau: float = 0.0
    tau_depth: float = 0.5
    interpolation: str = "displacement"
    k: int = 3
    queries: Queries = "auto"

    def __post_init__(self) -> None:
        if not (1 <= self.grid <= 2000 and 0 <= self.extra <= 10**6 and 1 <= self.k <= 1000):
            raise PointVidError(
                f"tracks: grid {self.grid}, extra {self.extra}, k {self.k}; "
                "expected 1 to 2000, 0 to 1000000 and 1 to 1000"
            )
        if not (0 <= self.tau <= 1000 and 0 <= self.tau_depth <= 1000):
            raise PointVidError(f"tracks: tau {self.tau}, tau_depth {self.tau_depth}; expected frames, from 0 to 1000")
        if self.interpolation not in INTERPOLATIONS:
            raise PointVidError(
                f"tracks.interpolation is {self.interpolation!r}, expected one of {', '.join(INTERPOLATIONS)}"
            )
        if self.queries not in QUERIES:
            raise PointVidError(f"queries is {self.queries!r}, expected one of {', '.join(QUERIES)}")

    def facts(self) -> dict[str, Any]:
        """To be written down, as JSON has it.

        Without `queries` where it is "auto": data sets begun before there was a choice go on, with equal bytes.
        """
        facts = asdict(self)
        if self.queries == "auto":
            del facts["queries"]
        return facts
