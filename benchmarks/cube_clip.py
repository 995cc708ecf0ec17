"""A cube that spins over a floor, with exact tracks and rendered frames: data for viewer tests and figures."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pointvid.camera import Camera
from pointvid.tracks import PointTracks


def cube_clip(points: int = 35_000, frames: int = 16, size: tuple[int, int] = (256, 448)) -> tuple[PointTracks, Tensor]:
    """Tracks on a turning cube (object 1) and a ball that circles it (object 2), and the uint8 video [T, H, W, 3].

    Every frame of the video is the visible points splatted over a plain ground, so the picture and the tracks agree.
    """
    generator = torch.Generator().manual_seed(0)
    on_cube = points * 3 // 4
    cube = _cube_surface(on_cube, generator)
    ball = torch.nn.functional.normalize(torch.randn(points - on_cube, 3, generator=generator), dim=-1)
    checker = ((cube * 2.999).floor().sum(-1) % 2).bool()
    color = torch.cat((
        torch.where(checker[:, None], torch.tensor([226.0, 140, 60]), (cube + 1) * 60 + 60),
        (ball * 0.5 + 0.5) * torch.tensor([80.0, 120, 160]) + 60,
    )).to(torch.uint8)  # fmt: skip
    camera = Camera.default(size)
    uvd, facing = [], []
    for t in range(frames):
        angle = 1.6 * t / max(frames - 1, 1)
        turn = _turn_y(angle + 0.5) @ _turn_x(0.35)
        lift = torch.tensor([0.0, -0.35 * abs(math.sin(2.5 * angle)), 4.2])
        around = torch.tensor([1.35 * math.cos(3 * angle), 0.3, 4.2 + 1.35 * math.sin(3 * angle)])
        xyz = torch.cat((cube * 0.62 @ turn.T + lift, ball * 0.28 + around))
        normal = torch.cat((_cube_normal(cube) @ turn.T, ball))
        uvd.append(camera.project(xyz))
        facing.append((normal * xyz).sum(-1) < 0)
    uvd, facing = torch.stack(uvd), torch.stack(facing)
    video = torch.stack([_splat(*each, color, size) for each in zip(uvd, facing)])
    object_id = torch.cat((torch.ones(on_cube), torch.full((points - on_cube,), 2.0))).int()
    return PointTracks(uvd, facing, size, camera, "metric", 8.0, color, object_id), video


def _cube_surface(count: int, generator: torch.Generator) -> Tensor:
    xyz = torch.rand(count, 3, generator=generator) * 2 - 1
    face = torch.randint(0, 6, (count,), generator=generator)
    xyz[torch.arange(count), face % 3] = torch.where(face < 3, -1.0, 1.0)
    return xyz


def _cube_normal(xyz: Tensor) -> Tensor:
    return torch.where(xyz.abs() == 1, xyz, 0.0)


def _turn_y(angle: float) -> Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _turn_x(angle: float) -> Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[1, 0, 0], [0, c, -s], [0, s, c]])


def _splat(uvd: Tensor, facing: Tensor, color: Tensor, size: tuple[int, int]) -> Tensor:
    """The points that face the camera as 3x3 dots, nearer ones over farther ones."""
    height, width = size
    rows = torch.linspace(52, 30, height)[:, None, None]
    image = (rows * torch.tensor([1.0, 1.05, 1.15])).to(torch.uint8).expand(height, width, 3).clone()
    order = torch.argsort(uvd[:, 2], descending=True)
    order = order[facing[order]]
    u, v = uvd[order, 0].round().long(), uvd[order, 1].round().long()
    for du in (-1, 0, 1):
        for dv in (-1, 0, 1):
            inside = (u + du >= 0) & (u + du < width) & (v + dv >= 0) & (v + dv < height)
            image[(v + dv)[inside], (u + du)[inside]] = color[order][inside]
    return image
