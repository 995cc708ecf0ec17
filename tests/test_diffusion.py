"""Schedule against diffusers' DDIMScheduler."""

import json

import pytest
import torch

from pointvid.diffusion.process import Diffusion, Flow, process_from_diffusers
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
    return Diffusion.from_diffusers(config), DDIMScheduler(**config)


def test_defaults_are_the_published_schedule():
    assert Diffusion.from_diffusers(I2VGEN) == Diffusion()


def test_alphas_are_equal(pair):
    ours, theirs = pair
    torch.testing.assert_close(ours.alphas_cumprod, theirs.alphas_cumprod, rtol=0, atol=1e-7)


@pytest.mark.parametrize("steps", [1, 3, 7, 20, 30, 50])
def test_timesteps_are_equal(pair, steps):
    ours, theirs = pair
    theirs.set_timesteps(steps)
    assert ours.levels(steps) == [*theirs.timesteps.tolist(), -1]


@pytest.mark.parametrize("steps", [4, 7, 20])
def test_every_ddim_step_is_equal(pair, steps):
    ours, theirs = pair
    theirs.set_timesteps(steps)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 8, 2, 3, 3, generator=generator)
    intervals = ours.intervals(steps)
    assert [t for t, _ in intervals] == theirs.timesteps.tolist()
    for t, following in intervals:
        output = torch.randn(x.shape, generator=generator)
        expected = theirs.step(output, t, x)
        torch.testing.assert_close(ours.x0_from(output, x, t), expected.pred_original_sample, rtol=1e-6, atol=1e-6)
        found = ours.step(output, x, t, following)
        torch.testing.assert_close(found, expected.prev_sample, rtol=1e-6, atol=1e-6)
        x = expected.prev_sample


def test_noise_and_target_are_equal(pair):
    ours, theirs = pair
    x0, noise = torch.randn(2, 3, 4, 2, 3, 3).unbind(0)
    t = torch.tensor([1, 500, 998])
    torch.testing.assert_close(ours.add_noise(x0, noise, t), theirs.add_noise(x0, noise, t), rtol=0, atol=1e-6)
    if ours.prediction == "v":
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
    """Why `grad_step` is a choice: dx0/dv is -0.009 in the final DDIM step and -0.77 at t=551."""
    schedule = Diffusion()
    for t, expected in ((1, -0.0093), (551, -0.77)):
        v = torch.zeros(1, requires_grad=True)
        schedule.x0_from(v, torch.ones(1), t).sum().backward()
        assert v.grad.item() == pytest.approx(expected, rel=0.02)


def test_snr_is_zero_at_the_end_only_when_rescaled():
    assert Diffusion().snr(999) == 0
    assert Diffusion.from_diffusers(MODELSCOPE).snr(999) > 0


def test_half_precision_latents_stay_half():
    schedule = Diffusion()
    x = torch.randn(2, 4, 2, 3, 3, dtype=torch.bfloat16)
    assert schedule.add_noise(x, x, torch.tensor([1, 2])).dtype == torch.bfloat16
    assert schedule.step(x, x, 951, 901).dtype == torch.bfloat16


def test_round_trips():
    for config in CONFIGS.values():
        process = Diffusion.from_diffusers(config)
        assert process_from_diffusers(json.loads(json.dumps(process.to_diffusers()))) == process


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
        Diffusion.from_diffusers({**I2VGEN, **changes})


@pytest.mark.parametrize("steps", [0, 1000, 1001])
def test_impossible_step_counts(steps):
    with pytest.raises(PointVidError, match=f"steps is {steps}"):
        Diffusion().levels(steps)


