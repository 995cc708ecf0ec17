"""The refitted last convolution is the least-squares one: no other is nearer to the true frames."""

from __future__ import annotations

import pytest
import torch

from pointvid.diffusion.checkpoint import load_checkpoint, save_checkpoint
from pointvid.diffusion.encoders import load_encoders
from pointvid.diffusion.pixels import to_range
from training.config import Augment
from training.data.shards import Shards
from training.loop import train
from training.refit_decoder import refit_decoder
from training.stages.augment import AugmentStage


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, stage1_settings):
    settings = {**stage1_settings, "out": tmp_path_factory.mktemp("refit"), "steps": 1}
    return load_checkpoint(train(AugmentStage(Augment(**settings))))


def weighted_error(checkpoint, shards, change=0.0):
    """What is minimised, over the same frames, by running the whole VAE; `change` is added to the last convolution."""
    vae = load_encoders(checkpoint, dtype=torch.float32).video.model
    with torch.no_grad():
        vae.decoder.conv_out.weight += change
        total = 0.0
        for sample in (shards[i] for i in range(len(shards))):
            frames = torch.tensor([0, len(sample.video) - 1])
            points = checkpoint.info.point_range.encode(sample.point_map)[frames]
            for images, weight in ((to_range(sample.video[frames]), 1.0), (points, 8.0)):
                error = (vae.decode(vae.encode(images).latent_dist.mode()).sample - images).square().sum(1)
                total += torch.where(sample.point_map.mask, weight, 1.0).mul(error).sum().item()
    return total


def test_refitting_reaches_the_least_squares_optimum(checkpoint, shards_folder):
    shards = Shards(shards_folder)
    refitted = refit_decoder(checkpoint, shards, clips=len(shards))
    best = weighted_error(refitted, shards)
    assert best < weighted_error(checkpoint, shards)
    generator = torch.Generator().manual_seed(0)
    shape = refitted.parts["vae"]["decoder.conv_out.weight"].shape
    for _ in range(4):
        assert weighted_error(refitted, shards, 0.01 * torch.randn(shape, generator=generator)) > best


def test_only_the_last_convolution_changes_and_it_stays_float32(checkpoint, shards_folder, tmp_path):
    refitted = refit_decoder(checkpoint, Shards(shards_folder), clips=2)
    before, after = checkpoint.parts["vae"], refitted.parts["vae"]
    changed = {key for key in before if not torch.equal(before[key].float(), after[key].float())}
    assert changed == {"decoder.conv_out.weight", "decoder.conv_out.bias"}
    save_checkpoint(refitted, tmp_path / "refit.safetensors")
    again = load_checkpoint(tmp_path / "refit.safetensors")
    assert again.parts["vae"]["decoder.conv_out.weight"].dtype == torch.float32
    assert again.parts["vae"]["decoder.conv_in.weight"].dtype == torch.float16
    assert load_encoders(again).video.model.dtype == torch.float32
