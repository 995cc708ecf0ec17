"""Clips of 120 frames whose every point is known: turning bodies, cast ray by ray, and their exact tracks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pointvid.camera import Camera
from pointvid.tracks import PointTracks, on_screen

KINDS = ("base", "camera", "noise", "blur", "weak", "cross", "pillars")
SIZE = (256, 448)
FRAMES = 120


@dataclass(frozen=True, eq=False)
class Body:
    """Something solid.

    Attributes:
        half: float64 [3], half its extents, metres.
        round: an ellipsoid; else a box.
        rotation, position: float64 [T, 3, 3] and [T, 3], its axes to the world's.
        texture: float32 [3, D, D, D] in 0..1, of its cube.
        moves: it counts as foreground.
    """

    half: Tensor
    round: bool
    rotation: Tensor
    position: Tensor
    texture: Tensor
    moves: bool = True

    def meet(self, origin: Tensor, ray: Tensor, t: int) -> tuple[Tensor, Tensor]:
        """Where rays origin + s * ray first meet it: s [M], infinite where they miss, and the place in its axes."""
        rotation = self.rotation[t].to(ray.dtype)
        start = (origin - self.position[t].to(ray.dtype)) @ rotation / self.half.to(ray.dtype)
        step = ray @ rotation / self.half.to(ray.dtype)
        if self.round:
            a, b, c = (step * step).sum(-1), (start * step).sum(-1), (start * start).sum(-1) - 1
            inside = b * b - a * c
            s = (-b - inside.clamp(min=0).sqrt()) / a
            hit = (inside > 0) & (s > 0)
        else:
            one, two = (-1 - start) / step, (1 - start) / step
            s, far = torch.minimum(one, two).amax(-1), torch.maximum(one, two).amin(-1)
            hit = (s < far) & (s > 0)
        return torch.where(hit, s, torch.inf), start + s.nan_to_num(0, 0, 0)[..., None] * step


@dataclass(frozen=True, eq=False)
class LongClip:
    """A clip and its truth.

    Attributes:
        video: uint8 [T, H, W, 3].
        objects: int32 [H, W], 0 for the background of frame 0.
    """

    video: Tensor
    objects: Tensor
    camera: Camera
    bodies: list[Body]
    eye: Tensor
    look: Tensor

    @property
    def mask(self) -> Tensor:
        """bool [H, W]."""
        return self.objects > 0

    def tracks(self, queries: Tensor) -> PointTracks:
        """The exact tracks of whole pixels [N, 2] of frame 0."""
        _, owner, place = _cast(self.bodies, _rays(self.camera, queries.double()), self.eye, self.look, 0)
        uvd, visible = [], []
        for t in range(len(self.eye)):
            world = torch.zeros(len(queries), 3, dtype=torch.float64)
            for number, body in enumerate(self.bodies):
                its = owner == number
                world[its] = (place[its] * body.half) @ body.rotation[t].T + body.position[t]
            seen = (world - self.eye[t]) @ self.look[t]
            now = self.camera.project(seen)
            nearest, _, _ = _cast(self.bodies, _rays(self.camera, now[:, :2]), self.eye, self.look, t)
            uvd.append(now)
            visible.append((nearest > seen[:, 2] * 0.997) & on_screen(*now[:, :2].unbind(-1), SIZE))
        ids = self.objects[queries[:, 1].long(), queries[:, 0].long()]
        visible = torch.stack(visible)
        visible[0] = True
        return PointTracks(torch.stack(uvd).float(), visible, SIZE, self.camera, "metric", 24.0, object_id=ids)


def long_clip(kind: str, seed: int, frames: int = FRAMES) -> LongClip:
    """The clip of a kind; seeds from 100 on are the test clips."""
    rng = torch.Generator().manual_seed(1000 * KINDS.index(kind) + seed)
    camera = Camera.from_fov(SIZE, 50.0)
    time = torch.arange(frames, dtype=torch.float64)
    speed = 3.0 if kind == "blur" else 1.0
    contrast = 1 / 11 if kind == "weak" else 1.0
    exposures = 5 if kind == "blur" else 1

    def draw(low: float, high: float) -> float:
        return low + (high - low) * torch.rand((), generator=rng).item()

    bodies = [_backdrop(time, rng, contrast, half, place) for half, place in _ROOM]
    if kind == "pillars":
        for left in (-0.55, 0.65):
            where = (left + draw(-0.1, 0.1), 0.0, 2.6)
            bodies.append(_backdrop(time, rng, contrast, (draw(0.13, 0.17), 2.0, 0.05), where))
    moments = torch.arange(frames * exposures, dtype=torch.float64) / exposures
    for number in range(2):
        side = -1 if number == 0 else 1
        phase = [draw(0, 6.28) for _ in range(6)]
        turns = [draw(0.3, 0.9) * (torch.sin(0.06 * speed * moments + p) - math.sin(p)) for p in phase[:3]]
        turn = torch.stack(turns, -1)
        if kind == "cross":
            across = -side * 0.75 + side * 1.5 * moments / frames * 1.1
            place = torch.stack((across, 0.15 * side + 0 * moments, 3.3 + 0.45 * number + 0 * moments), -1)
        elif kind == "pillars":
            across = -1.15 + 0.5 * number + (1.9 + 0.1 * number) * moments / frames
            place = torch.stack((across, (number - 0.5) * 0.75 + 0 * moments, 3.4 + 0 * moments), -1)
            turn = turn * 0.35
        else:
            sway = torch.sin(0.05 * speed * moments + phase[3]) - math.sin(phase[3])
            rise = torch.sin(0.07 * speed * moments + phase[4]) - math.sin(phase[4])
            place = torch.stack((side * 0.62 + 0.24 * sway, draw(-0.2, 0.2) + 0.2 * rise, 3.2 + 0.25 * sway), -1)
        half = torch.tensor([draw(0.32, 0.48) for _ in range(3)], dtype=torch.float64)
        rotation = torch.linalg.matrix_exp(_cross(turn)) @ torch.linalg.matrix_exp(
            _cross(torch.tensor([draw(-0.5, 0.5) for _ in range(3)], dtype=torch.float64))
        )
        bodies.append(Body(half, number == 0, rotation, place, _noise(rng, 96, contrast)))
    eye, look = torch.zeros(len(moments), 3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    look = look.repeat(len(moments), 1, 1)
    if kind == "camera":
        eye = torch.stack(
            (0.35 * torch.sin(0.045 * moments), 0.1 * torch.sin(0.06 * moments), 0.3 * torch.sin(0.03 * moments)), -1
        )
        pan = torch.stack((0.03 * torch.sin(0.05 * moments), 0.08 * torch.sin(0.04 * moments), 0 * moments), -1)
        look = torch.linalg.matrix_exp(_cross(pan))
    for index, body in enumerate(bodies):
        if len(body.position) == frames and exposures > 1:
            still = Body(body.half, body.round, body.rotation[:1], body.position[:1], body.texture, body.moves)
            bodies[index] = _repeated(still, len(moments))
    video = []
    for t in range(frames):
        open_for = range(t * exposures, t * exposures + max(1, exposures // 2 + 1))
        frame = sum(_render(camera, bodies, eye, look, moment) for moment in open_for) / len(open_for)
        if kind == "noise":
            frame = frame * (1 + 0.35 * math.sin(0.11 * t)) + 8 / 255 * torch.randn(frame.shape, generator=rng)
        frame = frame + 1 / 255 * torch.randn(frame.shape, generator=rng)
        video.append((frame * 255).round().clamp(0, 255).to(torch.uint8))
    middle = exposures // 4  # of the time that the shutter is open
    pick = torch.arange(frames) * exposures + middle
    bodies = [Body(b.half, b.round, b.rotation[pick], b.position[pick], b.texture, b.moves) for b in bodies]
    eye, look = eye[pick], look[pick]
    v, u = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    pixels = torch.stack((u, v), -1).reshape(-1, 2).double()
    _, owner, _ = _cast(bodies, _rays(camera, pixels), eye, look, 0)
    rank = torch.tensor([0, *(sum(b.moves for b in bodies[: i + 1]) * b.moves for i, b in enumerate(bodies))])
    objects = rank[owner + 1].int().view(SIZE)
    return LongClip(torch.stack(video), objects, camera, bodies, eye, look)


_ROOM = (((6.0, 4.0, 0.05), (0.0, 0.0, 5.2)), ((6.0, 0.05, 3.0), (0.0, 1.35, 4.0)))
"""Half extents and centre of a wall and a floor."""


def _backdrop(time: Tensor, rng: torch.Generator, contrast: float, half: tuple, place: tuple) -> Body:
    still = torch.eye(3, dtype=torch.float64).repeat(len(time), 1, 1)
    where = torch.tensor(place, dtype=torch.float64).repeat(len(time), 1)
    return Body(torch.tensor(half, dtype=torch.float64), False, still, where, _noise(rng, 160, contrast), False)


def _repeated(body: Body, count: int) -> Body:
    rotation, position = body.rotation.expand(count, 3, 3), body.position.expand(count, 3)
    return Body(body.half, body.round, rotation, position, body.texture, body.moves)


def _cross(turn: Tensor) -> Tensor:
    """The matrices [..., 3, 3] whose exponentials turn by `turn` [..., 3], radians."""
    x, y, z = turn.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), -1).view(*turn.shape[:-1], 3, 3)


def _noise(rng: torch.Generator, detail: int, contrast: float) -> Tensor:
    """A solid texture [3, D, D, D] in 0..1 with detail at several scales."""
    total = torch.zeros(1, 3, detail, detail, detail)
    for cells in (4, 8, 16, 32):  # fine detail is fainter, as in nature
        noise = torch.randn(1, 3, cells, cells, cells, generator=rng)
        total += 0.7 / cells**0.7 * F.interpolate(noise, (detail,) * 3, mode="trilinear", align_corners=True)
    shade = 0.35 + 0.3 * torch.rand(1, 3, 1, 1, 1, generator=rng)
    return (shade + contrast * total)[0].clamp(0.02, 0.98)


def _rays(camera: Camera, uv: Tensor) -> Tensor:
    """[M, 3], with a third component of 1: s along a ray is depth."""
    return camera.unproject(torch.cat((uv, torch.ones_like(uv[:, :1])), -1))


def _cast(bodies: list[Body], rays: Tensor, eye: Tensor, look: Tensor, t: int) -> tuple[Tensor, Tensor, Tensor]:
    """What rays of the camera meet first in frame `t`: depth [M], body [M] (-1: none), place in its cube [M, 3]."""
    rays, origin = rays @ look[t].T.to(rays.dtype), eye[t].to(rays.dtype)
    depth = torch.full((len(rays),), torch.inf, dtype=rays.dtype)
    owner, place = torch.full((len(rays),), -1), torch.zeros_like(rays)
    for number, body in enumerate(bodies):
        s, where = body.meet(origin, rays, t)
        first = s < depth
        depth, owner = torch.where(first, s, depth), torch.where(first, number, owner)
        place = torch.where(first[:, None], where, place)
    return depth, owner, place


def _render(camera: Camera, bodies: list[Body], eye: Tensor, look: Tensor, t: int) -> Tensor:
    """float32 [H, W, 3] in 0..1; four rays a pixel."""
    height, width = SIZE
    v, u = torch.meshgrid((torch.arange(2 * height) - 0.5) / 2, (torch.arange(2 * width) - 0.5) / 2, indexing="ij")
    rays = _rays(camera, torch.stack((u, v), -1).reshape(-1, 2))
    _, owner, place = _cast(bodies, rays, eye, look, t)
    image = torch.full((len(rays), 3), 0.5)
    for number, body in enumerate(bodies):
        its = owner == number
        image[its] = F.grid_sample(
            body.texture[None], place[its].view(1, 1, 1, -1, 3), align_corners=True, padding_mode="border"
        )[0, :, 0, 0].T
    return F.avg_pool2d(image.view(1, 2 * height, 2 * width, 3).movedim(-1, 1), 2)[0].movedim(0, -1)
