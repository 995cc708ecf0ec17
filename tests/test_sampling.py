"""The sampler against a literal transcription of the published pipeline's loop over diffusers' parts."""

import pytest
import torch

from pointvid.diffusion.bases import base_model
from pointvid.diffusion.bases.unet.config import UNetConfig
from pointvid.diffusion.bases.unet.i2vgen import image_frames
from pointvid.diffusion.bases.unet.joint import JointConfig
from pointvid.diffusion.bases.unet.unet import VideoUNet
from pointvid.diffusion.conditions import Conditions, Known
from pointvid.diffusion.latents import FrameCodec, LatentSpace, join, split
from pointvid.diffusion.process import Diffusion, Flow
from pointvid.diffusion.sampling import guided, initial_noise, rollout, sample
from pointvid.errors import PointVidError
from tests import tiny_models as tiny

FRAMES, HEIGHT, WIDTH = 3, 6, 8


@pytest.fixture(scope="module")
def parts():
    """Text, empty text, image latent, image embedding."""
    generator = torch.Generator().manual_seed(5)
    width = tiny.BLOCKS["cross_attention_dim"]
    shapes = ((1, 7, width), (1, 7, width), (1, 4, HEIGHT, WIDTH), (1, width))
    return [torch.randn(shape, generator=generator) for shape in shapes]


def encoded(text, latent, embedding):
    return {"text": text, "image_latent": latent, "image": embedding}


def pipeline(unet, text, empty, latent, embedding, noise, steps, guidance):
    """What diffusers' deprecated I2VGenXLPipeline does, line by line."""
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(**{k: v for k, v in Diffusion().to_diffusers().items() if not k.startswith("_")})
    scheduler.set_timesteps(steps)
    frames = [latent[:, :, None]]
    for k in range(FRAMES - 1):
        frames.append(torch.ones_like(frames[0]) * (k + 1) / (FRAMES - 1))
    image_latents = torch.cat([torch.cat(frames, 2)] * 2)
    image_embeddings = torch.cat([torch.zeros_like(embedding[:, None]), embedding[:, None]])
    x = noise
    for t in scheduler.timesteps:
        output = unet(
            torch.cat([x] * 2),
            t,
            fps=torch.tensor([8, 8]),
            image_latents=image_latents,
            image_embeddings=image_embeddings,
            encoder_hidden_states=torch.cat([empty, text]),
        ).sample
        uncond, cond = output.chunk(2)
        x = scheduler.step(uncond + guidance * (cond - uncond), t, x).prev_sample
    return x


def test_equals_the_published_pipeline(parts):
    text, empty, latent, embedding = parts
    reference = tiny.i2vgen_unet()
    noise = initial_noise((1, 8, FRAMES, HEIGHT, WIDTH), seed=3)
    with torch.no_grad():
        expected = pipeline(reference, text, empty, latent, embedding, noise[:, :4], steps=5, guidance=9.0)

    adapter = base_model("i2vgen-xl")
    positive = adapter.conditions(encoded(text, latent, embedding), FRAMES, torch.tensor([8.0]))
    negative = adapter.unconditional(positive, {"text": empty})
    base = VideoUNet(UNetConfig.from_diffusers(tiny.unet_config(reference))).eval()
    base.load_state_dict(reference.state_dict())
    found = sample(guided(base, Diffusion(), positive, negative, 9.0), Diffusion(), noise[:, :4], steps=5)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)

    # and the joint model, before training, makes the same video from the same seed
    config = JointConfig(base.config)
    joint = adapter.build(config).eval()
    joint.load_state_dict(adapter.expand(base.state_dict(), config))
    both = sample(guided(joint, Diffusion(), positive, negative, 9.0), Diffusion(), noise, steps=5)
    assert torch.equal(split(both)[0], found)


def test_video_noise_is_what_the_base_pipeline_draws():
    noise = initial_noise((1, 8, 2, 3, 3), seed=7)
    assert torch.equal(noise[:, :4], torch.randn(1, 4, 2, 3, 3, generator=torch.Generator().manual_seed(7)))
    assert not torch.equal(noise[:, :4], noise[:, 4:])


