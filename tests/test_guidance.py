"""The maths of guidance, against numbers worked out by hand."""

import pytest
import torch

from pointvid.camera import Camera
from pointvid.diffusion.conditions import Conditions
from pointvid.diffusion.guidance import (
    inner_guidance,
    inner_guided,
    point_decoder,
    rigidity_guidance,
    rigidity_guided,
    without_points,
)
from pointvid.diffusion.latents import join, split
from pointvid.diffusion.process import Diffusion
from pointvid.diffusion.sampling import sample
from pointvid.point_map import PointMap
from pointvid.points.point_range import PointRange
from pointvid.points.rigidity import rigidity_graph, rigidity_loss


def test_inner_guidance_formula():
    full, no_text, no_points = torch.tensor([2.0]), torch.tensor([3.0]), torch.tensor([5.0])
    assert inner_guidance(full, no_text, no_points, 5, 3).item() == 9 * 2 - 5 * 3 - 3 * 5
    assert inner_guidance(full, no_text, no_points, 0, 0).item() == 2
    assert inner_guidance(full, no_text, no_points, 4, 0).item() == 3 + 5 * (2 - 3)  # classifier-free guidance, scale 5


def test_inner_guided_asks_the_three_questions():
    seen = []

    def model(x, t, context):
        seen.append((x, t, context))
        return x * context.mean((1, 2)).view(-1, 1, 1, 1, 1)

    positive, negative = (Conditions(context=torch.full((1, 2, 2), value)) for value in (4.0, 7.0))
    x = torch.randn(1, 8, 2, 2, 2)
    found = inner_guided(model, Diffusion(), positive, negative, w1=5, w2=3)(x, torch.tensor([9]))
    ((asked, t, _),) = seen
    assert t.tolist() == [9, 9, 9]
    assert torch.equal(asked[0], x[0])
    assert torch.equal(asked[1], x[0])
    assert torch.equal(asked[2:], without_points(x))
    assert (asked[2, 4:] == 0).all()
    torch.testing.assert_close(found, 9 * 4 * x - 5 * 7 * x - 3 * 4 * without_points(x))


def identity_points(latent):
    """Each latent channel is a coordinate: [B,3,T,h,w] -> [B,T,h,w,3]."""
    return latent.permute(0, 2, 3, 4, 1), torch.ones(latent.shape[0], *latent.shape[-2:], dtype=torch.bool)


def two_points(second_distance):
    """Two points, 1 apart along x in frame 0 and `second_distance` in frame 1."""
    points = torch.zeros(1, 3, 2, 1, 2)
    points[0, 0, 0, 0, 1], points[0, 0, 1, 0, 1] = 1.0, second_distance
    return join(torch.ones_like(points), points)


def test_rigidity_step_by_hand():
    """L = (2 - 1)^2 = 1; dL/dx is -+2 on the points of frame 0 and +-2 on those of frame 1, |g|^2 = 16, step g / 16."""
    moved = rigidity_guidance(two_points(2.0), identity_points, k=1, limit=1.0)
    video, points = split(moved)
    assert (video == 1).all()
    torch.testing.assert_close(points[0, 0, :, 0], torch.tensor([[-0.125, 1.125], [0.125, 1.875]]))
    half = rigidity_guidance(two_points(2.0), identity_points, strength=0.5, k=1, limit=1.0)
    torch.testing.assert_close(split(half)[1][0, 0, :, 0], torch.tensor([[-0.0625, 1.0625], [0.0625, 1.9375]]))


def test_rigidity_step_is_limited():
    before = two_points(2.0)
    change = rigidity_guidance(before, identity_points, k=1, limit=0.01) - before
    assert split(change)[1].square().mean().sqrt().item() == pytest.approx(0.01, rel=1e-5)


