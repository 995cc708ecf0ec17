"""Things that several scenes use: random objects, a shoe, a hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import mujoco

from ..stage import Simulation, Thing
from ..textures import SKIN

WAYS = {"right": (1.0, 0.0), "left": (-1.0, 0.0), "away": (0.0, 1.0)}
"""Directions on the floor as (x, y)."""


def glide(t: float, start: float, end: float) -> float:
    """0 before `start`, 1 after `end`, smooth between (its speed, too, is continuous)."""
    x = min(max((t - start) / (end - start), 0.0), 1.0)
    return x * x * (3 - 2 * x)


def box(
    stage: Simulation, name: str, color: str, at: tuple[float, float], size: float, yaw: float, z: float = 0.0
) -> Thing:
    """A cuboid about `size` metres across standing on height `z`."""
    half = tuple(size / 2 * stage.between(0.8, 1.2) for _ in range(3))
    thing = stage.thing(name, color, (*at, z + half[2]), yaw)
    thing.box(half)
    return thing


def ball(stage: Simulation, name: str, color: str, at: tuple[float, float], size: float, z: float = 0.0) -> Thing:
    """A ball `size` metres across resting on height `z`."""
    thing = stage.thing(name, color, (*at, z + size / 2), stage.between(0, 6))
    thing.ball(size / 2)
    return thing


def can(stage: Simulation, name: str, color: str, at: tuple[float, float], size: float, z: float = 0.0) -> Thing:
    """An upright cylinder about `size` metres tall."""
    half = size / 2 * stage.between(0.9, 1.2)
    thing = stage.thing(name, color, (*at, z + half), stage.between(0, 6))
    thing.cylinder(size * stage.between(0.33, 0.45), half)
    return thing


def shoe(
    stage: Simulation, name: str, color: str, at: tuple[float, float], size: float, yaw: float, z: float = 0.0
) -> Thing:
    """A sole, a toe, a heel and an ankle, about 1.3 `size` metres long."""
    s = size / 2
    thing = stage.thing(name, color, (*at, z + 0.16 * s), yaw)
    thing.ellipsoid((0.62 * s, 0.48 * s, 0.42 * s), (0.55 * s, 0, 0.34 * s))
    thing.box((0.45 * s, 0.42 * s, 0.36 * s), (-0.55 * s, 0, 0.42 * s))
    thing.cylinder(0.44 * s, 0.4 * s, (-0.58 * s, 0, 1.0 * s))
    thing.material = stage.material((70, 66, 64), depth=0.5)
    thing.box((1.15 * s, 0.46 * s, 0.12 * s))
    return thing


def anything(
    stage: Simulation, name: str, color: str, at: tuple[float, float], size: float, z: float = 0.0
) -> tuple[Thing, str]:
    """A random kind of object and its noun."""
    noun = stage.pick("box", "box", "ball", "can", "shoe")
    yaw = stage.between(0, 2 * math.pi)
    if noun == "box":
        return box(stage, name, color, at, size, yaw, z), noun
    if noun == "shoe":
        return shoe(stage, name, color, at, size, yaw, z), noun
    return (ball if noun == "ball" else can)(stage, name, color, at, size, z), noun


def clutter(stage: Simulation, count: int, free_at: Callable[[float, float], bool], size: float = 0.17) -> list[str]:
    """Up to `count` more objects standing on the floor wherever `free_at(x, y)` allows; returns their names."""
    names: list[str] = []
    places: list[tuple[float, float]] = []
    for _ in range(30):
        if len(names) == count:
            break
        x, y = stage.between(-0.55, 0.55), stage.between(-0.15, 0.5)
        if free_at(x, y) and all(math.hypot(x - px, y - py) > 1.7 * size for px, py in places):
            names.append(f"other{len(names)}")
            places.append((x, y))
            anything(stage, names[-1], stage.color(), (x, y), size * stage.between(0.75, 1.1))
    return names


def hand(stage: Simulation, at: tuple[float, float, float], way: tuple[float, float]) -> Thing:
    """A flat hand, palm towards `way`, on servos "hand/x", "hand/y", "hand/z" relative to `at` (the palm's face)."""
    yaw = math.atan2(way[1], way[0])
    thing = stage.thing("hand", SKIN[int(stage.rng.integers(len(SKIN)))], at, yaw, free=False)
    thing.density, thing.friction = 700.0, (1.0, 0.005, 0.0005)
    body = thing.body
    body.gravcomp = 1.0
    # Joint axes are in the body's frame, which is turned: take the world's axes there.
    cos, sin = math.cos(yaw), math.sin(yaw)
    for axis, direction in (("x", (cos, -sin, 0)), ("y", (sin, cos, 0)), ("z", (0, 0, 1))):
        body.add_joint(
            name=f"hand/{axis}", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=list(direction), armature=1.0, damping=20.0
        )
        stage.drive(f"hand/{axis}", 6000.0, 200.0)
    skin, s = thing.material, 1.25
    thing.box((0.014 * s, 0.046 * s, 0.05 * s), (-0.016 * s, 0, 0))
    for i, length in enumerate((0.062, 0.074, 0.07, 0.052)):
        y = (i - 1.5) * 0.024
        knuckle, tip = (-0.016, y, 0.045), (-0.008, 1.25 * y, 0.05 + 0.6 * length)
        end = (0.004, 1.35 * y, 0.052 + length)
        thing.capsule(_times(knuckle, s), _times(tip, s), 0.0115 * s)
        thing.capsule(_times(tip, s), _times(end, s), 0.0105 * s)
    side = stage.pick(-1, 1)
    thing.capsule(_times((-0.018, side * 0.04, -0.02), s), _times((-0.002, side * 0.075, 0.025), s), 0.013 * s)
    thing.capsule(_times((-0.02, 0, -0.035), s), _times((-0.15, 0, 0.0), s), 0.03 * s)
    thing.material = stage.material(((52, 58, 84), (84, 48, 52), (56, 76, 60), (60, 60, 64))[stage.rng.integers(4)])
    thing.capsule(_times((-0.13, 0, -0.006), s), _times((-0.75, 0, 0.17), s), 0.042 * s)
    thing.material = skin
    return thing


def gripper(stage: Simulation, at: tuple[float, float, float], yaw: float, opening: float) -> Thing:
    """Two jaws, `opening` apart, whose fingertips reach down to `at`; they hang from an arm that comes from above.

    Servos: "gripper/x", "gripper/z" move all of it along the world's axes, relative to `at`; "gripper/left" and
    "gripper/right" close one jaw each, by metres from where they start.
    """
    thing = stage.thing("gripper", (92, 98, 108), at, yaw, free=False)
    thing.density, thing.friction = 900.0, (1.5, 0.02, 0.001)
    thing.body.gravcomp = 1.0
    for axis, direction in (("x", (math.cos(yaw), -math.sin(yaw), 0)), ("z", (0, 0, 1))):
        thing.body.add_joint(
            name=f"gripper/{axis}", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=list(direction), armature=2.0, damping=20.0
        )
        stage.drive(f"gripper/{axis}", 20000.0, 600.0)
    thing.box((opening / 2 + 0.045, 0.032, 0.024), (0, 0, 0.175))
    thing.cylinder(0.028, 0.4, (0, 0, 0.59))
    thing.cylinder(0.042, 0.03, (0, 0, 0.225))
    for name, side in (("left", -1), ("right", 1)):
        jaw = thing.body.add_body(name=f"gripper/{name}", pos=[side * (opening / 2 + 0.014), 0, 0.075])
        jaw.gravcomp = 1.0
        jaw.add_joint(
            name=f"gripper/{name}", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[-side, 0, 0], armature=0.5, damping=10.0
        )
        stage.drive(f"gripper/{name}", 4000.0, 150.0)
        finger = Thing(f"gripper/{name}", jaw, thing.material, thing.density, thing.friction)
        finger.box((0.014, 0.026, 0.075))
    return thing


def _times(point: tuple[float, float, float], scale: float) -> tuple[float, float, float]:
    x, y, z = point
    return scale * x, scale * y, scale * z
