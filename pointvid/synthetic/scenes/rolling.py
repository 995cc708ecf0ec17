"""A ball or a barrel rolls across the floor into other things."""

from __future__ import annotations

import math

from ..stage import Script, Simulation
from .parts import WAYS, ball, clutter


def rolling(stage: Simulation) -> Script:
    """The claim: the object crosses the image the way the caption says, turning as rolling without slip has it."""
    direction = stage.pick("left", "right")
    way = WAYS[direction][0]
    color, noun = stage.color(), stage.pick("ball", "ball", "barrel")
    size = stage.between(0.22, 0.3)
    speed = stage.between(0.7, 1.2)
    start = (-way * stage.between(0.3, 0.4), stage.between(-0.2, -0.05))
    if noun == "ball":
        ball(stage, "target", color, start, size)
    else:
        barrel = stage.thing("target", color, (*start, size / 2))
        lying = [math.sqrt(0.5), math.sqrt(0.5), 0, 0]
        barrel.cylinder(size / 2, size * stage.between(0.45, 0.7), quat=lying)
    clutter(stage, int(stage.rng.integers(1, 4)), lambda x, y: x * way > -0.05 or y > start[1] + 0.35)
    stage.room()
    stage.camera((0, start[1] + 0.08, 0.14), 0.3, 0.46)
    stage.launch("target", (way * speed, 0, 0), (0, way * speed / (size / 2), 0))
    object_name = f"{color} {noun}"
    return Script(
        caption=f"the {object_name} rolls to the {direction}",
        labels=(object_name,),
        verb="roll",
        subject="",
        target=object_name,
        target_name="target",
        direction=direction,
        happened=lambda m: (
            m.went("target", direction, 0.3)
            and m.turned["target"].max() > 1.0
            and abs(m.position["target"][-1, 2] - size / 2) < 0.03
            and m.stays_in_view("target", stage.aspect)
        ),
    )
