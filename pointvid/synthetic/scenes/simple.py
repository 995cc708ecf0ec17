"""One plain object in the middle of a plain room goes the way the caption says, and nothing in frame 0 tells which way.

Made for models too small for the other scenes: the direction can only be learnt from the text.
"""

from __future__ import annotations

import math

import mujoco

from ..stage import Script, Simulation
from .parts import glide

_VERBS = {"ball": ("rolls", "is pushed", "moves"), "box": ("slides", "is pushed", "moves")}


def simple(stage: Simulation) -> Script:
    """The claim: the object crosses a good part of the image in the caption's direction."""
    direction = stage.pick("left", "right", "up", "down")
    noun, color = stage.pick("ball", "box"), stage.color()
    size, x, y = stage.between(0.22, 0.28), stage.between(-0.05, 0.05), stage.between(-0.05, 0.05)
    reach = stage.between(0.24, 0.32)
    height = size / 2 + (reach if direction == "down" else 0.0)

    yaw = stage.between(-0.6, 0.6)
    launched = direction == "down" or (noun == "ball" and direction != "up")
    target = stage.thing("target", color, (x, y, height + 0.002), yaw, free=launched)
    target.material = stage.plain(color)
    if noun == "ball":
        target.ball(size / 2)
    else:
        target.box((size / 2,) * 3)
    sign = -1 if direction == "left" else 1
    if launched and direction != "down":
        speed = sign * 1.5 * reach
        # About the ball's own axis, which yaw turns: some slip before they roll. Shards were made so; keep it.
        spin = speed / (size / 2)
        stage.launch("target", (speed, 0, 0), (-spin * math.sin(yaw), spin * math.cos(yaw), 0))
    if not launched:
        # Joint axes are in the body's frame, which is turned by yaw.
        axis = (0, 0, 1) if direction == "up" else (math.cos(yaw), -math.sin(yaw), 0)
        target.body.gravcomp = 1.0
        target.body.add_joint(
            name="target/slide", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=list(axis), armature=1.0, damping=20.0
        )
        stage.drive("target/slide", 6000.0, 200.0)
    stage.room(plain=True)
    stage.camera((0, 0, 0.2), 0.36, 0.42)

    object_name = f"{color} {noun}"
    verb = {"up": "is lifted", "down": "falls"}.get(direction) or stage.pick(*_VERBS[noun])
    way = direction if direction in ("up", "down") else f"to the {direction}"
    return Script(
        caption=f"the {object_name} {verb} {way}",
        labels=(object_name,),
        verb={"is lifted": "lift", "falls": "fall", "rolls": "roll"}.get(verb, "push"),
        subject="",
        target=object_name,
        target_name="target",
        direction=direction,
        happened=lambda m: m.went("target", direction, 0.15) and m.stays_in_view("target", stage.aspect),
        control=lambda t: {} if launched else {"target/slide": sign * reach * glide(t, -0.05, 0.62)},
    )
