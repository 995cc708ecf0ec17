"""A cloth falls onto an object and drapes itself over it: the one scene with a body that deforms."""

from __future__ import annotations

from ..stage import Script, Simulation
from .parts import ball, can, clutter


def draping(stage: Simulation) -> Script:
    """The claim: the cloth comes down, its corners lower than the top of what it falls on."""
    # No box: its corners would show between the particles of the cloth. The rim of a can does not, 8 mm below it.
    color, below, noun = stage.color(), stage.color(), stage.pick("ball", "ball", "can")
    size, y = stage.between(0.2, 0.26), 0.0
    thing = (ball if noun == "ball" else can)(stage, "below", below, (0, y), size)
    thing.body.geoms[0].density, thing.body.geoms[0].margin = 1500.0, 0.008
    drop, width = stage.between(0.1, 0.2), stage.between(0.42, 0.52)
    stage.cloth("target", color, (stage.between(-0.06, 0.06), y + stage.between(-0.05, 0.05), 1.2 * size + drop), width)
    clutter(stage, 1, lambda x, z: abs(x) > 0.4 and z > 0.1, size=0.15)
    stage.room()
    stage.camera((0, y, 0.2), 0.33, 0.42)
    return Script(
        caption=f"a {color} cloth falls down onto a {below} {noun}",
        labels=(f"{color} cloth", f"{below} {noun}"),
        verb="drape",
        subject="",
        target=f"{color} cloth",
        target_name="target",
        direction="down",
        happened=lambda m: (
            m.shift("target")[1] > 0.15
            and m.position["target"][-1, 2] < 0.9 * size
            and m.turned["below"].max() < 0.3
            and m.stays_in_view("below", stage.aspect)
        ),
    )