def test_guidance_formula(parts):
    text, empty, latent, embedding = parts
    adapter = base_model("i2vgen-xl")
    positive = adapter.conditions(encoded(text, latent, embedding), FRAMES, torch.tensor([8.0]))
    negative = adapter.unconditional(positive, {"text": empty})

    def model(x, t, context, image_latents, image_embeds, fps):
        return x * 0 + context.sum((1, 2)).view(-1, 1, 1, 1, 1) + 10 * image_embeds.sum((1, 2)).view(-1, 1, 1, 1, 1)

    x = torch.zeros(1, 8, FRAMES, HEIGHT, WIDTH)
    found = guided(model, Diffusion(), positive, negative, 3.0)(x, torch.tensor([5]))
    expected = empty.sum() + 3 * (text.sum() + 10 * embedding.sum() - empty.sum())
    torch.testing.assert_close(found, expected.expand_as(found))
    assert torch.equal(negative["image_latents"], positive["image_latents"])
    assert (negative["image_embeds"] == 0).all()
    only = guided(model, Diffusion(), positive, negative, 1.0)(x, torch.tensor([5]))
    torch.testing.assert_close(only, (text.sum() + 10 * embedding.sum()).expand_as(only))


def linear(weight):
    return lambda x, t: weight * x


def test_gradient_only_in_the_chosen_steps():
    """Against the derivative worked out by hand: with v = w x, x0 = (a - s w) x, noise = (a w + s) x."""
    schedule, steps = Diffusion(), 4
    x = torch.randn(1, 8, 2, 2, 2)
    weight = torch.tensor(0.3, requires_grad=True)
    *_, last = rollout(linear(weight), schedule, x, steps, grad_steps={steps - 1})
    last.x.sum().backward()
    with torch.no_grad():
        before = list(rollout(linear(weight), schedule, x, steps))[-2].x
    spread = (1 - schedule.alphas_cumprod[last.t]).sqrt()
    assert last.next < 0
    torch.testing.assert_close(weight.grad, -spread * before.sum())


def test_no_gradient_by_default_and_the_callers_mode_is_kept():
    weight = torch.tensor(0.3, requires_grad=True)
    for step in rollout(linear(weight), Diffusion(), torch.ones(1, 8, 1, 1, 1), 3):
        assert torch.is_grad_enabled()
        assert not step.x.requires_grad
    with torch.no_grad():
        for step in rollout(linear(weight), Diffusion(), torch.ones(1, 8, 1, 1, 1), 3, grad_steps=range(3)):
            assert not torch.is_grad_enabled()
            assert step.x0.requires_grad


def test_partial_start_continues_a_whole_run():
    schedule = Diffusion()
    noise, clean = torch.randn(2, 1, 8, 2, 3, 3).unbind(0)
    t = schedule.levels(10)[6]

    def perfect(x, step):
        return schedule.target(clean, noise, step)

    torch.testing.assert_close(sample(perfect, schedule, noise, 10, start=6, latents=clean), clean, rtol=0, atol=1e-4)
    first = next(iter(rollout(perfect, schedule, schedule.add_noise(clean, noise, t), 10, start=6)))
    assert (first.index, first.t, first.next) == (6, t, t - 100)


def test_progress_is_told_and_can_cancel():
    seen = []
    sample(linear(0.1), Diffusion(), torch.ones(1, 8, 1, 1, 1), 3, progress=lambda *args: seen.append(args))
    assert seen == [(i, 3, "sampling") for i in range(4)]

    calls = []

    def cancel(done, total, what):
        if done == 1:
            raise KeyboardInterrupt

    def counted(x, t):
        calls.append(t)
        return x

    with pytest.raises(KeyboardInterrupt):
        sample(counted, Diffusion(), torch.ones(1, 8, 1, 1, 1), 3, progress=cancel)
    assert len(calls) == 1


def test_image_frames_count_up():
    found = image_frames(torch.full((1, 4, 2, 2), 7.0), 5)
    assert found[0, 0, :, 0, 0].tolist() == [7.0, 0.25, 0.5, 0.75, 1.0]
    assert image_frames(torch.full((1, 4, 2, 2), 7.0), 1)[0, 0, :, 0, 0].tolist() == [7.0]


def test_what_is_known_is_shown_clean_and_kept():
    """Frame 0 is given: every call sees it clean, and the result has it, whatever the network says."""
    values = torch.full((1, 8, 1, 1, 1), 3.0)
    known = Known(torch.tensor([True, False, False]).view(1, 1, 3, 1, 1), values)
    seen = []

    def denoise(x, t):
        seen.append(x)
        return x * 0.5

    made = sample(denoise, Flow(3.0), torch.randn(1, 8, 3, 2, 2), 4, known=known)
    assert len(seen) == 4
    assert all((x[:, :, 0] == 3).all() for x in (*seen, made))
    alone = sample(denoise, Flow(3.0), torch.randn(1, 8, 3, 2, 2), 4)
    assert not (alone[:, :, 0] == 3).any()


