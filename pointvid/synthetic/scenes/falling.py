"""Objects fall, collide with what stands below, and tumble."""

from __future__ import annotations

from ..stage import Script, Simulation
from .parts import anything, clutter


def falling(stage: Simulation) -> Script:
    """The claim: the named object falls (its fall is the largest motion) and turns."""
    color = stage.color()
    size = stage.between(0.2, 0.27)
    _, noun = anything(stage, "target", color, (stage.between(-0.12, 0.12), 0.0), size, z=stage.between(0.3, 0.42))
    names = clutter(stage, int(stage.rng.integers(2, 5)), lambda x, y: abs(x) < 0.5 and y < 0.3, size=0.19)
    stage.room()
    stage.camera((0, 0.05, 0.24), 0.36, 0.45)
    spin = stage.rng.uniform(-6, 6, 3)
    drift = (stage.between(-0.5, 0.5), 0.0, stage.between(-0.4, 0.2))
    stage.launch("target", drift, spin)
    object_name = f"{color} {noun}"
    onto = "among other objects" if names else "to the floor"
    return Script(
        caption=f"the {object_name} falls {onto}",
        labels=(object_name,),
        verb="fall",
        subject="",
        target=object_name,
        target_name="target",
        direction="down",
        happened=lambda m: (
            m.position["target"][0, 2] - m.position["target"][-1, 2] > 0.15
            and m.shift("target")[1] > 0.12
            and m.turned["target"].max() > 0.4
            and m.stays_in_view("target", stage.aspect)
        ),
    )
