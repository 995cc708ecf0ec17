"""From a seed to a clip: draw a scene until its caption is true, render it, follow every pixel."""

from __future__ import annotations

import math
from typing import Any

import mujoco
import numpy as np
import torch

from ..camera import Camera
from ..errors import PointVidError
from .clip import Action, SyntheticClip
from .raster import Raster
from .scenes import SCENES, VARIED
from .stage import Motion, Script, Simulation
from .truth import TruthView, follow_flex, follow_rigid, visibility

SPLITS = ("train", "val", "test")
_DRAWS = 40


def generate_clip(
    seed: int,
    split: str = "train",
    size: tuple[int, int] = (256, 448),
    frames: int = 16,
    fps: float = 24.0,
    scene: str | None = None,
) -> SyntheticClip:
    """One clip with exact ground truth; the same arguments give the same clip on the same platform.

    Args:
        seed: 0 or more. Seeds of different splits never give the same scene.
        split: "train", "val" or "test".
        size: (H, W) in pixels.
        frames: T, 1 or more.
        fps: frames a second of simulated time.
        scene: one of `SCENES`; None lets the seed choose any but "simple", which is for very small models.
    Raises:
        PointVidError: an argument is out of range, or this machine cannot render.
    """
    with ClipGenerator(size) as generator:
        return generator(seed, split, frames, fps, scene)


