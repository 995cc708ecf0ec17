"""What other nodes hang into the UNet acts where Stable Diffusion's UNet would have it act."""

from __future__ import annotations

import pytest
import torch

from pointvid.diffusion.bases.unet.config import UNetConfig
from pointvid.diffusion.bases.unet.joint import JointConfig, JointUNet
from pointvid.errors import PointVidError

FRAMES, HEIGHT, WIDTH = 3, 8, 6


@pytest.fixture(scope="module")
def run():
    """`run(transformer_options) -> output` of one network on one input of two videos."""
    torch.manual_seed(0)
    config = JointConfig(tiny_unet())
    network = JointUNet(config).eval()
    width, c = config.unet.cross_attention_dim, config.unet.latent_channels
    generator = torch.Generator().manual_seed(1)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    inputs = {
        "x": noise(2, 2 * c, FRAMES, HEIGHT, WIDTH),
        "timesteps": torch.tensor([500.0]),
        "context": noise(2, 5, width),
        "image_latents": noise(2, c, FRAMES, HEIGHT, WIDTH),
        "image_embeds": noise(2, 1, width),
        "fps": torch.tensor([8.0]),
    }

    @torch.no_grad()
    def call(options: dict | None = None, **more: object) -> torch.Tensor:
        return network(**inputs, transformer_options=options, **more)

    call.network = network
    return call


def tiny_unet():
    return UNetConfig(
        block_out_channels=(32, 64),
        attention_levels=(True, True),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=16,
        norm_num_groups=16,
        latent_channels=4,
        image_conditioning=True,
    )


def test_patches_that_change_nothing_change_nothing(run):
    options = {
        "patches": {
            "attn1_patch": [lambda q, k, v, extra: (q, k, v)],
            "attn2_patch": [lambda q, k, v, extra: (q, k, v)],
            "attn1_output_patch": [lambda out, extra: out],
            "input_block_patch": [lambda h, options: h],
            "output_block_patch": [lambda h, skip, options: (h, skip)],
        }
    }
    assert torch.allclose(run(options), run(), atol=1e-5)


def test_patches_see_frames_as_images_and_blocks_by_their_numbers(run):
    seen = []

    def attend(q, k, v, extra):
        seen.append((extra["block"], tuple(q.shape), tuple(k.shape), extra["n_heads"] * extra["dim_head"]))
        assert extra["original_shape"] == [2 * FRAMES, 8, HEIGHT, WIDTH]
        return q, k, v

    run({"patches": {"attn1_patch": [attend]}})
    tokens, below = HEIGHT * WIDTH, HEIGHT * WIDTH // 4
    shapes = [
        (("input", 1), tokens, 32),
        (("input", 3), below, 64),
        (("middle", 0), below, 64),
        (("output", 0), below, 64),
        (("output", 1), below, 64),
        (("output", 2), tokens, 32),
        (("output", 3), tokens, 32),
    ]
    assert seen == [(block, (6, n, c), (6, n, c), c) for block, n, c in shapes]


def test_each_frame_attends_to_the_context_of_its_video(run):
    contexts = []

    def attend(q, k, v, extra):
        contexts.append(k)
        return q, k, v

    run({"patches": {"attn2_patch": [attend]}})
    assert all(len(context) == 2 * FRAMES for context in contexts)
    assert torch.equal(contexts[0][0], contexts[0][FRAMES - 1])
    assert not torch.equal(contexts[0][0], contexts[0][FRAMES])


def test_a_replaced_attention_is_that_of_its_block_alone(run):
    """Perturbed attention: values as they are. The same is had by an attention that looks at its own token only."""
    middle = run.network.mid_block.attentions[0].transformer_blocks[0].attn1
    whole = middle.forward
    middle.forward = lambda x, context=None: middle.to_out[0](middle.to_v(x))
    try:
        expected = run()
    finally:
        middle.forward = whole
    found = run({"patches_replace": {"attn1": {("middle", 0): lambda q, k, v, extra: v}}})
    assert torch.allclose(found, expected, atol=1e-5)
    assert (found - run()).abs().max() > 1e-4


def test_skips_are_scaled_as_asked(run):
    """A patch of the output blocks that silences every skip connection, against one of the input blocks that does."""
    zero_out = {"output_block_patch": [lambda h, skip, options: (h, torch.zeros_like(skip))]}
    going_on = []

    def leave(h, options):
        going_on.append(h)
        return torch.zeros_like(h)

    zero_in = {"input_block_patch": [leave], "input_block_patch_after_skip": [lambda h, options: going_on[-1]]}
    found, expected = run({"patches": zero_out}), run({"patches": zero_in})
    assert torch.allclose(found, expected, atol=1e-6)
    assert (found - run()).abs().max() > 1e-3


def test_a_block_may_run_smaller(run):
    """Kohya's deep shrink: half the size from a block on, the skip's size again where they are joined."""
    resize = torch.nn.functional.interpolate

    def shrink(h, options):
        return resize(h, scale_factor=0.5) if options["block"] == ("input", 1) else h

    def grow(h, skip, options):
        return resize(h, size=skip.shape[-2:]), skip

    found = run({"patches": {"input_block_patch_after_skip": [shrink], "output_block_patch": [grow]}})
    assert found.shape == run().shape
    assert found.isfinite().all()


@pytest.mark.parametrize(
    "options", [{"patches": {"double_block": [print]}}, {"patches_replace": {"dit": {("double_block", 0): print}}}]
)
def test_what_has_no_place_is_refused(run, options):
    with pytest.raises(PointVidError, match="a video UNet has no place for"):
        run(options)


def test_a_controlnet_is_refused(run):
    with pytest.raises(PointVidError, match="a ControlNet is applied to the prompt"):
        run(None, control={"input": [], "middle": [], "output": []})
