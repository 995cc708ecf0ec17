"""Schedule against diffusers' DDIMScheduler."""

import pytest
import torch

from pointvid.diffusion.process import Schedule
from pointvid.errors import PointVidError

# scheduler_config.json as ali-vilab/i2vgen-xl and ModelScope publish them
I2VGEN = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "squaredcos_cap_v2",
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "set_alpha_to_one": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
MODELSCOPE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
CONFIGS = {
    "i2vgen": I2VGEN,
    "modelscope": MODELSCOPE,
    "trailing": {**I2VGEN, "timestep_spacing": "trailing"},
    "linspace": {**MODELSCOPE, "timestep_spacing": "linspace", "beta_schedule": "linear"},
}


@pytest.fixture(params=CONFIGS)
def pair(request):
    from diffusers import DDIMScheduler

    config = CONFIGS[request.param]
    return Schedule.from_diffusers(config), DDIMScheduler(**config)


def test_defaults_are_the_published_schedule():
    assert Schedule.from_diffusers(I2VGEN) == Schedule()


def test_alphas_are_equal(pair):
    ours, theirs = pair
    torch.testing.assert_close(ours.alphas_cumprod, theirs.alphas_cumprod, rtol=0, atol=1e-7)


@pytest.mark.parametrize("steps", [1, 3, 7, 20, 30, 50])
def test_timesteps_are_equal(pair, steps):
    ours, theirs = pair
    theirs.set_timesteps(steps)
    assert ours.timesteps(steps) == theirs.timesteps.tolist()


@pytest.mark.parametrize("steps", [4, 7, 20])
def test_every_ddim_step_is_equal(pair, steps):
    ours, theirs = pair
    theirs.set_timesteps(steps)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 8, 2, 3, 3, generator=generator)
    for t in theirs.timesteps.tolist():
        output = torch.randn(x.shape, generator=generator)
        expected = theirs.step(output, t, x)
        torch.testing.assert_close(ours.x0_from(output, x, t), expected.pred_original_sample, rtol=1e-6, atol=1e-6)
        found = ours.ddim_step(output, x, t, ours.previous(t, steps))
        torch.testing.assert_close(found, expected.prev_sample, rtol=1e-6, atol=1e-6)
        x = expected.prev_sample


def test_noise_and_target_are_equal(pair):
    ours, theirs = pair
    x0, noise = torch.randn(2, 3, 4, 2, 3, 3).unbind(0)
    t = torch.tensor([1, 500, 998])
    torch.testing.assert_close(ours.add_noise(x0, noise, t), theirs.add_noise(x0, noise, t), rtol=0, atol=1e-6)
    if ours.prediction_type == "v_prediction":
        expected = theirs.get_velocity(x0, noise, t)
        torch.testing.assert_close(ours.target(x0, noise, t), expected, rtol=0, atol=1e-6)
    else:
        assert torch.equal(ours.target(x0, noise, t), noise)


def test_a_perfect_denoiser_gives_back_what_was_noised(pair):
    ours, _ = pair
    x0, noise = torch.randn(2, 2, 4, 2, 3, 3).unbind(0)
    t = torch.tensor([41, 700])
    x = ours.add_noise(x0, noise, t)
    output = ours.target(x0, noise, t)
    torch.testing.assert_close(ours.x0_from(output, x, t), x0, rtol=0, atol=1e-4)
    torch.testing.assert_close(ours.noise_from(output, x, t), noise, rtol=0, atol=1e-4)
    torch.testing.assert_close(ours.output_from(x0, x, t), output, rtol=0, atol=1e-4)


def test_geometry_gradient_of_the_last_step():
    """What design.md says of "gradient only in the final DDIM step": dx0/dv is -0.009 there and -0.77 at t=551."""
    schedule = Schedule()
    for t, expected in ((1, -0.0093), (551, -0.77)):
        v = torch.zeros(1, requires_grad=True)
        schedule.x0_from(v, torch.ones(1), t).sum().backward()
        assert v.grad.item() == pytest.approx(expected, rel=0.02)


def test_snr_is_zero_at_the_end_only_when_rescaled():
    assert Schedule().snr(999) == 0
    assert Schedule.from_diffusers(MODELSCOPE).snr(999) > 0


def test_half_precision_latents_stay_half():
    schedule = Schedule()
    x = torch.randn(2, 4, 2, 3, 3, dtype=torch.bfloat16)
    assert schedule.add_noise(x, x, torch.tensor([1, 2])).dtype == torch.bfloat16
    assert schedule.ddim_step(x, x, 951, 901).dtype == torch.bfloat16


def test_round_trips():
    for config in CONFIGS.values():
        schedule = Schedule.from_diffusers(config)
        assert Schedule.from_json(schedule.to_json()) == schedule


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prediction_type": "sample"}, "'sample'"),
        ({"beta_schedule": "sigmoid"}, "'sigmoid'"),
        ({"clip_sample": True}, "clip_sample is on"),
        ({"prediction_type": "epsilon"}, "zero_terminal_snr"),
    ],
)
def test_refuses(changes, words):
    with pytest.raises(PointVidError, match=words):
        Schedule.from_diffusers({**I2VGEN, **changes})


@pytest.mark.parametrize("steps", [0, 1000, 1001])
def test_impossible_step_counts(steps):
    with pytest.raises(PointVidError, match=f"steps is {steps}"):
        Schedule().timesteps(steps)