def test_conditions_are_a_mapping():
    one, two = (Conditions(context=torch.full((1, 2, 3), value), ids=torch.tensor([1])) for value in (1.0, 2.0))
    both = Conditions.cat([one, two])
    assert dict(both).keys() == {"context", "ids"}
    assert both["context"].shape == (2, 2, 3)
    assert (both.clips(slice(1, 2))["context"] == 2).all()
    half = both.to("cpu", torch.bfloat16)
    assert half["context"].dtype == torch.bfloat16
    assert half["ids"].dtype == torch.int64
    assert (one.replace(context=two["context"])["context"] == 2).all()
    assert (one["context"] == 1).all()


def test_latent_space_counts():
    image, video = LatentSpace(4, (1, 8, 8)), LatentSpace(48, (4, 16, 16), causal=True, multiple=(32, 32))
    assert image.by_frame
    assert not video.by_frame
    assert image.shape(16, 256, 448) == (4, 16, 32, 56)
    assert video.shape(17, 256, 448) == (48, 5, 16, 28)
    assert [n for n in range(20) if video.frames_ok(n)] == [1, 5, 9, 13, 17]
    assert [video.frames(n) for n in (1, 2, 5)] == [1, 5, 17]
    assert LatentSpace.from_dict(video.to_dict()) == video
    plain = LatentSpace(3, (2, 4, 4), rgb_factors=((1.0, 0, 0), (0, 1, 0), (0, 0, 1)))
    assert LatentSpace.from_dict(plain.to_dict()) == plain
    assert [n for n in range(6) if plain.frames_ok(n)] == [2, 4]
    with pytest.raises(PointVidError, match="length is 16 frames, expected 1 more than a multiple of 4"):
        video.check_clip(16, 256, 448)
    with pytest.raises(PointVidError, match=r"size is 272x480 \(HxW\), expected multiples of 32"):
        video.check_clip(17, 272, 480)
    with pytest.raises(PointVidError, match=r"expected \[B, 96, T, h, w\]"):
        video.check_joint(torch.zeros(1, 8, 2, 3, 3))
    with pytest.raises(PointVidError, match="rgb_factors has 1 rows"):
        LatentSpace(4, (1, 8, 8), rgb_factors=((0.0, 0.0, 0.0),))


@torch.no_grad()
def test_frame_codec_keeps_frames_apart():
    vae, told = tiny.vae(), []
    codec = FrameCodec(vae)
    frames = torch.rand(2, 3, 3, 16, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = codec.encode(frames)
    assert latents.shape == (2, 4, 3, 2, 3)
    torch.testing.assert_close(latents[1, :, 2], vae.encode(frames[1:, :, 2]).latent_dist.mean[0] * 0.18215)
    decoded = codec.decode(latents, chunk=4, progress=lambda done, total, what: told.append((done, total)))
    assert decoded.dtype == torch.float32
    torch.testing.assert_close(
        decoded[1, :, 2], vae.decode(latents[1:, :, 2] / 0.18215).sample[0], rtol=1e-4, atol=1e-5
    )
    assert told == [(0, 6), (4, 6), (6, 6)]


def test_modelscope_takes_text_only():
    adapter = base_model("modelscope")
    positive = adapter.conditions({"text": torch.ones(2, 7, 24)}, 16, torch.tensor([8.0, 8.0]))
    assert list(positive) == ["context"]
    assert adapter.unconditional(positive, {"text": torch.zeros(1, 7, 24)})["context"].abs().sum() == 0
    assert adapter.process.prediction == "epsilon"
    assert not adapter.takes_image


def test_bad_input_is_named(parts):
    text, _, latent, embedding = parts
    adapter = base_model("i2vgen-xl")
    with pytest.raises(PointVidError, match="no image"):
        adapter.conditions({"text": text, "image": embedding}, FRAMES, torch.tensor([8.0]))
    with pytest.raises(PointVidError, match=r"size is 250x448 \(HxW\), expected multiples of 8"):
        LatentSpace(4, (1, 8, 8)).check_clip(16, 250, 448)
    with pytest.raises(PointVidError, match="base is 'sora'"):
        base_model("sora")
    with pytest.raises(PointVidError, match="start is step 3, expected 0 to 2"):
        next(rollout(linear(1), Diffusion(), torch.ones(1, 8, 1, 1, 1), 3, start=3))
    with pytest.raises(PointVidError, match="latents are missing"):
        sample(linear(1), Diffusion(), torch.ones(1, 8, 1, 1, 1), 3, start=1)
    with pytest.raises(PointVidError, match="expected equal"):
        join(latent[:, :, None], latent[:, :, None, :2])
