"""Both stages on the tiny model, and their losses against numbers computed here."""

import copy
import csv
import json

import pytest
import torch
from torch import nn

from pointvid.diffusion.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from pointvid.diffusion.encoders import load_encoders
from pointvid.diffusion.process import Diffusion
from pointvid.errors import PointVidError
from training.config import Augment, Conditioning, Regularize, Weights, load_config
from training.data.batch import Batch
from training.loop import train
from training.model.denoiser import draw_noise
from training.stages.augment import AugmentStage, denoising_losses
from training.stages.calibrate import Calibration
from training.stages.regularize import RegularizeStage, background, thinned
from training.state import seed_step

NOTHING_DROPPED = Conditioning(drop_text=0, drop_image=0, drop_points=0, offset_noise=0)


@pytest.fixture
def stage1(stage1_config):
    def make(*overrides, **changes):
        return AugmentStage(load_config(Augment, stage1_config(**changes), overrides))

    return make


@pytest.fixture(scope="module")
def trained(tmp_path_factory, stage1_settings):
    """A stage-1 checkpoint, after two steps."""
    settings = {**stage1_settings, "out": tmp_path_factory.mktemp("trained"), "steps": 2}
    return train(AugmentStage(Augment(**settings)))


@pytest.fixture
def stage2(trained, stage1_config, stage1_settings):
    def make(**changes):
        model = {"checkpoint": str(trained), **changes.pop("model", {})}
        data = {**stage1_settings["data"], "cache": str(trained.parent / "frozen")}
        path = stage1_config(model=model, neighbours=4, data=data, **changes)
        return RegularizeStage(load_config(Regularize, path))

    return make


def test_a_checkpoint_does_not_tell_its_authors_folders(trained, stage1_settings):
    settings = load_checkpoint(trained).info.training["config"]
    assert settings["steps"] == 2
    assert settings["model"]["vae"] == stage1_settings["model"]["vae"].rsplit("/", 1)[-1].rsplit("\\", 1)[-1]
    assert str(trained.parent) not in json.dumps(load_checkpoint(trained).info.training)


def first_batch(stage, count=2):
    return stage.collate([stage.dataset[i] for i in range(count)])