class ClipGenerator:
    """Makes clips of one size and keeps the OpenGL context between them.

        with ClipGenerator((64, 64)) as generator:
            clips = [generator(seed) for seed in range(1000)]

    Raises:
        PointVidError: the size is out of range, or this machine cannot render.
    """

    def __init__(self, size: tuple[int, int] = (256, 448)) -> None:
        if len(size) != 2 or min(size) < 16 or max(size) > 4096:
            raise PointVidError(f"size is {tuple(size)}, expected (height, width) between 16 and 4096 pixels")
        self.size = (int(size[0]), int(size[1]))
        self._raster = Raster(self.size)

    def __enter__(self) -> ClipGenerator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the OpenGL context. Safe to call twice."""
        self._raster.close()

    def __call__(
        self, seed: int, split: str = "train", frames: int = 16, fps: float = 24.0, scene: str | None = None
    ) -> SyntheticClip:
        """As `generate_clip`."""
        if split not in SPLITS:
            raise PointVidError(f"split is {split!r}, expected one of {', '.join(SPLITS)}")
        if scene is not None and scene not in SCENES:
            raise PointVidError(f"scene is {scene!r}, expected one of {', '.join(SCENES)}")
        if seed < 0 or frames < 1 or not fps > 0:
            raise PointVidError(f"seed is {seed}, frames {frames}, fps {fps}, expected 0 or more, 1 or more, above 0")
        root = np.random.SeedSequence([SPLITS.index(split), seed])
        name = scene or VARIED[np.random.default_rng(root.spawn(1)[0]).integers(len(VARIED))]
        for draw in root.spawn(_DRAWS):
            stage = Simulation(np.random.default_rng(draw), self.size[1] / self.size[0], detail=_detail(self.size))
            script = SCENES[name](stage)
            take = _simulate(stage, script, frames, fps)
            if take is not None:
                return self._shoot(stage, script, take, fps, scene=name, seed=seed, split=split)
        raise PointVidError(
            f"scene {name!r} did not come about in {_DRAWS} draws of seed {seed} with {frames} frames at {fps} fps; "
            "give it more simulated time (more frames or a lower fps) or another seed"
        )

    def _shoot(
        self, stage: Simulation, script: Script, take: list[np.ndarray], fps: float, **origin: Any
    ) -> SyntheticClip:
        stage.bake()
        model = stage.spec.compile()
        data = mujoco.MjData(model)
        self._raster.load(model)
        thing_of_body, thing_of_flex = _thing_of_body(model, stage), _thing_of_flex(model, stage)
        body_of_geom = model.geom_bodyid
        video, depth, segmentation, positions, rotations, vertices = [], [], [], [], [], []
        for qpos in take:
            data.qpos[:] = qpos
            mujoco.mj_forward(model, data)
            self._raster.look(data)
            video.append(self._raster.color())
            z, geom, flex = self._raster.geometry()
            if not depth:
                first_body, first_flex = np.where(geom >= 0, body_of_geom[geom], 0), flex
                pose = data.cam_xmat[0].reshape(3, 3) * (1, -1, -1), data.cam_xpos[0].copy()
            depth.append(z)
            rigid = np.where(geom >= 0, thing_of_body[body_of_geom[geom]], 0)
            segmentation.append(np.where(flex >= 0, thing_of_flex[flex], rigid))
            positions.append(data.xpos.copy())
            rotations.append(data.xmat.reshape(-1, 3, 3).copy())
            vertices.append(data.flexvert_xpos.reshape(-1, 3).copy())
        camera = Camera.from_fov(self.size, float(model.cam_fovy[0]))
        view = TruthView(camera, *pose)
        depth, segmentation = np.stack(depth), np.stack(segmentation).astype(np.int32)
        positions, rotations, vertices = np.stack(positions), np.stack(rotations), np.stack(vertices)

        world = view.world(depth[0])
        points = np.empty((len(take), *self.size, 3))
        for body in np.unique(first_body[first_flex < 0]):
            at = (first_body == body) & (first_flex < 0)
            points[:, at] = view.pixels(follow_rigid(world[at], positions[:, body], rotations[:, body]))
        for flex in np.unique(first_flex[first_flex >= 0]):
            at = first_flex == flex
            points[:, at] = view.pixels(follow_flex(world[at], vertices, _triangles(model, flex)))
        visible = visibility(points, segmentation[0], depth, segmentation, camera.fx)
        names = tuple(thing.name for thing in stage.things)
        target_id = names.index(script.target_name) + 1
        camera_pose = np.eye(4)
        camera_pose[:3, :3], camera_pose[:3, 3] = pose
        return SyntheticClip(
            video=torch.from_numpy(np.stack(video)),
            depth=torch.from_numpy(depth.astype(np.float32)),
            segmentation=torch.from_numpy(segmentation),
            points=torch.from_numpy(points.astype(np.float32)),
            visible=torch.from_numpy(visible),
            mask=torch.from_numpy(segmentation[0] > 0),
            object_map=torch.from_numpy(segmentation[0].copy()),
            object_names=names,
            caption=script.caption,
            labels=script.labels,
            action=Action(script.verb, script.subject, script.target, script.direction, target_id),
            camera=camera,
            camera_pose=torch.from_numpy(camera_pose),
            fps=fps,
            **origin,
        )


def _simulate(stage: Simulation, script: Script, frames: int, fps: float) -> list[np.ndarray] | None:
    """The joint positions at each frame, or None if the script did not come true."""
    model = stage.spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    for name, (velocity, spin) in stage.launches.items():
        # MuJoCo takes a free joint's velocity along the world's axes but its spin about the body's own.
        own_axes = data.body(name).xmat.reshape(3, 3)
        data.joint(f"{name}/free").qvel[:] = (*velocity, *(own_axes.T @ spin))
    servos = {model.actuator(i).name: i for i in range(model.nu)}

    def run_until(time: float) -> None:
        while data.time < time - model.opt.timestep / 2:
            for name, value in script.control(data.time - script.lead_in).items():
                data.ctrl[servos[name]] = value
            mujoco.mj_step(model, data)
        mujoco.mj_forward(model, data)

    camera = Camera.from_fov((1, 1), float(model.cam_fovy[0]))  # an image of height 1: pixels are image heights
    take, tracks = [], {thing.name: [] for thing in stage.things}
    anchors = {thing.name: thing.anchor for thing in stage.things}
    for t in range(frames):
        run_until(script.lead_in + t / fps)
        take.append(data.qpos.copy())
        for name, poses in tracks.items():
            body = data.body(anchors[name])
            poses.append((body.xipos.copy(), body.xmat.reshape(3, 3).copy()))
    if not np.isfinite(take[-1]).all() or data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number:
        return None
    view = TruthView(camera, data.cam_xmat[0].reshape(3, 3) * (1, -1, -1), data.cam_xpos[0])
    position, pixel, turned = {}, {}, {}
    for name, poses in tracks.items():
        position[name] = np.stack([p for p, _ in poses])
        pixel[name] = view.pixels(position[name])[:, :2] + (stage.aspect / 2, 0.5)
        cosine = [(np.trace(poses[0][1].T @ r) - 1) / 2 for _, r in poses]
        turned[name] = np.arccos(np.clip(cosine, -1, 1))
    return take if script.happened(Motion(position, pixel, turned)) else None


def _thing_of_body(model: mujoco.MjModel, stage: Simulation) -> np.ndarray:
    """int32 [nbody]: 0 for what cannot move, else the thing whose body, or ancestor's body, it is."""
    roots = {model.body(thing.anchor).id: i + 1 for i, thing in enumerate(stage.things)}
    thing = np.zeros(model.nbody, np.int32)
    for body in range(1, model.nbody):  # parents come before their children
        thing[body] = roots.get(body, thing[model.body_parentid[body]])
    return thing


def _thing_of_flex(model: mujoco.MjModel, stage: Simulation) -> np.ndarray:
    """int32 [nflex + 1]: the thing whose deformable body it is; the last entry stands for none."""
    number = {f"{thing.name}/cloth": i + 1 for i, thing in enumerate(stage.things)}
    names = (mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_FLEX, i) for i in range(model.nflex))
    return np.array([*(number[name] for name in names), 0], np.int32)


def _triangles(model: mujoco.MjModel, flex: int) -> np.ndarray:
    """int [F, 3]: the elements of a two-dimensional deformable body, as rows of `flexvert_xpos`."""
    start, count = model.flex_elemdataadr[flex], model.flex_elemnum[flex]
    return model.flex_elem[start : start + 3 * count].reshape(-1, 3) + model.flex_vertadr[flex]


def _detail(size: tuple[int, int]) -> int:
    """Texture pixels for this image: more would only be averaged away."""
    return int(np.clip(2 ** math.ceil(math.log2(2 * size[0])), 128, 1024))
