"""VideoUNet against diffusers on the same random weights."""

import json

import pytest
import torch

from pointvid.diffusion.bases.unet.attention import cpu_attention, sdpa
from pointvid.diffusion.bases.unet.config import UNetConfig
from pointvid.diffusion.bases.unet.unet import VideoUNet
from pointvid.errors import PointVidError
from tests import tiny_models as tiny

# batch, frames, height, width: odd sizes and a single frame included
SHAPES = [(1, 4, 8, 12), (2, 3, 9, 7), (3, 1, 5, 10), (1, 7, 6, 6)]


def ours(reference, **options):
    unet = VideoUNet(UNetConfig.from_diffusers(tiny.unet_config(reference)), **options)
    unet.load_state_dict(reference.state_dict())
    return unet.eval()


def run_i2vgen(reference, batch):
    return reference(
        batch["x"],
        batch["timesteps"],
        fps=batch["fps"],
        image_latents=batch["image_latents"],
        image_embeddings=batch["image_embeds"],
        encoder_hidden_states=batch["context"],
    ).sample


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_i2vgenxl(shape):
    reference = tiny.i2vgen_unet()
    batch = tiny.inputs(*shape)
    with torch.no_grad():
        expected = run_i2vgen(reference, batch)
        found = ours(reference)(**batch)
    assert expected.abs().mean() > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_modelscope(shape):
    reference = tiny.modelscope_unet(layers_per_block=2)
    batch = tiny.inputs(*shape)
    with torch.no_grad():
        expected = reference(batch["x"], batch["timesteps"], encoder_hidden_states=batch["context"]).sample
        found = ours(reference)(batch["x"], batch["timesteps"], batch["context"])
    assert expected.abs().mean() > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_published_configuration_has_the_published_parameters():
    unet = VideoUNet(UNetConfig(), device="meta")
    assert sum(parameter.numel() for parameter in unet.parameters()) == 1_420_469_224


def test_every_condition_matters():
    unet = ours(tiny.i2vgen_unet())
    batch = tiny.inputs(1, 3, 8, 8)
    with torch.no_grad():
        base = unet(**batch)
        for name in ("timesteps", "context", "image_latents", "image_embeds", "fps"):
            assert (unet(**{**batch, name: batch[name] * 0.5}) - base).abs().max() > 1e-3, name


def test_checkpointing_gives_identical_gradients():
    unet = ours(tiny.i2vgen_unet()).train()  # dropout on: recomputation must draw the same masks
    batch = tiny.inputs(1, 3, 8, 8)

    def gradients():
        torch.manual_seed(3)
        unet.zero_grad()
        unet(**batch).square().mean().backward()
        return {name: parameter.grad.clone() for name, parameter in unet.named_parameters()}

    plain = gradients()
    unet.enable_checkpointing()
    recomputed = gradients()
    assert all(torch.equal(plain[name], recomputed[name]) for name in plain)
    assert all(gradient.abs().max() > 0 for gradient in plain.values())


def test_checkpointing_recomputes_in_the_mode_of_the_forward_pass():
    unet = ours(tiny.i2vgen_unet())
    batch = tiny.inputs(1, 3, 8, 8)

    def gradients():
        unet.zero_grad()
        loss = unet.eval()(**batch).square().mean()
        unet.train()  # as stage 2 does between its rollout and its backward pass
        loss.backward()
        assert all(module.training for module in unet.modules())
        return {name: parameter.grad.clone() for name, parameter in unet.named_parameters()}

    plain = gradients()
    unet.enable_checkpointing()
    recomputed = gradients()
    assert all(torch.equal(plain[name], recomputed[name]) for name in plain)


def test_checkpointing_keeps_little():
    unet = ours(tiny.i2vgen_unet())
    batch = tiny.inputs(1, 3, 16, 16)

    def kept():
        sizes = []

        def keep(tensor):
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            unet(**batch)
        return sum(sizes)

    plain = kept()
    unet.enable_checkpointing()
    assert kept() < 0.35 * plain


@pytest.mark.slow
def test_compiles_as_one_graph():
    unet = ours(tiny.i2vgen_unet())
    batch = tiny.inputs(1, 2, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(unet, backend="eager", fullgraph=True)(**batch), unet(**batch))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_close(dtype):
    reference = tiny.i2vgen_unet()
    batch = tiny.inputs(1, 3, 8, 8)
    with torch.no_grad():
        expected = ours(reference)(**batch)
        found = ours(reference).to(dtype)(**{**batch, "x": batch["x"].to(dtype)})
    assert found.dtype == dtype
    assert (found.float() - expected).square().mean() < 1e-3 * expected.square().mean()


