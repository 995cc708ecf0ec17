"""A made-up clip of the paper's size, for timing and file sizes: two textured bodies turn and fall before a wall."""

from __future__ import annotations

import numpy as np
import torch

from pointvid.camera import Camera
from pointvid.tracks import PointTracks

FRAMES, HEIGHT, WIDTH, TRACKS = 16, 256, 448, 6400


def bodies() -> torch.Tensor:
    """int32 [H, W]: 0 for the wall, 1 and 2 for the bodies; together 35,118 pixels."""
    v, u = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    left = ((u - 150) / 100) ** 2 + ((v - 128) / 70) ** 2 < 1
    right = ((u - 320) / 70) ** 2 + ((v - 140) / 60) ** 2 < 1
    return torch.where(left, 1, torch.where(right, 2, 0)).int()


def tracks(pixel_noise: float = 0.3, depth_noise: float = 0.03) -> PointTracks:
    """6,400 tracks of random foreground pixels, as noisy as a tracker's; ten per cent of the points are hidden."""
    rng = np.random.default_rng(0)
    ids = bodies()
    foreground = ids.nonzero().flip(-1)
    queries = foreground[torch.from_numpy(rng.permutation(len(foreground))[:TRACKS])]
    body = ids[queries[:, 1], queries[:, 0]]
    depth = 3 + 0.01 * queries[:, 1] - 0.2 * torch.cos(queries[:, 0] / 20)
    camera = Camera.default((HEIGHT, WIDTH))
    start = camera.unproject(torch.cat((queries, depth[:, None]), 1).double())
    uvd = torch.empty(FRAMES, TRACKS, 3, dtype=torch.float64)
    motions = {1: ([0.02, 0.04, 0.03], [0.05, -0.03, 0.02]), 2: ([0.0, -0.06, 0.05], [-0.06, 0.01, -0.03])}
    for label, (spin, drift) in motions.items():
        its = body == label
        centre = start[its].mean(0)
        for t in range(FRAMES):
            x, y, z = (torch.tensor(spin, dtype=torch.float64) * t).tolist()
            turn = torch.linalg.matrix_exp(torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64))
            moved = torch.tensor(drift, dtype=torch.float64) * t + torch.tensor([0, 0.004, 0]) * t**2
            uvd[t, its] = camera.project((start[its] - centre) @ turn.T + centre + moved)
    noise = torch.from_numpy(rng.normal(size=uvd.shape))
    uvd[1:, :, :2] += pixel_noise * noise[1:, :, :2]
    uvd[..., 2] *= 1 + depth_noise * noise[..., 2]
    visible = torch.from_numpy(rng.random((FRAMES, TRACKS)) > 0.1)
    return PointTracks(uvd.float(), visible, (HEIGHT, WIDTH), camera, "metric", object_id=body.int())


def video(sensor_noise: float = 2.0) -> torch.Tensor:
    """uint8 [T, H, W, 3]: textures of all scales and a camera's noise, the hard case for a video codec."""
    generator = torch.Generator().manual_seed(0)
    ids, v, u = bodies(), *torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    textures = [_texture(generator) for _ in range(3)]
    frames = []
    for t in range(FRAMES):
        frame = textures[0].clone()
        for label, (right, down) in {1: (7, 1), 2: (-8, 3)}.items():
            row, column = (v - down * t) % HEIGHT, (u - right * t) % WIDTH
            here = ids[row, column] == label
            frame[here] = textures[label][row, column][here]
        frame = frame + sensor_noise * torch.randn(frame.shape, generator=generator)
        frames.append(frame.round().clamp(0, 255).to(torch.uint8))
    return torch.stack(frames)


def _texture(generator: torch.Generator) -> torch.Tensor:
    """[H, W, 3] in about 0 to 255: octaves of noise, each half as strong as the coarser one."""
    total = torch.full((1, 3, HEIGHT, WIDTH), 128.0)
    for octave in range(6):
        noise = torch.randn(1, 3, 4 << octave, 7 << octave, generator=generator)
        total += 50 / 2**octave * torch.nn.functional.interpolate(noise, (HEIGHT, WIDTH), mode="bicubic")
    return total[0].permute(1, 2, 0)
