"""A base of another kind needs its own file and its line in the registry: published folder, training, a clip."""

import sys

import pytest
import torch
import yaml
from PIL import Image
from torch import nn

from pointvid import Generator, cli
from pointvid.diffusion import bases
from pointvid.diffusion.checkpoint import load_checkpoint
from pointvid.diffusion.convert import from_published, to_published
from pointvid.diffusion.folders import component_weights, write_component, write_json
from pointvid.errors import PointVidError
from tests.toy_base import LIBRARY, registered
from tests.training.tiny import moving_box, write_shards

FRAMES, SIZE = 5, 16


@pytest.fixture(scope="module", autouse=True)
def toy():
    with registered(bases, LIBRARY):
        yield
    sys.modules.pop("pointvid.diffusion.bases.toy")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder as its authors would publish it, random weights."""
    from pointvid.diffusion.bases.toy import ToyConfig, ToyDiT, scale

    from pointvid.diffusion.process import Flow

    folder = tmp_path_factory.mktemp("toy") / "published"
    torch.manual_seed(0)
    network = ToyDiT(ToyConfig(), joint=False)
    write_component(
        folder / "transformer", "diffusion_pytorch_model", network.state_dict(), {"_class_name": "ToyDiT", "dim": 48}
    )
    write_component(folder / "text_encoder", "model", nn.Embedding(256, 48).state_dict(), {})
    write_component(folder / "vae", "model", scale().state_dict(), {})
    write_json(folder / "scheduler" / "scheduler_config.json", Flow(3.0).to_diffusers())
    return folder


@pytest.fixture(scope="module")
def trained(published, tmp_path_factory):
    """Converted by the command, then both stages."""
    from training.config import Augment, Regularize, load_config
    from training.loop import train
    from training.stages.augment import AugmentStage
    from training.stages.regularize import RegularizeStage

    folder = tmp_path_factory.mktemp("trained")
    start = folder / "start.safetensors"
    words = ["convert", str(published), str(start), "--size", f"{SIZE}x{SIZE}", "--frames", str(FRAMES)]
    assert cli.main([*words, "--near", "0.5", "--far", "4"]) == 0
    shards = write_shards(folder / "shards", [moving_box(i, FRAMES) for i in range(8)])
    settings = {
        "data": {"shards": str(shards), "val_shards": str(shards), "workers": 0, "cache": str(folder / "latents")},
        "batch_size": 8,
        "precision": "fp32",
        "ema_decay": 0,
        "save_every": 1000,
        "trackers": [],
        "conditioning": {"drop_points": 0, "offset_noise": 0},
        "validation": {"every": 1000, "batches": 1, "samples": 1, "sample_steps": 2},
        "optimizer": {"lr": 5e-3, "schedule": "cosine"},
    }

    def run(kind, stage, name, **changes):
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"out": str(folder / name), **settings, **changes}), encoding="utf-8")
        return train(stage(load_config(kind, path)))

    first = run(Augment, AugmentStage, "stage1", steps=300, model={"checkpoint": str(start)})
    optimizer = {"optimizer": {"lr": 1e-4}}
    for grad_step in ("random", "x0_at_t"):  # the second of the two is what is kept
        model = {"model": {"checkpoint": str(first)}}
        changes = {**model, **optimizer, "neighbours": 4, "grad_step": grad_step, "ddim_steps": 4}
        second = run(Regularize, RegularizeStage, f"stage2_{grad_step}", steps=3, **changes)
    return second


def test_convert_and_back(published, tmp_path):
    checkpoint = from_published(published)
    assert checkpoint.info.base == "toy-dit"
    assert checkpoint.info.process.shift == 3.0
    with pytest.raises(PointVidError, match="length is 16 frames, expected 1 more than a multiple of 4"):
        from_published(published, frames=16)
    to_published(checkpoint, tmp_path / "back")
    for part in ("transformer", "text_encoder", "vae"):
        before, after = component_weights(published / part), component_weights(tmp_path / "back" / part)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)


def test_video_half_is_the_bases_bit_for_bit(published):
    from pointvid.diffusion.bases.toy import ToyDiT

    checkpoint = from_published(published)
    joint = ToyDiT(checkpoint.info.config)
    joint.load_state_dict(checkpoint.weights)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 12, 2, 8, 8, generator=generator)
    context, time = torch.randn(2, 24, 48, generator=generator), torch.tensor([900.0, 10.0])
    with torch.no_grad():
        found = joint(x, time, context)
        joint.points_in.weight.zero_()
        x[:, 6:] = 0
        assert torch.equal(found[:, :6], joint(x, time, context)[:, :6])
    assert (found[:, 6:] == 0).all()


def test_both_stages_and_the_command(trained, tmp_path, capsys):
    info = load_checkpoint(trained).info
    assert (info.base, info.stage, info.step) == ("toy-dit", "regularize", 3)
    assert (trained.parent / "samples" / "step-00000003" / "clip0" / "video.mp4").is_file()
    sample = moving_box(1, FRAMES)
    Image.fromarray(sample.video[0].numpy()).save(tmp_path / "first.png")
    words = ["generate", trained, "--image", tmp_path / "first.png", "--prompt", sample.caption]
    assert cli.main([str(word) for word in [*words, "--out", tmp_path / "out", "--rigidity-guidance", 0.3]]) == 0
    assert "over 5 frames" in capsys.readouterr().out
    assert (tmp_path / "out" / "tracks.npz").is_file()


def test_it_learned_where_the_points_are(trained):
    """The box is at the same place in every clip: its points must be found there, and the first frame be the image."""
    generator = Generator.load(trained)
    sample = moving_box(3, FRAMES)
    (made,) = generator.run(generator.plan([sample.caption], [sample.video[0]], steps=8))
    truth = sample.point_map.mask
    assert (made.point_map.mask & truth).sum() / (made.point_map.mask | truth).sum() > 0.3
    both = made.point_map.mask & truth
    start = (made.point_map.points[0] - sample.point_map.points[0])[both]
    assert start[:, :2].abs().mean() < 1.5
    blocks = sample.video[0].float().unflatten(0, (8, 2)).unflatten(2, (8, 2)).mean((1, 3))
    assert (made.video[0, ::2, ::2].float() - blocks).abs().max() <= 2  # the codec's resolution is all that is lost


def test_lora_trains_the_new_weights_whole(trained, tmp_path):
    from training.config import Augment
    from training.stages.augment import AugmentStage

    data = {"shards": str(trained.parent.parent / "shards"), "workers": 0}
    model = {"checkpoint": str(trained), "lora_rank": 2}
    stage = AugmentStage(Augment(out=tmp_path, data=data, model=model, steps=1, batch_size=2))
    names = {name for name, parameter in stage.model.named_parameters() if parameter.requires_grad}
    assert {name.split(".")[-2] for name in names if "lora_" not in name} == {"points_in", "points_out"}
    assert sum("lora_" in name for name in names) == 4


def test_known_latents_do_not_count(trained):
    """With the first frame given, the loss is what it is without it: an error there changes nothing."""
    from pointvid.diffusion.conditions import Known
    from training.model.denoiser import mean_errors

    mask = torch.zeros(1, 12, 1, 1, 1, dtype=torch.bool)
    mask[:, :6] = True
    known = Known(torch.cat((mask, torch.zeros_like(mask)), 2), torch.zeros(1))
    error = torch.rand(2, 12, 2, 3, 3)
    video, points = mean_errors(error, known)
    torch.testing.assert_close(video, error[:, :6, 1].mean((1, 2, 3)))
    torch.testing.assert_close(points, error[:, 6:].mean((1, 2, 3, 4)))