def test_autocast():
    unet = ours(tiny.i2vgen_unet())
    batch = tiny.inputs(1, 3, 8, 8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = unet(**batch)
    assert (found.float() - unet(**batch)).square().mean() < 1e-2


def test_attention_and_layers_are_injected():
    calls = []

    def attention(q, k, v, heads):
        calls.append(q.shape)
        return sdpa(q, k, v, heads)

    class Operations:
        Conv2d, Conv3d, GroupNorm, LayerNorm = (
            torch.nn.Conv2d,
            torch.nn.Conv3d,
            torch.nn.GroupNorm,
            torch.nn.LayerNorm,
        )

        class Linear(torch.nn.Linear):
            pass

    reference = tiny.i2vgen_unet()
    unet = ours(reference, attention=attention, operations=Operations)
    kinds = {type(m) for m in unet.modules() if isinstance(m, torch.nn.Linear)}
    assert kinds == {Operations.Linear}
    with torch.no_grad():
        unet(**tiny.inputs(1, 3, 8, 8))
    # every attention of the reference, in one function
    assert len(calls) == sum(type(m).__name__ == "Attention" for m in reference.modules())


@pytest.mark.parametrize("attention", [sdpa, cpu_attention])
@pytest.mark.parametrize("keys", [5, 130])
def test_attention_is_its_definition(attention, keys):
    q, k, v = (torch.randn(2, n, 8, requires_grad=True) for n in (6, keys, keys))
    expected = torch.zeros(2, 6, 8, dtype=torch.float64)
    for b in range(2):
        for head in (slice(0, 4), slice(4, 8)):
            scores = q[b, :, head].double() @ k[b, :, head].double().T / 2
            weights = scores.exp() / scores.exp().sum(1, keepdim=True)
            expected[b, :, head] = weights @ v[b, :, head].double()
    found = attention(q, k, v, 2)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)
    gradients = (torch.autograd.grad(result.sin().sum(), (q, k, v)) for result in (found, expected))
    for a, b in zip(*gradients):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_sdpa_splits_batches_that_cuda_refuses(monkeypatch):
    q, k, v = torch.randn(3, 5, 6, 8).unbind(0)
    whole = sdpa(q, k, v, 2)
    monkeypatch.setattr("pointvid.diffusion.bases.unet.attention._LARGEST_BATCH", 4)
    torch.testing.assert_close(sdpa(q, k, v, 2), whole)


def test_config_round_trips():
    for unet in (tiny.i2vgen_unet(), tiny.modelscope_unet()):
        config = UNetConfig.from_diffusers(tiny.unet_config(unet))
        assert UNetConfig.from_diffusers(json.loads(json.dumps(config.to_diffusers()))) == config
        assert UNetConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"_class_name": "UNet2DConditionModel"}, "UNet2DConditionModel"),
        ({"act_fn": "gelu"}, "act_fn is 'gelu'"),
        ({"block_out_channels": (33, 64, 64)}, "has 33"),
        ({"down_block_types": ("DownBlock2D",) * 3}, "DownBlock2D"),
        ({"out_channels": 8}, "out_channels is 8"),
    ],
)
def test_config_refuses_what_it_cannot_build(changes, words):
    config = {"_class_name": "UNet3DConditionModel", **tiny.BLOCKS, **changes}
    with pytest.raises(PointVidError, match=words):
        UNetConfig.from_diffusers(config)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x": torch.zeros(1, 8, 3, 8, 8)}, r"latent is \[1, 8, 3, 8, 8\], expected \[B, 4, T, h, w\]"),
        ({"image_embeds": None}, "image embedding is missing.*CLIP vision"),
        ({"image_latents": torch.zeros(1, 4, 3, 8, 9)}, r"\[1, 4, 3, 8, 9\].*expected \[1, 4, 3, 8, 8\]"),
        ({"context": torch.zeros(1, 7, 768)}, r"text is \[1, 7, 768\], expected \[1, tokens, 24\]"),
        ({"fps": None}, "fps is missing"),
    ],
)
def test_wrong_inputs_are_named(changes, words):
    unet = ours(tiny.i2vgen_unet())
    with pytest.raises(PointVidError, match=words):
        unet(**{**tiny.inputs(1, 3, 8, 8), **changes})
