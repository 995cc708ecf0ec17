"""Simulation: the room, the light, the camera and the things in it, put together as one MuJoCo model.

World axes: x to the camera's right, y away from it, z up; metres, kilograms, seconds. The camera stands a little
to the side, so "left" in the world is left in the image too; every caption is checked against the image all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import mujoco
import numpy as np

from .textures import COLORS, NEUTRALS, painted

Choice = TypeVar("Choice")

_GEOM = mujoco.mjtGeom
_RGB_ROLE = mujoco.mjtTextureRole.mjTEXROLE_RGB.value


@dataclass(frozen=True)
class Motion:
    """What the simulation did with each thing, by name: all arrays are over the frames of the clip.

    `position` float64 [T, 3] world metres; `pixel` float64 [T, 2] the centre's (u, v) divided by the image height;
    `turned` float64 [T] radians away from its attitude in frame 0.
    """

    position: dict[str, np.ndarray]
    pixel: dict[str, np.ndarray]
    turned: dict[str, np.ndarray]

    def shift(self, name: str) -> np.ndarray:
        """(right, down) in image heights between the first frame and the last."""
        return self.pixel[name][-1] - self.pixel[name][0]

    def went(self, name: str, direction: str, least: float = 0.12) -> bool:
        """Did it move that way, by at least this share of the image height (of a metre for "away")?"""
        right, down = self.shift(name)
        away = self.position[name][-1, 1] - self.position[name][0, 1]
        way = {"right": right, "left": -right, "down": down, "up": -down, "away": away}[direction]
        across = abs(down) if direction in ("left", "right") else abs(right)
        return way >= least and across <= 1.2 * max(way, 1e-9)

    def stays_in_view(self, name: str, aspect: float) -> bool:
        """Is its centre on screen in every frame? `aspect` is W / H."""
        u, v = self.pixel[name].T
        return bool(((u > 0.02) & (u < aspect - 0.02) & (v > 0.02) & (v < 0.98)).all())


@dataclass(frozen=True)
class Script:
    """What a scene means to happen, and how to tell whether it did.

    `control(t)` gives each actuator's target at t seconds after frame 0; `happened(motion)` decides whether the
    caption is true of the simulated motion; `lead_in` is how long the scene runs before frame 0.
    """

    caption: str
    labels: tuple[str, ...]
    verb: str
    subject: str
    target: str
    target_name: str
    direction: str
    happened: Callable[[Motion], bool]
    control: Callable[[float], dict[str, float]] = lambda t: {}
    lead_in: float = 0.0


@dataclass
class _Paint:
    """A texture to be baked once the scene is known to be good: painting costs more than simulating."""

    texture: str
    color: tuple[int, int, int]
    pattern: str
    cells: int
    depth: float
    cube: bool
    pixels: int


@dataclass
class Thing:
    """A movable object under construction: geoms are added to its body in its material.

    `anchor` names the body whose motion stands for the thing's; it is the thing's own unless that is a cloth.
    """

    name: str
    body: mujoco.MjsBody
    material: str
    density: float = 400.0
    friction: tuple[float, float, float] = (0.7, 0.005, 0.0005)
    anchor: str = ""

    def __post_init__(self) -> None:
        self.anchor = self.anchor or self.name

    def box(self, half: tuple[float, float, float], pos=(0, 0, 0), **more: Any) -> None:
        """Half sizes in metres."""
        self._add(_GEOM.mjGEOM_BOX, half, pos, more)

    def ball(self, radius: float, pos=(0, 0, 0), **more: Any) -> None:
        """A sphere."""
        self._add(_GEOM.mjGEOM_SPHERE, (radius, 0, 0), pos, more)

    def ellipsoid(self, radii: tuple[float, float, float], pos=(0, 0, 0), **more: Any) -> None:
        """Radii along x, y, z."""
        self._add(_GEOM.mjGEOM_ELLIPSOID, radii, pos, more)

    def cylinder(self, radius: float, half: float, pos=(0, 0, 0), **more: Any) -> None:
        """Along its own z; `half` is half its length."""
        self._add(_GEOM.mjGEOM_CYLINDER, (radius, half, 0), pos, more)

    def capsule(self, start: tuple, end: tuple, radius: float, **more: Any) -> None:
        """Round-ended rod between two points."""
        self._add(_GEOM.mjGEOM_CAPSULE, (radius, 0, 0), (0, 0, 0), {"fromto": [*start, *end], **more})

    def _add(self, kind: mujoco.mjtGeom, size: tuple, pos: tuple, more: dict) -> None:
        settings = {"material": self.material, "density": self.density, "friction": list(self.friction), "condim": 4}
        if "fromto" not in more:
            settings["pos"] = list(pos)
        self.body.add_geom(type=kind, size=list(size), **(settings | more))


@dataclass
class Simulation:
    """Everything a scene function needs to build its scene from one random generator."""

    rng: np.random.Generator
    aspect: float
    detail: int = 512
    spec: mujoco.MjSpec = field(default_factory=mujoco.MjSpec)
    things: list[Thing] = field(default_factory=list)
    launches: dict[str, tuple] = field(default_factory=dict)
    _paints: list[_Paint] = field(default_factory=list)
    _colors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.spec.option.timestep = 0.002
        self.spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
        self.spec.stat.extent = 1.0
        self.spec.stat.center = [0, 0, 0]
        self.spec.visual.map.znear, self.spec.visual.map.zfar = 0.1, 20.0
        self.spec.visual.quality.offsamples = 4
        self.spec.visual.quality.shadowsize = 2 * self.detail
        self._colors = list(self.rng.permutation(list(COLORS)))

    # -- choosing --

    def pick(self, *choices: Choice) -> Choice:
        """One of the choices."""
        return choices[int(self.rng.integers(len(choices)))]

    def between(self, low: float, high: float) -> float:
        """Uniform."""
        return float(self.rng.uniform(low, high))

    def color(self) -> str:
        """A colour word that no thing of this scene has yet."""
        return self._colors.pop()

    # -- things --

    def thing(
        self,
        name: str,
        color: str | tuple[int, int, int],
        pos: tuple,
        yaw: float = 0.0,
        free: bool = True,
        parent: Thing | None = None,
    ) -> Thing:
        """A new movable object; `free` gives it all six degrees of freedom, else the caller adds joints.

        With a `parent` it is placed in the parent's axes and goes where that goes.
        """
        quat = [math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)]
        body = (parent.body if parent else self.spec.worldbody).add_body(name=name, pos=list(pos), quat=quat)
        if free:
            body.add_freejoint(name=f"{name}/free")
        thing = Thing(name, body, self.material(COLORS[color] if isinstance(color, str) else color))
        self.things.append(thing)
        return thing

    def cloth(self, name: str, color: str, pos: tuple[float, float, float], width: float, count: int = 13) -> Thing:
        """A square cloth of `count` x `count` particles, lying level at `pos`; its anchor is one of its corners."""
        step, thickness = width / (count - 1), 0.004
        grid = f"""<mujoco><asset><material name="paint" specular="0.1"/></asset><worldbody>
            <flexcomp name="cloth" material="paint" type="grid" dim="2" count="{count} {count} 1"
                      spacing="{step} {step} {step}" mass="0.25" radius="{thickness}">
              <edge equality="true" damping="0.01"/>
              <contact condim="3" friction="0.5" selfcollide="none"/>
            </flexcomp></worldbody></mujoco>"""
        frame = self.spec.worldbody.add_frame(pos=list(pos))
        self.spec.attach(mujoco.MjSpec.from_string(grid), frame=frame, prefix=f"{name}/")
        self.spec.option.solver = mujoco.mjtSolver.mjSOL_CG  # hundreds of particles: Newton's factorisation is slower
        material, pattern = f"{name}/paint", self.pick("voronoi", "checker", "spots")
        self._paints.append(_Paint(material, COLORS[color], pattern, 9, 0.9, cube=False, pixels=self.detail))
        along = np.linspace(0, 1, count, dtype=np.float32)
        self.spec.flexes[-1].texcoord = np.stack(np.meshgrid(along, along, indexing="ij"), -1).ravel()
        body = self.spec.body(f"{name}/cloth_0")
        self.things.append(Thing(name, body, material, anchor=body.name))
        return self.things[-1]

    def material(self, color: tuple[int, int, int], pattern: str | None = None, depth: float = 0.9) -> str:
        """A textured material for rounded and boxy shapes."""
        pattern = pattern or self.pick("noise", "voronoi", "checker", "spots")
        cells = int(self.rng.integers(5, 9))
        return self._paint(color, pattern, cells, depth, cube=True, pixels=self.detail // 4)

    def plain(self, color: str) -> str:
        """A material with wide, soft clouds of one colour: little detail to remember, enough to tell places apart."""
        return self._paint(COLORS[color], "noise", 2, 0.8, cube=True, pixels=32)

    def launch(self, name: str, velocity: tuple, spin: tuple = (0.0, 0.0, 0.0)) -> None:
        """Give a free thing a velocity (m/s) and a spin (rad/s), both along the world's axes, to start with."""
        self.launches[name] = velocity, spin

    def drive(self, joint: str, stiffness: float, damping: float) -> None:
        """A servo of the same name that pulls `joint` towards its control value."""
        servo = self.spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        servo.gaintype, servo.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE
        servo.gainprm[0] = stiffness
        servo.biasprm[1], servo.biasprm[2] = -stiffness, -damping

    # -- room, light, camera --

    def room(self, plain: bool = False) -> None:
        """A floor and three walls, textured or `plain`; one lamp that casts shadows and a weaker one that does not."""
        rng, half = self.rng, 3.0
        neutrals = [NEUTRALS[i] for i in rng.permutation(len(NEUTRALS))]
        floor = self._paint(neutrals[0], self.pick("noise", "voronoi", "spots"), 24, 0.55, False, 2 * self.detail)
        wall = self._paint(neutrals[1], self.pick("noise", "voronoi"), 14, 0.45, False, self.detail)
        if plain:
            floor, wall = (self._paint(neutral, "noise", 2, 0.25, False, 32) for neutral in neutrals[:2])
        add = self.spec.worldbody.add_geom
        friction = [0.8, 0.005, 0.0005]
        add(name="floor", type=_GEOM.mjGEOM_PLANE, size=[half, half, 1], material=floor, friction=friction, condim=4)
        back, turn = self.between(0.9, 1.5), self.between(-0.15, 0.15)
        for name, pos, yaw in (
            ("back", [0, back, half], turn),
            ("left", [-half + 0.4, 0, half], math.pi / 2),
            ("right", [half - 0.4, 0, half], -math.pi / 2),
        ):
            # A plane faces its own +z: stand it up to look towards -y, then turn it about the vertical.
            up = np.array([math.sqrt(0.5), math.sqrt(0.5), 0, 0])
            spin = np.array([math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)])
            quat = np.empty(4)
            mujoco.mju_mulQuat(quat, spin, up)
            kind = _GEOM.mjGEOM_PLANE
            add(name=name, type=kind, size=[half, half, 1], pos=pos, quat=quat, material=wall, contype=0, conaffinity=0)
        side, warm = self.pick(-1, 1), self.between(0.92, 1.0)
        self._lamp([side * self.between(0.5, 1.6), self.between(-1.6, -0.5), self.between(2.2, 3.0)], 0.62, warm, True)
        self._lamp([-side * 1.5, -1.0, 2.2], self.between(0.12, 0.22), 2 - warm, False)
        head = self.spec.visual.headlight
        head.ambient, head.diffuse, head.specular = [0.3] * 3, [0.16] * 3, [0.0] * 3

    def camera(self, center: tuple[float, float, float], half_height: float, half_width: float) -> None:
        """A camera that sees at least this much around `center`, from a random place before it and above."""
        azimuth, height = self.between(-0.3, 0.3), math.radians(self.between(14, 34))
        distance = self.between(1.3, 2.1)
        back = np.array([math.sin(azimuth) * math.cos(height), -math.cos(azimuth) * math.cos(height), math.sin(height)])
        right = np.array([math.cos(azimuth), math.sin(azimuth), 0.0])
        frame = np.stack((right, np.cross(back, right), back), 1)
        quat = np.empty(4)
        mujoco.mju_mat2Quat(quat, frame.ravel())
        half = max(half_height, half_width / self.aspect)
        fovy = math.degrees(2 * math.atan(half / distance))
        self.spec.worldbody.add_camera(name="camera", pos=np.array(center) + distance * back, quat=quat, fovy=fovy)

    def _lamp(self, pos: list[float], strength: float, warm: float, shadow: bool) -> None:
        color = np.array([1.0, (1 + warm) / 2, warm]) * strength
        light = self.spec.worldbody.add_light(pos=pos, dir=-np.array(pos) / np.linalg.norm(pos), castshadow=shadow)
        light.diffuse, light.specular, light.ambient = color, color * 0.4, [0, 0, 0]
        light.cutoff, light.exponent, light.attenuation = 80, 1, [1, 0, 0]

    # -- textures --

    def _paint(self, color, pattern: str, cells: int, depth: float, cube: bool, pixels: int) -> str:
        name = f"paint{len(self._paints)}"
        material = self.spec.add_material(name=name, specular=0.25, shininess=0.3, reflectance=0.0)
        if not cube:
            material.specular = 0.0
            material.texrepeat = [2, 2]
        self._paints.append(_Paint(name, color, pattern, cells, depth, cube, pixels))
        return name

    def bake(self) -> None:
        """Paint every texture into the model."""
        kinds = mujoco.mjtTexture
        for paint in self._paints:
            faces = 6 if paint.cube else 1
            image = painted(
                self.rng, (faces * paint.pixels, paint.pixels), paint.color, paint.pattern, paint.cells, paint.depth
            )
            texture = self.spec.add_texture(name=paint.texture, nchannel=3, width=paint.pixels, height=image.shape[0])
            texture.type = kinds.mjTEXTURE_CUBE if paint.cube else kinds.mjTEXTURE_2D
            texture.data = image.tobytes()
            self.spec.material(paint.texture).textures[_RGB_ROLE] = paint.texture