def test_rigid_motion_is_left_alone():
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(3, 4, 5, generator=generator)
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=generator))[0]
    second = torch.einsum("ij,jhw->ihw", rotation, first) + 2.0
    points = torch.stack((first, second), 1)[None]
    x0 = join(points, points)
    assert (rigidity_guidance(x0, identity_points) - x0).abs().max() < 1e-5


def test_repeated_steps_make_points_rigid():
    points = torch.randn(1, 3, 4, 5, 5, generator=torch.Generator().manual_seed(1))
    graph = rigidity_graph(identity_points(points)[0][:, 0], k=4)
    x0, losses = join(points, points), []
    for _ in range(30):
        losses.append(rigidity_loss(identity_points(split(x0)[1])[0], graph).item())
        x0 = rigidity_guidance(x0, identity_points, graph=graph, limit=1.0)
    assert losses[-1] < 0.01 * losses[0]


@pytest.mark.parametrize("schedule", [Diffusion(), Diffusion("epsilon", "scaled_linear", zero_terminal_snr=False)])
def test_guided_denoiser_implies_the_moved_x0(schedule):
    clean, noise = two_points(2.0), torch.randn(1, 6, 2, 1, 2)
    for t, moves in ((600, True), (700, False)):
        step = torch.tensor([t])
        x, output = schedule.add_noise(clean, noise, step), schedule.target(clean, noise, step)
        graph = rigidity_graph(identity_points(split(clean)[1])[0][:, 0], k=1)
        denoise = rigidity_guided(lambda x, t, output=output: output, schedule, identity_points, graph=graph)
        found = schedule.x0_from(denoise(x, step), x, step)
        expected = rigidity_guidance(clean, identity_points, graph=graph) if moves else clean
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
        assert torch.equal(split(denoise(x, step))[0], split(output)[0])


def test_sampling_with_rigidity_guidance_is_more_rigid():
    schedule = Diffusion()
    clean = join(torch.zeros(1, 3, 4, 5, 5), torch.randn(1, 3, 4, 5, 5, generator=torch.Generator().manual_seed(2)))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(3))
    graph = rigidity_graph(identity_points(split(clean)[1])[0][:, 0], k=4)

    def plain(x, t):
        signal, spread = schedule.coefficients(t, x)
        return (signal * x - clean) / spread  # the velocity of a model that always predicts `clean`

    guided = rigidity_guided(plain, schedule, identity_points, graph=graph)
    losses = [
        rigidity_loss(identity_points(split(sample(model, schedule, noise, 10))[1])[0], graph)
        for model in (plain, guided)
    ]
    assert losses[1] < 0.9 * losses[0]


def test_point_decoder_gives_camera_space_and_gradient():
    """Latent pixels are frames / 4; the VAE is replaced by nearest upsampling, so the points are known exactly."""
    height, width, stride = 16, 24, 4
    v, u = torch.meshgrid(torch.arange(height) * 1.0, torch.arange(width) * 1.0, indexing="ij")
    blocks = torch.stack((u // 4 * 4 + 2, v // 4 * 4 + 2, 3 + u // 4), -1).repeat(2, 1, 1, 1)
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[4:12, 8:20] = True
    camera = Camera.default((height, width))
    span = PointRange(1.0, 20.0)
    frames = span.encode(PointMap(blocks, mask, camera))
    latent = frames.transpose(0, 1)[None, :, :, ::4, ::4].clone().requires_grad_()

    def decode(x):
        return x.repeat_interleave(4, -1).repeat_interleave(4, -2)

    points, foreground = point_decoder(decode, span, camera, stride)(latent)
    assert torch.equal(foreground[0], mask[2::4, 2::4])
    expected = camera.unproject(blocks[:, 2::4, 2::4])
    torch.testing.assert_close(points[0][:, foreground[0]], expected[:, foreground[0]], rtol=1e-4, atol=1e-4)
    points[0][:, foreground[0]].sum().backward()
    assert (latent.grad[0, 2, 0] != 0).sum() == foreground.sum()
