"""The joint model inside the real host, on a tiny random checkpoint in the published layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

from pointvid.diffusion.bases import base_model
from pointvid.diffusion.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from pointvid.diffusion.convert import from_published
from pointvid.diffusion.guidance import without_points
from pointvid.diffusion.sampling import guided, initial_noise, sample
from tests import tiny_models as tiny
from tests.host.graphs import Graph

pytestmark = pytest.mark.host

FRAMES, HEIGHT, WIDTH, FPS = 5, 40, 56, 12.0


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder laid out as ali-vilab/i2vgen-xl."""
    return tiny.published_folder(tmp_path_factory.mktemp("published") / "i2vgen-xl", tiny.i2vgen_unet())


def put_checkpoint(host, published) -> Path:
    """Convert, move the new weights off zero, and lay the file (and one of the UNet alone) into the host's folders."""
    checkpoint = from_published(published)
    generator = torch.Generator().manual_seed(0)
    unet = {
        key: value + 0.05 * torch.randn(value.shape, generator=generator)
        if key.startswith(("entry.", "conv_in.", "conv_out."))
        else value
        for key, value in checkpoint.weights.items()
    }
    path = host.base / "models" / "checkpoints" / "joint.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(Checkpoint(checkpoint.info, unet, checkpoint.parts), path)
    save_checkpoint(Checkpoint(checkpoint.info, unet), path.with_name("unet_only.safetensors"))
    return path


@pytest.fixture(scope="module")
def joint(host, published) -> Checkpoint:
    """The checkpoint that lies in the host's models folder."""
    return load_checkpoint(put_checkpoint(host, published))


def conditioned(name: str = "joint.safetensors", prompt: str = "a red ball") -> tuple[Graph, str, str]:
    """Load, encode, condition: the graph, the loader and the conditioning node."""
    graph = Graph()
    load = graph.add("PointVid_LoadModel", name=name, dtype="fp32")
    positive = graph.add("CLIPTextEncode", clip=(load, 1), text=prompt)
    negative = graph.add("CLIPTextEncode", clip=(load, 1), text="")
    image = graph.add("EmptyImage", width=WIDTH, height=HEIGHT, batch_size=1, color=0x4080C0)
    i2v = graph.add(
        "PointVid_ImageToVideo", positive=(positive, 0), negative=(negative, 0), vae=(load, 3), clip_vision=(load, 2),
        start_image=(image, 0), width=WIDTH, height=HEIGHT, length=FRAMES, fps=FPS,
    )  # fmt: skip
    return graph, load, i2v


def ksampler(graph: Graph, load: str, i2v: str, node: str = "KSampler", latent: str = "latent_image", **changes) -> str:
    settings = {"seed": 7, "steps": 4, "cfg": 3.0, "sampler_name": "ddim", "scheduler": "ddim_uniform", "denoise": 1.0}
    wires = {"model": (load, 0), "positive": (i2v, 0), "negative": (i2v, 1), latent: (i2v, 2)}
    return graph.add(node, **{**settings, **wires, **changes})


def encoded(published) -> dict[str, torch.Tensor]:
    """What transformers and diffusers make of the same prompt and image."""
    tokenizer = CLIPTokenizer.from_pretrained(published / "tokenizer", model_max_length=77)
    encoder = CLIPTextModel.from_pretrained(published / "text_encoder").eval()
    vision = CLIPVisionModelWithProjection.from_pretrained(published / "image_encoder").eval()
    color = torch.tensor([0x40, 0x80, 0xC0]) / 255
    mean, std = (torch.tensor(tiny.IMAGE_PROCESSOR[key]) for key in ("image_mean", "image_std"))
    size = vision.config.image_size
    with torch.no_grad():
        ids = tokenizer("a red ball", padding="max_length", truncation=True, return_tensors="pt").input_ids
        hidden = encoder(ids, output_hidden_states=True).hidden_states[-2]
        pixels = ((color - mean) / std).view(1, 3, 1, 1).expand(1, 3, size, size)
        frame = (color * 2 - 1).view(1, 3, 1, 1).expand(1, 3, HEIGHT, WIDTH)
        return {
            "text": encoder.final_layer_norm(hidden),
            "image": vision(pixels).image_embeds.unsqueeze(1),
            "latent": tiny.vae().encode(frame).latent_dist.mode(),
        }


