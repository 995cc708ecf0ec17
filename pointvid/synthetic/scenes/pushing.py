"""A hand pushes an object across the floor, sometimes into others."""

from __future__ import annotations

from ..stage import Script, Simulation
from .parts import WAYS, anything, clutter, glide, hand


def pushing(stage: Simulation) -> Script:
    """The claim: the object moves the way the caption says, and it is the hand that moves it."""
    direction = stage.pick("left", "right", "left", "right", "away")
    way = WAYS[direction]
    size, color = stage.between(0.2, 0.27), stage.color()
    reach = stage.between(0.34, 0.46)
    start = (-way[0] * reach / 2, -0.12 + stage.between(-0.05, 0.05) - way[1] * 0.1)
    _, noun = anything(stage, "target", color, start, size)
    gap = 0.62 * size + 0.03
    palm = (start[0] - way[0] * gap, start[1] - way[1] * gap, 0.085)
    hand(stage, palm, way)
    clutter(
        stage,
        int(stage.rng.integers(1, 4)),
        lambda x, y: (
            (y > start[1] + 0.3 and (way[1] == 0 or abs(x) > 0.3)) or x * way[0] > start[0] * way[0] + reach + 0.1
        ),
    )
    stage.room()
    stage.camera((0, start[1] + 0.05, 0.14), 0.3, 0.42)
    begin, end = -0.05, stage.between(0.55, 0.75)

    def control(t: float) -> dict[str, float]:
        s = reach * glide(t, begin, end)
        return {"hand/x": way[0] * s, "hand/y": way[1] * s, "hand/z": 0.0}

    target = f"{color} {noun}"
    to = "away from the camera" if direction == "away" else f"to the {direction}"
    return Script(
        caption=f"a hand pushes the {target} {to}",
        labels=("hand", target),
        verb="push",
        subject="hand",
        target=target,
        target_name="target",
        direction=direction,
        happened=lambda m: (
            m.went("target", direction, 0.15)
            and m.stays_in_view("target", stage.aspect)
            and m.went("hand", direction, 0.15)
        ),
        control=control,
        lead_in=0.1,
    )
