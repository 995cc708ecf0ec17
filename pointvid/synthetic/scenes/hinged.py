"""A laptop or a door turns on its hinge."""

from __future__ import annotations

import math

import mujoco

from ..stage import Script, Simulation, Thing
from .parts import clutter, glide


def hinged(stage: Simulation) -> Script:
    """The claim: the hinged part opens or closes, to the side that the caption says."""
    return (_door if stage.rng.random() < 0.5 else _laptop)(stage)


def _laptop(stage: Simulation) -> Script:
    opens, color, thick = stage.rng.random() < 0.5, stage.color(), 0.012
    half_x, half_y = stage.between(0.2, 0.25), stage.between(0.14, 0.17)
    base = stage.thing("base", (88, 90, 96), (0, -0.05, thick), stage.between(-0.5, 0.5))
    base.density = 2500.0
    base.box((half_x, half_y, thick))
    base.material = stage.material((58, 60, 66), "checker")
    base.box((0.86 * half_x, 0.5 * half_y, 0.002), (0, 0.3 * half_y, thick), density=100.0)
    lid = stage.thing("target", color, (0, half_y, 2 * thick), free=False, parent=base)
    lid.density = 200.0
    lid.box((half_x, half_y, thick * 0.7), (0, -half_y, thick))
    _hinge(stage, lid, (-1, 0, 0))
    start, end = stage.between(0.15, 0.35), stage.between(1.5, 1.85)
    if not opens:
        start, end = end, start
    _finish(stage, 2, (0, -0.02, 0.14))
    direction = "up" if opens else "down"
    return Script(
        caption=f"the {color} lid of a laptop {'opens' if opens else 'closes'}",
        labels=("laptop", f"{color} lid"),
        verb="open" if opens else "close",
        subject="",
        target=f"{color} lid",
        target_name="target",
        direction=direction,
        happened=lambda m: (
            m.went("target", direction, 0.12) and m.turned["target"].max() > 0.8 and m.turned["base"].max() < 0.05
        ),
        control=lambda t: {"hinge": start + (end - start) * glide(t, -0.05, 0.62)},
        lead_in=0.4,
    )


def _door(stage: Simulation) -> Script:
    direction, color = stage.pick("left", "right"), stage.color()
    side = -1 if direction == "left" else 1  # where the hinge is: a door that opens goes to its hinge's side
    half_x, half_z, thick = stage.between(0.15, 0.19), stage.between(0.22, 0.26), 0.014
    y, post = stage.between(-0.1, 0.05), 0.024
    frame = stage.material((112, 84, 60), "noise", 0.6)
    for pos, half in (
        ((-half_x - post, y, half_z + post), (post, 0.04, half_z + post)),
        ((half_x + post, y, half_z + post), (post, 0.04, half_z + post)),
        ((0, y, 2 * half_z + 3 * post), (half_x + 2 * post, 0.04, post)),
    ):
        kind = mujoco.mjtGeom.mjGEOM_BOX
        stage.spec.worldbody.add_geom(type=kind, pos=list(pos), size=list(half), material=frame)
    door = stage.thing("target", color, (side * half_x, y - 0.03, half_z + 0.5 * post), free=False)
    door.density = 150.0
    # It only turns in its frame: contacts there would be friction and nothing else.
    alone = {"contype": 0, "conaffinity": 0}
    door.box((half_x, thick, half_z), (-side * half_x, 0, 0), **alone)
    door.material = stage.material((190, 180, 150), "spots")
    door.ball(0.02, (-side * 1.8 * half_x, -0.035, 0), **alone)
    _hinge(stage, door, (0, 0, side))
    end = stage.between(1.2, 1.6)
    _finish(stage, 1, (0, y - 0.05, half_z))
    return Script(
        caption=f"the {color} door swings open to the {direction}",
        labels=(f"{color} door",),
        verb="open",
        subject="",
        target=f"{color} door",
        target_name="target",
        direction=direction,
        happened=lambda m: m.went("target", direction, 0.1) and m.turned["target"].max() > 0.8,
        control=lambda t: {"hinge": end * glide(t, -0.1, 0.6)},
        lead_in=0.1,
    )


def _hinge(stage: Simulation, thing: Thing, axis: tuple[float, float, float]) -> None:
    kind = mujoco.mjtJoint.mjJNT_HINGE
    thing.body.add_joint(name="hinge", type=kind, axis=list(axis), armature=0.05, damping=0.2)
    stage.drive("hinge", 60.0, 4.0)


def _finish(stage: Simulation, count: int, center: tuple[float, float, float]) -> None:
    clutter(stage, count, lambda x, y: (abs(x) > 0.42 and y > 0) or y > 0.42, size=0.16)
    stage.room()
    stage.camera(center, max(0.3, center[2] * 1.35), 0.42 + math.hypot(*center[:2]))