LATENT = (1, 8, FRAMES, HEIGHT // 8, WIDTH // 8)


def host_noise() -> torch.Tensor:
    """What the host draws from seed 7."""
    return torch.randn(LATENT, generator=torch.Generator().manual_seed(7))


def told(adapter, text, extra, scale):
    """Conditions by the library, of a conditioning that the host made."""
    latent, image = extra["pointvid_image_latent"] * scale, extra["pointvid_image_embedding"]
    encoded = {"text": text, "image_latent": latent, "image": image}
    return adapter.conditions(encoded, FRAMES, torch.tensor([FPS]))


def host_free(joint: Checkpoint, positive: list, negative: list, noise: torch.Tensor) -> torch.Tensor:
    """The same video by the library's own sampler from the conditioning the host made: latents as a VAE has them."""
    adapter = base_model(joint.info.base)
    unet = adapter.build(joint.info.config).eval()
    unet.load_state_dict(joint.weights)
    scale = joint.info.configs["vae"]["scaling_factor"]
    both = [told(adapter, text, extra, scale) for ((text, extra),) in (positive, negative)]
    with torch.no_grad():
        return sample(guided(unet, joint.info.process, *both, 3.0), joint.info.process, noise, steps=4) / scale


def test_conditioning_is_what_the_encoders_libraries_make(host, joint, published):
    graph, _, i2v = conditioned()
    graph.probe("positive", i2v, 0)
    graph.probe("negative", i2v, 1)
    assert host.run(graph)["ok"]
    ((text, extra),) = host.probed("positive")
    expected = encoded(published)
    # The host keeps encoders in half precision and the VAE in bfloat16 where it may.
    assert torch.allclose(text, expected["text"], atol=0.01)
    assert torch.allclose(extra["pointvid_image_embedding"], expected["image"], atol=0.01)
    assert torch.allclose(extra["pointvid_image_latent"], expected["latent"], atol=0.02)
    ((_, nulled),) = host.probed("negative")
    assert not nulled["pointvid_image_embedding"].any()
    assert torch.equal(nulled["pointvid_image_latent"], extra["pointvid_image_latent"])


def sampled_both_ways(node: str, host, joint: Checkpoint) -> tuple[torch.Tensor, torch.Tensor]:
    """Four steps by a node of the host, and by `pointvid.diffusion.sampling` from the same conditioning and noise."""
    graph, load, i2v = conditioned()
    own = node != "KSampler"
    graph.probe("latent", ksampler(graph, load, i2v, node, "latent" if own else "latent_image"))
    graph.probe("positive", i2v, 0)
    graph.probe("negative", i2v, 1)
    result = host.run(graph)
    assert result["ok"], result
    found = host.probed("latent")["samples"]
    # Below the noisiest step the host adds sigma * noise, which the network sees as noise of variance < 1.
    first = joint.info.process.levels(4)[0]
    alpha = joint.info.process.alphas_cumprod[first]
    noise = initial_noise(LATENT, 7) if own else host_noise() * (1 - alpha).sqrt()
    return found, host_free(joint, host.probed("positive"), host.probed("negative"), noise)


@pytest.mark.parametrize("node", ["PointVid_VideoPointSampler", "KSampler"])
def test_samplers_agree_with_the_host_free_one(node, host, joint):
    found, expected = sampled_both_ways(node, host, joint)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_decoder_gives_frames_and_trajectories(host, joint):
    graph, load, i2v = conditioned()
    sampler = ksampler(graph, load, i2v, "PointVid_VideoPointSampler", "latent")
    decoder = graph.add(
        "PointVid_TrajectoryDecoder", latent=(sampler, 0), vae=(load, 3), model=(load, 0), stride=1, chunk=3
    )
    split = graph.add("PointVid_SplitLatents", joint=(sampler, 0))
    graph.probe("frames", decoder, 0)
    graph.probe("mask", decoder, 3)
    graph.probe("point_frames", decoder, 4)
    graph.probe("video", graph.add("VAEDecode", samples=(split, 0), vae=(load, 3)))
    graph.probe("points", graph.add("VAEDecode", samples=(split, 1), vae=(load, 3)))
    result = host.run(graph)
    assert result["outputs"] or "no foreground" in result["error"], result
    frames, points = host.probed("frames"), host.probed("point_frames")
    assert frames.shape == (FRAMES, HEIGHT, WIDTH, 3)
    # Stock VAE Decode of the halves is what our chunked decode must equal.
    assert torch.allclose(frames, host.probed("video"), atol=1e-5)
    assert torch.allclose(points, host.probed("points"), atol=1e-5)
    expected = joint.info.point_range.decode_mask(points.movedim(-1, 1) * 2 - 1)
    assert torch.equal(host.probed("mask")[0].bool(), expected)


def test_join_undoes_split(host, joint):
    graph, load, i2v = conditioned()
    sampler = ksampler(graph, load, i2v, steps=1)
    halves = graph.add("PointVid_SplitLatents", joint=(sampler, 0))
    graph.probe("before", sampler)
    graph.probe("after", graph.add("PointVid_JoinLatents", video=(halves, 0), points=(halves, 1)))
    assert host.run(graph)["ok"]
    assert torch.equal(host.probed("before")["samples"], host.probed("after")["samples"])


def sampled(host, patch=None, **settings) -> torch.Tensor:
    """Latents of two steps through stock KSampler, of a model that `patch(graph, loader)` may have changed."""
    graph, load, i2v = conditioned()
    model = patch(graph, load) if patch else load
    graph.probe("patched", ksampler(graph, load, i2v, model=(model, 0), steps=2, **settings))
    result = host.run(graph)
    assert result["ok"], result
    return host.probed("patched")["samples"]


def test_inner_guidance_without_points_is_classifier_free_guidance(host, joint):
    plain = sampled(host, cfg=4.0)
    patched = sampled(
        host,
        lambda graph, load: graph.add("PointVid_InnerGuidance", model=(load, 0), text_weight=3.0, point_weight=0.0),
        cfg=9.0,  # not used
    )
    assert torch.allclose(patched, plain, atol=1e-4 * plain.abs().max())


def test_inner_guidance_is_the_librarys(host, joint):
    from pointvid.diffusion.guidance import inner_guided

    patched = sampled(
        host,
        lambda graph, load: graph.add("PointVid_InnerGuidance", model=(load, 0), text_weight=3.0, point_weight=2.0),
    )
    graph, _, i2v = conditioned()
    graph.probe("positive", i2v, 0)
    graph.probe("negative", i2v, 1)
    assert host.run(graph)["ok"]
    adapter, scale = base_model(joint.info.base), joint.info.configs["vae"]["scaling_factor"]
    unet = adapter.build(joint.info.config).eval()
    unet.load_state_dict(joint.weights)
    both = [
        told(adapter, text, extra, scale) for ((text, extra),) in (host.probed("positive"), host.probed("negative"))
    ]
    schedule = joint.info.process
    spread = float((1 - schedule.alphas_cumprod[schedule.levels(2)[0]]).sqrt())
    with torch.no_grad():
        expected = (
            sample(inner_guided(unet, schedule, *both, w1=3.0, w2=2.0), schedule, host_noise() * spread, steps=2)
            / scale
        )
    assert (patched - expected).abs().max() < 1e-4 * expected.abs().max()


def test_rigidity_guidance_moves_points_only_at_the_last_step(host, joint):
    def patch(strength):
        return lambda graph, load: graph.add(
            "PointVid_RigidityGuidance", model=(load, 0), vae=(load, 3), strength=strength, start_at=100
        )

    plain, off, on = sampled(host), sampled(host, patch(0.0)), sampled(host, patch(0.8))
    assert torch.equal(off, plain)
    assert torch.equal(on[:, :4], plain[:, :4])  # below t=100 only the last step is guided, and only its points
    assert not torch.equal(on[:, 4:], plain[:, 4:])


def test_without_points_the_points_change_nothing(host, joint):
    """One step: the video must be what the network makes of a latent whose point half is zero."""
    found = sampled(host, lambda graph, load: graph.add("PointVid_WithoutPoints", model=(load, 0)), cfg=1.0)
    plain = sampled(host, cfg=1.0)
    assert not torch.allclose(found[:, :4], plain[:, :4])
    graph, _, i2v = conditioned()
    graph.probe("positive", i2v, 0)
    assert host.run(graph)["ok"]
    ((text, extra),) = host.probed("positive")
    adapter, scale = base_model(joint.info.base), joint.info.configs["vae"]["scaling_factor"]
    unet = adapter.build(joint.info.config).eval()
    unet.load_state_dict(joint.weights)
    schedule = joint.info.process
    denoise = guided(unet, schedule, told(adapter, text, extra, scale))
    spread = (1 - schedule.alphas_cumprod[schedule.levels(2)[0]]).sqrt()
    with torch.no_grad():
        expected = sample(lambda x, t: denoise(without_points(x), t), schedule, host_noise() * spread, steps=2) / scale
    assert torch.allclose(found[:, :4], expected[:, :4], atol=1e-4 * float(expected.abs().max()))


def test_core_sampling_and_lora_nodes_take_the_model(host, joint):
    from safetensors.torch import save_file

    key = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    width = joint.weights[f"{key}.weight"].shape[0]
    lora = {
        f"diffusion_model.{key}.lora_A.weight": torch.ones(2, width),
        f"diffusion_model.{key}.lora_B.weight": torch.ones(width, 2),
    }
    folder = host.base / "models" / "loras"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(lora, folder / "one.safetensors")

    def patch(graph, load):
        loaded = graph.add("LoraLoaderModelOnly", model=(load, 0), lora_name="one.safetensors", strength_model=1.0)
        return graph.add("ModelSamplingDiscrete", model=(loaded, 0), sampling="v_prediction", zsnr=True)

    assert not torch.allclose(sampled(host, patch), sampled(host))
    graph, load, i2v = conditioned()
    noise = graph.add("RandomNoise", noise_seed=7)
    guider = graph.add("CFGGuider", model=(load, 0), positive=(i2v, 0), negative=(i2v, 1), cfg=3.0)
    sampler = graph.add("KSamplerSelect", sampler_name="ddim")
    sigmas = graph.add("BasicScheduler", model=(load, 0), scheduler="ddim_uniform", steps=2, denoise=1.0)
    custom = graph.add(
        "SamplerCustomAdvanced", noise=(noise, 0), guider=(guider, 0), sampler=(sampler, 0), sigmas=(sigmas, 0),
        latent_image=(i2v, 2),
    )  # fmt: skip
    graph.probe("custom", custom)
    result = host.run(graph)
    assert result["ok"], result
    assert torch.allclose(host.probed("custom")["samples"], sampled(host), atol=1e-5)


def test_cancel_ends_sampling_at_once(host, joint):
    graph, load, i2v = conditioned(prompt="cancelled")
    graph.probe("latent", ksampler(graph, load, i2v, "PointVid_VideoPointSampler", "latent", steps=50, seed=99))
    result = host.run(graph, cancel_at=2)
    assert result["interrupted"]
    assert result["progress_events"] <= 3


def test_missing_parts_say_what_to_load(host, joint):
    graph = Graph()
    load = graph.add("PointVid_LoadModel", name="unet_only.safetensors", dtype="default")
    graph.probe("clip", graph.add("CLIPTextEncode", clip=(load, 1), text="a"))
    result = host.run(graph)
    assert not result["outputs"]
    assert "holds no text encoder: use Load CLIP" in result["error"]


def refusal(host, graph) -> str:
    result = host.run(graph)
    assert not result["ok"]
    return result["error"]


def test_bad_inputs_are_explained(host, joint, tmp_path):
    models = host.base / "models" / "checkpoints"
    (models / "cut.safetensors").write_bytes((models / "joint.safetensors").read_bytes()[:5000])
    graph = Graph()
    graph.probe("x", graph.add("PointVid_LoadModel", name="cut.safetensors", dtype="default"))
    assert "damaged or truncated" in refusal(host, graph)

    graph, load, i2v = conditioned()
    wrong = graph.add("EmptyLatentImage", width=64, height=64, batch_size=1)
    graph.probe("x", graph.add("PointVid_TrajectoryDecoder", latent=(wrong, 0), vae=(load, 3), model=(load, 0)))
    assert "expected [B, 8, T, h, w]" in refusal(host, graph)

    graph, load, i2v = conditioned()
    bare = graph.add("CLIPTextEncode", clip=(load, 1), text="no image")
    graph.probe("x", ksampler(graph, load, i2v, positive=(bare, 0)))
    assert "pass positive and negative through PointVid Image to Video" in refusal(host, graph)
