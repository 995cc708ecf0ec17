"""Encoders from a checkpoint's parts, and the whole way from image and prompt to video and points."""

import numpy as np
import pytest
import torch
from PIL import Image

from pointvid import cli
from pointvid.diffusion.bases.base import Sampling
from pointvid.diffusion.checkpoint import Checkpoint, save_checkpoint
from pointvid.diffusion.convert import from_published
from pointvid.diffusion.encoders import load_encoders
from pointvid.diffusion.generator import Generator
from pointvid.errors import PointVidError
from tests import tiny_models as tiny

SIZE, FRAMES = (32, 48), 3
NEW = ("conv_in", "conv_out", "entry")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tiny.published_folder(tmp_path_factory.mktemp("base") / "i2vgen", tiny.i2vgen_unet())
    return from_published(folder, resolution=SIZE, frames=FRAMES)


@pytest.fixture(scope="module")
def encoders(checkpoint):
    return load_encoders(checkpoint)


@pytest.fixture(scope="module")
def generator(checkpoint):
    return Generator.load(checkpoint)


@pytest.fixture(scope="module")
def stirred(checkpoint):
    """A generator whose new weights have left their initialisation, so that points and pixels see each other."""
    random = torch.Generator().manual_seed(0)
    weights = {
        key: value + 0.05 * torch.randn(value.shape, generator=random) if key.split(".")[0] in NEW else value
        for key, value in checkpoint.weights.items()
    }
    return Generator.load(Checkpoint(checkpoint.info, weights, checkpoint.parts))


def generate(generator, prompt, image=None, progress=lambda *_: None, **options):
    (made,) = generator.run(generator.plan([prompt], None if image is None else [image], **options), progress)
    return made


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
    frames = torch.rand(1, 3, 2, 16, 24) * 2 - 1
    vae = tiny.vae()
    latents = encoders.video.encode(frames)
    expected = vae.encode(frames[0].transpose(0, 1)).latent_dist.mean
    torch.testing.assert_close(latents[0].transpose(0, 1), expected * 0.18215)
    decoded = encoders.video.decode(latents)[0].transpose(0, 1)
    torch.testing.assert_close(decoded, vae.decode(expected).sample)


def test_generates_video_and_points(checkpoint, generator, image):
    seen = []

    def run(**options):
        return generate(generator, "a bad dog", image, steps=2, **options)

    first = run(progress=lambda *args: seen.append(args))
    assert first.video.shape == (FRAMES, *SIZE, 3)
    assert first.point_map.points.shape == (FRAMES, *SIZE, 3)
    assert first.point_map.fps == checkpoint.info.fps
    assert first.latent.shape == (1, 8, FRAMES, 4, 6)
    assert [args for args in seen if args[2] == "sampling"] == [(i, 2, "sampling") for i in range(3)]
    assert seen[-1] == (FRAMES, FRAMES, "decoding")
    assert torch.equal(run().latent, first.latent)
    assert not torch.equal(run(seed=1).latent, first.latent)
    assert not torch.equal(run(guidance=1.0).latent, first.latent)
    assert run(image_size=(16, 24), frames=2).video.shape == (2, 16, 24, 3)


def test_a_batch_is_its_clips(generator, image):
    prompts, images = ["a bad dog", "egg", "a"], [image, image.flip(0), image.flip(1)]
    plan = generator.plan(prompts, images, steps=2, guidance=3.0, seed=5, fps=[8.0, 12.0, 24.0])
    together = generator.run(plan, batch=2)
    for i, made in enumerate(together):
        (alone,) = generator.run(
            generator.plan([prompts[i]], [images[i]], steps=2, guidance=3.0, seed=5 + i, fps=[8.0, 12.0, 24.0][i])
        )
        torch.testing.assert_close(made.latent, alone.latent, rtol=1e-4, atol=1e-4)
        assert made.point_map.fps == alone.point_map.fps


def test_the_base_says_how_it_is_sampled(generator, image):
    plan = generator.plan(["a"], [image])
    assert (plan.steps, plan.guidance) == (50, 9.0)
    info = generator.info.replace(sampling=Sampling(steps=7, guidance=2.0))
    own = Generator(info, generator.network, generator.encoders).plan(["a"], [image])
    assert (own.steps, own.guidance) == (7, 2.0)


def test_without_points_it_is_the_base(generator, stirred, image):
    """Of a converted checkpoint the video is the base's either way; points=False decodes no points."""
    joint, base = (generate(generator, "a", image, steps=2, points=points) for points in (True, False))
    assert torch.equal(joint.video, base.video)
    assert base.point_map is None
    with_points, without = (generate(stirred, "a", image, steps=2, points=points) for points in (True, False))
    assert not torch.equal(with_points.video, without.video)


def test_guidance_by_points(stirred, image):
    def run(**options):
        return generate(stirred, "a bad dog", image, steps=2, **options).latent

    # with no weight on the points, inner guidance is classifier-free guidance of scale 1 + w1
    torch.testing.assert_close(run(inner=(2.0, 0.0)), run(guidance=3.0), rtol=1e-3, atol=1e-3)
    assert not torch.equal(run(inner=(2.0, 1.0)), run(guidance=3.0))
    plain, rigid = run(guidance=1.0), run(guidance=1.0, rigidity=0.5)
    assert not torch.equal(plain[:, 4:], rigid[:, 4:])


def test_half_precision_weights_generate_about_the_same(checkpoint, generator, image):
    half = {key: value.bfloat16() for key, value in checkpoint.weights.items()}
    other = Generator.load(Checkpoint(checkpoint.info, half, checkpoint.parts))
    a, b = (generate(each, "a", image, steps=2, guidance=1.0) for each in (generator, other))
    assert next(other.network.parameters()).dtype == torch.bfloat16
    assert b.latent.dtype == torch.float32
    assert (a.latent - b.latent).square().mean() < 1e-2 * a.latent.square().mean()


def test_what_is_missing_is_named(checkpoint, generator, image):
    with pytest.raises(PointVidError, match="image is missing"):
        generate(generator, "a")
    with pytest.raises(PointVidError, match="images are 1 of 2"):
        generator.plan(["a", "b"], [image])
    with pytest.raises(PointVidError, match="size is 30x48"):
        generate(generator, "a", image, image_size=(30, 48))
    with pytest.raises(PointVidError, match="holds no image_encoder, text_encoder, tokenizer, vae"):
        load_encoders(Checkpoint(checkpoint.info, checkpoint.weights))
    vae = dict(checkpoint.parts["vae"])
    vae.pop("quant_conv.bias")
    with pytest.raises(PointVidError, match=r"vae: 1 missing: quant_conv\.bias"):
        load_encoders(Checkpoint(checkpoint.info, checkpoint.weights, {**checkpoint.parts, "vae": vae}))


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