@pytest.mark.parametrize("shift", [1.0, 3.0, 5.0])
@pytest.mark.parametrize("steps", [1, 4, 10])
def test_flow_levels_are_the_published_ones(shift, steps):
    """Wan's own: sigmas even in u from 1 to 0, shifted; the table of its last step, N = 10: 0.1, 0.25, 0.357."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    flow = Flow(shift)
    theirs = FlowMatchEulerDiscreteScheduler(shift=1.0)
    theirs.set_timesteps(sigmas=[1 - k / steps for k in range(steps)])
    expected = shift * theirs.sigmas / (1 + (shift - 1) * theirs.sigmas)
    torch.testing.assert_close(torch.tensor(flow.levels(steps)), expected)
    if steps == 10:
        assert flow.levels(10)[-2] == pytest.approx({1.0: 0.1, 3.0: 0.25, 5.0: 0.357}[shift], abs=5e-4)


def test_every_flow_step_is_eulers():
    from diffusers import FlowMatchEulerDiscreteScheduler

    flow, theirs = Flow(3.0), FlowMatchEulerDiscreteScheduler(shift=1.0)
    levels = flow.levels(6)
    theirs.set_timesteps(sigmas=[(s / 3) / (1 - 2 * s / 3) for s in levels[:-1]])
    theirs.sigmas = torch.tensor(levels)
    x = torch.randn(1, 8, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    for (t, following), timestep in zip(flow.intervals(6), theirs.timesteps):
        output = torch.randn(x.shape)
        expected = theirs.step(output, timestep, x).prev_sample
        torch.testing.assert_close(flow.step(output, x, t, following), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(flow.step(output, x, t, following), x + (following - t) * output)
        x = expected


def test_flow_inverses():
    flow = Flow(3.0)
    x0, noise = torch.randn(2, 3, 4, 2, 3, 3).unbind(0)
    t = torch.tensor([0.1, 0.5, 0.97])
    x, output = flow.add_noise(x0, noise, t), flow.target(x0, noise, t)
    torch.testing.assert_close(output, noise - x0)
    torch.testing.assert_close(x[1], (x0[1] + noise[1]) / 2)
    torch.testing.assert_close(flow.x0_from(output, x, t), x0, rtol=0, atol=1e-5)
    torch.testing.assert_close(flow.noise_from(output, x, t), noise, rtol=0, atol=1e-5)
    torch.testing.assert_close(flow.output_from(x0, x, t), output, rtol=0, atol=1e-5)
    assert torch.equal(flow.network_time(t), 1000 * t)
    torch.testing.assert_close(flow.signal_share(t), flow.snr(t) / (1 + flow.snr(t)))


def test_flow_draws_what_it_says():
    torch.manual_seed(0)
    drawn = Flow(3.0, uniform_share=0.0).draw(20000)
    u = drawn / (3 - 2 * drawn)  # the shift undone
    torch.testing.assert_close(torch.logit(u).mean(), torch.tensor(0.0), rtol=0, atol=0.03)
    torch.testing.assert_close(torch.logit(u).std(), torch.tensor(1.0), rtol=0, atol=0.03)
    even = Flow(3.0, uniform_share=1.0).draw(20000)
    assert (even < 0.1).float().mean().item() == pytest.approx(0.1, abs=0.01)


def test_min_snr_weighs_x0s_error():
    """Whatever is predicted: an error of x0 by 1 counts min(SNR, gamma)."""
    epsilon = Diffusion.from_diffusers(MODELSCOPE)
    cases = ((Diffusion(), [50, 400, 900]), (epsilon, [50, 400, 900]), (Flow(3.0), [0.1, 0.5, 0.9]))
    for process, levels in cases:
        t = torch.tensor(levels)
        x = torch.randn(3, 1, 1, 1, 1)
        change = process.output_from(x + 1, x, t) - process.output_from(x, x, t)
        expected = process.snr(t).clamp(max=5.0)
        torch.testing.assert_close(
            process.min_snr_weight(t, 5.0) * change.flatten().square(), expected, rtol=1e-3, atol=0
        )


def test_float_levels_of_a_diffusion():
    process, like = Diffusion(), torch.zeros(3, 1, 1)
    whole, exact = (
        process.coefficients(torch.tensor([0, 41, 999], dtype=kind), like) for kind in (torch.float32, torch.int64)
    )
    assert all(torch.equal(a, b) for a, b in zip(whole, exact))
    between = process.signal_share(41.25)
    torch.testing.assert_close(between, 0.75 * process.signal_share(41) + 0.25 * process.signal_share(42))
    assert process.signal_share(-1) == 1
    assert (
        Diffusion.from_diffusers(MODELSCOPE).signal_share(-1) == Diffusion.from_diffusers(MODELSCOPE).alphas_cumprod[0]
    )


def test_schedulers_are_told_apart():
    flow = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 5.0, "num_train_timesteps": 1000}
    unipc = {"_class_name": "UniPCMultistepScheduler", "prediction_type": "flow_prediction", "use_flow_sigmas": True}
    assert process_from_diffusers(flow) == process_from_diffusers({**unipc, "flow_shift": 5.0}) == Flow(5.0)
    assert process_from_diffusers(Flow(3.0, 0.5).to_diffusers()) == Flow(3.0, 0.5)
    assert process_from_diffusers({**I2VGEN, "_class_name": "DDIMScheduler"}) == Diffusion()
    with pytest.raises(PointVidError, match="use_dynamic_shifting"):
        process_from_diffusers({**flow, "use_dynamic_shifting": True})
    with pytest.raises(PointVidError, match="shift is 0"):
        Flow(0.0)
