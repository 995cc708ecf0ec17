"""A hand or a thrown ball knocks over a stack of boxes."""

from __future__ import annotations

from ..stage import Script, Simulation
from .parts import WAYS, ball, clutter, glide, hand


def toppling(stage: Simulation) -> Script:
    """The claim: the top box of the stack comes down, on the side that the caption says."""
    direction = stage.pick("left", "right")
    way = WAYS[direction][0]
    at = (-way * stage.between(0.08, 0.16), stage.between(-0.1, 0.0))
    color, height, width = stage.color(), 0.0, 0.0
    levels = int(stage.rng.integers(3, 5))
    for level in range(levels):
        half = stage.between(0.062, 0.085), stage.between(0.062, 0.085), stage.between(0.05, 0.072)
        top = level == levels - 1
        block = stage.thing(
            "target" if top else f"block{level}",
            color if top else stage.color(),
            (at[0] + stage.between(-0.012, 0.012), at[1] + stage.between(-0.012, 0.012), height + half[2]),
            stage.between(-0.4, 0.4),
        )
        block.density = 300.0
        block.box(half)
        height, width = height + 2 * half[2], max(width, half[0])

    subject = stage.pick("hand", "ball")
    aim = height * stage.between(0.55, 0.75)
    control = {}
    if subject == "hand":
        gap = width + 0.055
        hand(stage, (at[0] - way * gap, at[1], aim), WAYS[direction])
        reach = stage.between(0.34, 0.44)
        control = {"hand/x": way * reach}
    else:
        size, gap, speed = stage.between(0.15, 0.19), 0.36, stage.between(2.2, 3.0)
        thrown = ball(stage, "ball", stage.color(), (at[0] - way * gap, at[1]), size, z=aim - size / 2)
        thrown.body.geoms[0].density = 900.0
        stage.launch("ball", (way * speed, 0, 0.8), (0, way * stage.between(-4, 8), 0))
    clutter(stage, 1, lambda x, y: y > at[1] + 0.3, size=0.15)
    stage.room()
    stage.camera((way * 0.06, at[1], height * 0.5), 0.62 * height, 0.42)
    return Script(
        caption=f"a {subject} knocks over a stack of boxes and the {color} box falls to the {direction}",
        labels=(subject, f"{color} box"),
        verb="topple",
        subject=subject,
        target=f"{color} box",
        target_name="target",
        direction=direction,
        happened=lambda m: (
            m.position["target"][0, 2] - m.position["target"][-1, 2] > 0.1
            and m.shift("target")[0] * way > 0.15
            and m.turned["target"].max() > 0.4
            and m.position[subject][3, 0] * way > m.position[subject][0, 0] * way
            and m.stays_in_view("target", stage.aspect)
        ),
        control=lambda t: {name: value * glide(t, -0.05, 0.5) for name, value in control.items()},
        lead_in=0.06 if subject == "hand" else 0.0,
    )
