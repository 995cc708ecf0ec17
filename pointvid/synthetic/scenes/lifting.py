"""A gripper holds an object and lifts it off the floor."""

from __future__ import annotations

import math

from ..stage import Script, Simulation
from .parts import clutter, glide, gripper


def lifting(stage: Simulation) -> Script:
    """The claim: the object rises with the gripper. The jaws close before frame 0, so that it moves throughout."""
    color, noun = stage.color(), stage.pick("box", "can")
    yaw, y = stage.between(-0.7, 0.7), stage.between(-0.12, 0.0)
    half_width, half_height = stage.between(0.065, 0.09), stage.between(0.09, 0.12)
    target = stage.thing("target", color, (0, y, half_height), yaw)
    target.density, target.friction = 150.0, (1.5, 0.02, 0.001)
    if noun == "box":
        target.box((half_width, half_width * stage.between(0.8, 1.2), half_height))
    else:
        target.cylinder(half_width, half_height)
    gap = 0.012
    gripper(stage, (0, y, 2 * half_height - 0.1), yaw, 2 * (half_width + gap))
    clutter(stage, int(stage.rng.integers(1, 4)), lambda x, z: abs(x) > 0.26 or z > y + 0.35)
    stage.room()
    rise, sway = stage.between(0.22, 0.3), stage.between(-0.12, 0.12)
    stage.camera((0, y, 0.3), 0.36, 0.46)
    lead_in = 0.3

    def control(t: float) -> dict[str, float]:
        squeeze = (gap + 0.012) * glide(t, -lead_in, -0.12)
        s = glide(t, -0.06, 0.62)
        return {
            "gripper/left": squeeze,
            "gripper/right": squeeze,
            "gripper/z": rise * s,
            "gripper/x": sway * s * s,
        }

    return Script(
        caption=f"a gripper lifts the {color} {noun} up",
        labels=("gripper", f"{color} {noun}"),
        verb="lift",
        subject="gripper",
        target=f"{color} {noun}",
        target_name="target",
        direction="up",
        happened=lambda m: (
            m.went("target", "up", 0.15)
            and m.stays_in_view("target", stage.aspect)
            and m.turned["target"].max() < math.radians(25)
        ),
        control=control,
        lead_in=lead_in,
    )