class Fixed(nn.Module):
    """A denoiser that answers the same, and remembers what it saw."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.seen = nn.Parameter(answer), []

    def forward(self, z, t, batch, drop_text=None, drop_image=None):
        self.seen.append((z, t))
        return self.answer.expand_as(z)


def fake_batch(count=3):
    generator = torch.Generator().manual_seed(0)
    video, points = (torch.randn(count, 4, 2, 2, 2, generator=generator) for _ in range(2))
    return Batch(video, points, torch.full((count,), 8.0))


def test_denoising_loss_is_the_textbook_formula():
    schedule, batch = Diffusion(), fake_batch()
    seed_step(0, 0)
    video, points, _ = denoising_losses(Fixed(torch.zeros(1)), schedule, batch, NOTHING_DROPPED)
    seed_step(0, 0)  # the same draws in the same order
    t = torch.randint(0, 1000, (3,))
    noise = torch.randn(3, 8, 2, 2, 2)
    z = torch.cat((batch.video, batch.points), 1)
    alpha = schedule.alphas_cumprod[t].view(3, 1, 1, 1, 1)
    v = alpha.sqrt() * noise - (1 - alpha).sqrt() * z
    assert torch.allclose(video, v[:, :4].square().mean())
    assert torch.allclose(points, v[:, 4:].square().mean())


def test_min_snr_weights():
    schedule = Diffusion()
    t = torch.tensor([10, 500, 990])
    alpha = schedule.alphas_cumprod[t]
    snr = alpha / (1 - alpha)
    assert torch.allclose(schedule.min_snr_weight(t, 5.0), torch.minimum(snr, torch.tensor(5.0)) / (snr + 1))


def test_dropped_points_are_hidden_and_do_not_count():
    model = Fixed(torch.ones(1))
    always = NOTHING_DROPPED.model_copy(update={"drop_points": 1.0})
    _, points, _ = denoising_losses(model, Diffusion(), fake_batch(), always)
    assert points == 0
    assert (model.seen[0][0][:, 4:] == 0).all()
    assert (model.seen[0][0][:, :4] != 0).any()


def test_offset_noise_moves_whole_channels():
    torch.manual_seed(0)
    noise = draw_noise(torch.zeros(64, 8, 2, 8, 8), 0.5)
    assert noise.mean((3, 4)).std() == pytest.approx((0.5**2 + 1 / 64) ** 0.5, rel=0.05)


def test_stage_one_runs_resumes_and_writes_an_all_in_one_checkpoint(stage1, tmp_path):
    path = train(stage1("out=" + str(tmp_path / "whole"), steps=4))
    train(stage1("out=" + str(tmp_path / "parts"), steps=2))
    again = train(stage1("out=" + str(tmp_path / "parts"), steps=4))
    one, two = load_checkpoint(path), load_checkpoint(again)
    for part in ("weights", *one.parts):
        a, b = (c.weights if part == "weights" else c.parts[part] for c in (one, two))
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a), part
    assert one.info.stage == "augment"
    assert one.info.step == 4
    encoders = load_encoders(load_checkpoint(path, torch.float32))
    assert encoders.text(["a box goes left"]).shape == (1, 12, 8)
    assert not torch.equal(encoders.text(["a box goes left"]), encoders.text(["a box goes right"]))


def test_gradient_reaches_every_trained_weight(stage1):
    stage = stage1("conditioning.drop_points=0", "conditioning.drop_text=0", "conditioning.drop_image=0")
    nn.init.normal_(stage.model.unet.conv_out.weight, std=0.1)
    stage.losses(stage.model, first_batch(stage), 0)["loss"].backward()
    without = [n for n, p in stage.model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


def test_rgb_only_leaves_the_points_alone(stage1):
    stage = stage1(mode="rgb_only")
    nn.init.normal_(stage.model.unet.conv_out.weight, std=0.1)
    stage.losses(stage.model, first_batch(stage), 0)["loss"].backward()
    rows = stage.model.unet.conv_out.weight.grad
    assert (rows[4:] == 0).all()
    assert (rows[:4] != 0).any()


def test_validation_is_repeatable_and_writes_samples(stage1, shards_folder, tmp_path):
    from accelerate import Accelerator

    stage = stage1(
        data={"shards": str(shards_folder), "val_shards": str(shards_folder), "workers": 0},
        validation={"batches": 2, "samples": 1, "sample_steps": 2},
    )
    accelerator = Accelerator(cpu=True)
    figures = [stage.validate(stage.model.eval(), accelerator, step, tmp_path / "s") for step in (1, 2)]
    assert figures[0] == figures[1]
    assert set(figures[0]) == {"video_loss", "point_loss"}
    assert (tmp_path / "s" / "clip0" / "video.mp4").is_file()


def test_lora_trains_few_weights_and_merges(trained, stage1_config):
    path = stage1_config(model={"checkpoint": str(trained), "lora_rank": 2})
    stage = AugmentStage(load_config(Augment, path))
    names = [name for name, p in stage.model.named_parameters() if p.requires_grad]
    assert names
    assert all("lora_" in name or any(part in name for part in ("conv_in", "conv_out", "entry")) for name in names)
    merged = load_checkpoint(train(stage), torch.float32)
    batch = first_batch(stage)
    z, t = torch.randn(2, 8, *batch.video.shape[2:]), torch.tensor([3, 700])
    plain = stage.base.build(merged.info.config)
    plain.load_state_dict(merged.weights)
    twin = copy.deepcopy(stage.model).eval()
    twin.unet = plain.eval()
    with torch.no_grad():
        assert torch.allclose(stage.model.eval()(z, t, batch), twin(z, t, batch), atol=2e-3)  # written in fp16


def test_stage_two_runs_for_every_grad_step(stage2):
    for grad_step in ("last", "random", "x0_at_t"):
        stage = stage2(grad_step=grad_step, ddim_steps=4)
        terms = stage.losses(stage.model, first_batch(stage), 0)
        terms["loss"].backward()
        grads = [p.grad for p in stage.model.parameters() if p.grad is not None]
        assert sum(float(g.abs().sum()) for g in grads) > 0
        assert {"gradient/rigid", "gradient/ddim", "gradient/position", "rigid", "ddim"} <= set(terms)
        assert stage.model.training


def test_every_log_row_holds_the_gradient_norms(stage2):
    stage = stage2(steps=5, log_every=2, save_every=5)
    train(stage)
    with (stage.config.out / "log.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2", "4", "5"]
    assert all(float(row["gradient/rigid"]) >= 0 and float(row["gradient/ddim"]) > 0 for row in rows)


def test_gradient_goes_through_the_chosen_step_only(stage2):
    stage = stage2(grad_step="last", ddim_steps=5, start=[0.6, 0.6])
    batch, passes = first_batch(stage), []

    class Spy(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, *args):
            passes.append((torch.is_grad_enabled(), self.training))
            return self.inner(*args)

    z0, output, trust = stage.denoise(Spy(stage.model), batch)
    assert [grad for grad, _ in passes] == [False, False, True]
    assert not any(training for _, training in passes)  # dropout is off
    assert trust == 1.0
    # the last DDIM step ends at abar = 1: z_0 = sqrt(abar_1) x - sqrt(1 - abar_1) v
    (slope,) = torch.autograd.grad(z0.sum(), output)
    alpha = stage.process.alphas_cumprod[stage.process.levels(5)[-2]]
    assert torch.allclose(slope, -((1 - alpha) ** 0.5) * torch.ones_like(slope), atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 3])
def test_decoded_points_are_the_vaes_and_chunks_do_not_matter(stage2, chunk):
    stage, latents = stage2(decode_chunk=8), torch.randn(2, 4, 4, 8, 8, requires_grad=True)
    whole = stage.decode_points(latents)  # 8 frames in one piece: nothing is recomputed
    (expected,) = torch.autograd.grad(whole.square().mean(), latents)
    stage.config = stage.config.model_copy(update={"decode_chunk": chunk})
    parts = stage.decode_points(latents)
    assert torch.allclose(parts, whole, atol=1e-5)
    (found,) = torch.autograd.grad(parts.square().mean(), latents)
    assert torch.allclose(found, expected, atol=1e-6)


def test_coordinates_are_decoded_in_full_precision(stage2):
    stage, latents = stage2(), torch.randn(1, 4, 4, 8, 8)
    expected = stage.decode_points(latents)
    with torch.autocast("cpu", torch.bfloat16):
        found = stage.decode_points(latents)
    assert torch.equal(found, expected)


def test_a_decoder_kept_in_float32_stays_so(trained, stage2, tmp_path):
    start = load_checkpoint(trained)
    weight = start.parts["vae"]["decoder.conv_out.weight"].float() + 1e-6  # float16 has no such numbers
    vae = start.parts["vae"] | {"decoder.conv_out.weight": weight}
    path = tmp_path / "refit.safetensors"
    save_checkpoint(Checkpoint(start.info, start.weights, start.parts | {"vae": vae}), path)
    made = load_checkpoint(train(stage2(model={"checkpoint": str(path)}, steps=1)))
    assert torch.equal(made.parts["vae"]["decoder.conv_out.weight"], weight)
    others = {value.dtype for name, value in made.parts["vae"].items() if name != "decoder.conv_out.weight"}
    assert others == {torch.float16}


def test_xyz_is_the_cameras(stage2, shards_folder):
    stage = stage2()
    batch = first_batch(stage)
    camera = stage.dataset.shards[0].point_map.camera
    assert torch.allclose(stage.to_space(batch.uvd, batch.intrinsics)[0], camera.unproject(batch.uvd[0]))


def test_thinning_keeps_some_of_the_mask():
    mask = torch.zeros(2, 10, 10, dtype=torch.bool)
    mask[0, :5], mask[1, 0, :3] = True, True
    kept = thinned(mask, 7)
    assert kept.flatten(1).sum(1).tolist() == [7, 3]
    assert (kept & ~mask).sum() == 0


def test_stage_two_refuses_an_untrained_point_half(stage1, stage1_config, tmp_path):
    start = stage1().start
    save_checkpoint(start, tmp_path / "initial.safetensors")
    with pytest.raises(PointVidError, match=r"has not been through stage 1"):
        RegularizeStage(
            load_config(Regularize, stage1_config(model={"checkpoint": str(tmp_path / "initial.safetensors")}))
        )
    with pytest.raises(PointVidError, match=r"expected model\.checkpoint"):
        RegularizeStage(load_config(Regularize, stage1_config()))


def test_without_the_diffusion_loss(stage2):
    stage = stage2(weights={"ddim": 0})
    terms = stage.losses(stage.model, first_batch(stage), 0)
    assert "ddim" not in terms
    assert torch.isfinite(terms["loss"])


def test_calibration_brings_the_terms_to_one_scale():
    memory = {}
    calibration = Calibration(Weights(calibration_batches=2), memory)
    values = {"ddim": 2.0, "position": 8.0, "velocity": 0.5, "acceleration": 0.1, "background": 0.03, "rigid": 0.01}
    terms = {name: torch.tensor(value) for name, value in values.items()}
    calibration.weights(terms, {})
    assert not calibration.done
    weights = calibration.weights({name: 3 * value for name, value in terms.items()}, {})
    assert calibration.done
    means = {name: 2 * value for name, value in values.items()}  # of x and 3x
    recon = [weights[name] * means[name] for name in ("position", "velocity", "acceleration", "background")]
    assert recon == pytest.approx([recon[0]] * 4)
    assert sum(recon) == pytest.approx(means["ddim"])
    assert weights["rigid"] * means["rigid"] == pytest.approx(means["ddim"])
    later = Calibration(Weights(calibration_batches=2), memory)  # after a resume
    assert later.weights({name: 100 * value for name, value in terms.items()}, {}) == weights


def test_given_weights_are_kept():
    fixed = Weights(recon=0.5, rigid=7.0, position=1.0, velocity=2.0, acceleration=3.0, background=0)
    terms = {
        name: torch.tensor(1.0) for name in ("ddim", "position", "velocity", "acceleration", "background", "rigid")
    }
    weights = Calibration(fixed, {}).weights(terms, {})
    recon = {"position": 0.5, "velocity": 1.0, "acceleration": 1.5, "background": 0.0}
    assert weights == {"ddim": 1.0, "rigid": 7.0, **recon}


def test_background_is_held_outside_the_mask_alone():
    mask = torch.zeros(2, 4, 5, dtype=torch.bool)
    mask[0, 1:3, 1:3] = True
    channels = torch.full((2, 3, 3, 4, 5), -1.0)
    channels[0, :, :, 1:3, 1:3] = 7.0
    assert background(channels, mask) == 0
    channels[1, 2, 0, 3, 4] = 0.5
    # one of 3 frames x 3 channels x (16 + 20) pixels is off by 1.5
    assert background(channels, mask) == pytest.approx(1.5**2 / (3 * 3 * 36))
    assert background(channels, torch.ones_like(mask)) == 0


def test_clips_of_another_size_are_refused(stage1_config, tmp_path):
    from tests.training.tiny import moving_box, write_shards

    folder = write_shards(tmp_path / "odd", [moving_box(i, size=24) for i in range(4)])
    with pytest.raises(PointVidError, match=r"4x24x24, the model is for 4x16x16"):
        AugmentStage(load_config(Augment, stage1_config(data={"shards": str(folder), "workers": 0})))


def test_latents_are_kept_and_know_their_vae(stage1, vae_folder, tmp_path):
    stage = stage1()
    folder = stage.dataset.folder
    files = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    stage1()
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == files
    from training.model.small_model import load_vae

    for part, same in (("decoder", True), ("encoder", False)):  # latents know nothing of the decoder
        other = load_vae(vae_folder)
        with torch.no_grad():
            getattr(other, part).conv_in.weight.mul_(1.5)
        other.save_pretrained(tmp_path / part)
        assert (stage1(f"model.vae={tmp_path / part}").dataset.folder == folder) == same


def test_memory_does_not_grow_with_the_number_of_ddim_steps(stage2):
    """What autograd keeps for the backward pass, in bytes."""
    stage = stage2(grad_step="last", start=[1.0, 1.0])
    batch, kept = first_batch(stage), []
    for steps in (1, 2, 4, 8):
        stage.config = stage.config.model_copy(update={"ddim_steps": steps})
        saved: dict[int, int] = {}

        def pack(tensor, saved=saved):
            saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            stage.losses(stage.model, batch, 1)
        kept.append(sum(saved.values()))
    assert max(kept) <= 1.05 * min(kept), kept
