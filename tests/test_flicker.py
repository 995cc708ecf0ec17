"""The figure for depth flicker gives back the noise that was put in, and nothing for what moves."""

import pytest
import torch

from pointvid.depth_models.flicker import measure_flicker

FRAMES, HEIGHT, WIDTH = 24, 96, 128


def scene():
    """float64 [T, H, W]: a slanted wall, and a box that comes nearer and moves across a fifth of the image."""
    depth = torch.linspace(2, 5, WIDTH, dtype=torch.float64).expand(FRAMES, HEIGHT, WIDTH).clone()
    for t in range(FRAMES):
        depth[t, 20:60, 10 + 2 * t : 50 + 2 * t] = 1.5 * 0.99**t
    return depth


def noise(*shape, sigma, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * sigma


def test_true_depth_does_not_flicker():
    flicker, scale = measure_flicker(scene().float())
    assert flicker < 1e-6
    assert scale < 1e-6


@pytest.mark.parametrize("sigma", [0.003, 0.05])
def test_noise_of_the_parts_is_given_back(sigma):
    flicker, scale = measure_flicker((scene() * noise(FRAMES, HEIGHT, WIDTH, sigma=sigma).exp()).float())
    assert flicker == pytest.approx(sigma, rel=0.05)
    assert scale < 0.1 * sigma


def test_noise_of_whole_frames_is_given_back():
    sigma, found = 0.04, []
    for seed in range(20):
        flicker, scale = measure_flicker(scene() * noise(FRAMES, 1, 1, sigma=sigma, seed=seed).exp())
        assert flicker == pytest.approx(scale, rel=1e-3)
        found.append(scale)
    assert sum(value**2 for value in found) / 20 == pytest.approx(sigma**2, rel=0.15)


def test_both_add_as_variances():
    depth = scene() * noise(FRAMES, HEIGHT, WIDTH, sigma=0.03).exp()
    before, _ = measure_flicker(depth)
    flicker, scale = measure_flicker(depth * noise(FRAMES, 1, 1, sigma=0.04, seed=1).exp())
    assert flicker == pytest.approx((before**2 + scale**2) ** 0.5, rel=0.02)


def test_unit_and_steady_change_do_not_matter():
    depth = scene() * noise(FRAMES, HEIGHT, WIDTH, sigma=0.02).exp()
    approach = torch.linspace(0, -1, FRAMES, dtype=torch.float64).exp()[:, None, None]
    assert measure_flicker(1000 * depth * approach) == pytest.approx(measure_flicker(depth), rel=1e-6)


def test_too_short_to_tell():
    assert measure_flicker(torch.ones(2, 8, 8)) is None
    assert measure_flicker(torch.ones(3, 8, 8)) == (0.0, 0.0)
