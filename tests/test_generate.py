"""Encoders from a checkpoint's parts, and the whole way from image and prompt to video and points."""

import numpy as np
import pytest
import torch
from PIL import Image

from pointvid import cli
from pointvid.diffusion.checkpoint import Checkpoint, save_checkpoint
from pointvid.diffusion.convert import from_diffusers
from pointvid.diffusion.encoders import load_encoders
from pointvid.diffusion.generator import generate
from pointvid.errors import PointVidError
from tests import tiny_models as tiny

SIZE, FRAMES = (32, 48), 3


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tiny.published_folder(tmp_path_factory.mktemp("base") / "i2vgen", tiny.i2vgen_unet())
    return from_diffusers(folder, resolution=SIZE, frames=FRAMES)


@pytest.fixture(scope="module")
def encoders(checkpoint):
    return load_encoders(checkpoint)


@pytest.fixture
def image():
    rows, columns = np.mgrid[0:40, 0:60]
    return torch.from_numpy(np.stack((rows * 6, columns * 4, rows + columns), -1).astype(np.uint8))


@torch.no_grad()
def test_text_leaves_out_the_last_layer(encoders):
    """Reference: a model that never had the last layer."""
    from transformers import CLIPTextConfig, CLIPTextModel

    full = tiny.text_encoder()
    config = full.config.to_dict()
    short = CLIPTextModel(CLIPTextConfig.from_dict({**config, "num_hidden_layers": 2})).eval()
    kept = {key: value for key, value in full.state_dict().items() if ".layers.2." not in key}
    short.load_state_dict(kept)
    ids = encoders.text.tokenizer(["a bad dog"], padding="max_length", max_length=77, return_tensors="pt").input_ids
    found = encoders.text(["a bad dog"])
    assert found.shape == (1, 77, tiny.BLOCKS["cross_attention_dim"])
    torch.testing.assert_close(found, short(ids).last_hidden_state)
    assert (found - encoders.text(["egg"])).abs().max() > 0.01


@torch.no_grad()
def test_image_preprocessing_is_pillows(encoders, image):
    square = Image.fromarray(image.numpy()).crop((10, 0, 50, 40)).resize((32, 32), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1).float() / 255
    processor = tiny.IMAGE_PROCESSOR
    mean, std = (torch.tensor(processor[key]).view(3, 1, 1) for key in ("image_mean", "image_std"))
    expected = tiny.image_encoder()(((pixels - mean) / std)[None]).image_embeds
    torch.testing.assert_close(encoders.image(image[None])[:, 0], expected, rtol=0.02, atol=0.02)


@torch.no_grad()
def test_latents_are_scaled(encoders):
    frames = torch.rand(2, 3, 16, 24) * 2 - 1
    vae = tiny.vae()
    latents = encoders.video.encode(frames)
    torch.testing.assert_close(latents, vae.encode(frames).latent_dist.mean * 0.18215)
    torch.testing.assert_close(encoders.video.decode(latents), vae.decode(latents / 0.18215).sample)


def test_generates_video_and_points(checkpoint, encoders, image):
    seen = []

    def run(**options):
        return generate(checkpoint, encoders, "a bad dog", image, steps=2, **options)

    first = run(progress=lambda *args: seen.append(args))
    assert first.video.shape == (FRAMES, *SIZE, 3)
    assert first.point_map.points.shape == (FRAMES, *SIZE, 3)
    assert first.point_map.fps == checkpoint.info.fps
    assert first.latent.shape == (1, 8, FRAMES, 4, 6)
    assert seen[-1][:2] == (2, 2)
    assert torch.equal(run().latent, first.latent)
    assert not torch.equal(run(seed=1).latent, first.latent)
    assert not torch.equal(run(guidance=1.0).latent, first.latent)
    assert run(size=(16, 24), frames=2).video.shape == (2, 16, 24, 3)


def test_half_precision_weights_generate_about_the_same(checkpoint, encoders, image):
    half = Checkpoint(checkpoint.info, {key: value.bfloat16() for key, value in checkpoint.unet.items()})
    a, b = (generate(each, encoders, "a", image, steps=2, guidance=1.0) for each in (checkpoint, half))
    assert b.latent.dtype == torch.float32
    assert (a.latent - b.latent).square().mean() < 1e-2 * a.latent.square().mean()


def test_what_is_missing_is_named(checkpoint, encoders, image):
    with pytest.raises(PointVidError, match="image is missing"):
        generate(checkpoint, encoders, "a")
    with pytest.raises(PointVidError, match="size is 30x48"):
        generate(checkpoint, encoders, "a", image, size=(30, 48))
    with pytest.raises(PointVidError, match="holds no image_encoder, text_encoder, tokenizer, vae"):
        load_encoders(Checkpoint(checkpoint.info, checkpoint.unet))
    vae = dict(checkpoint.parts["vae"])
    vae.pop("quant_conv.bias")
    with pytest.raises(PointVidError, match=r"vae: 1 missing: quant_conv\.bias"):
        load_encoders(Checkpoint(checkpoint.info, checkpoint.unet, {**checkpoint.parts, "vae": vae}))


def test_command(checkpoint, image, tmp_path, capsys, monkeypatch):
    save_checkpoint(checkpoint, tmp_path / "tiny.safetensors")
    Image.fromarray(image.numpy()).save(tmp_path / "first.png")
    words = ["generate", tmp_path / "tiny.safetensors", "--image", tmp_path / "first.png", "--prompt", "a dog"]
    # untrained points have no foreground to speak of: show every pixel
    monkeypatch.setattr("pointvid.points.point_range.MASK_THRESHOLD", -1e9)
    assert cli.main([str(word) for word in [*words, "--out", tmp_path / "out", "--steps", 2, "--device", "cpu"]]) == 0
    assert {"video.mp4", "tracks.npz", "preview.html", "report.json"} <= {f.name for f in (tmp_path / "out").iterdir()}
    assert "3 frames" in capsys.readouterr().out
    words[3] = tmp_path / "none.png"
    assert cli.main([str(word) for word in [*words, "--out", tmp_path / "out"]]) == cli.USAGE_ERROR
    assert "none.png" in capsys.readouterr().err
