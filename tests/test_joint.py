"""The joint surgery: the video half is the base's, and everything new learns."""

import json

import pytest
import torch

from pointvid.diffusion.bases.unet.config import UNetConfig
from pointvid.diffusion.bases.unet.entry import ENTRY_ATTENTIONS
from pointvid.diffusion.bases.unet.joint import JointConfig, JointUNet, expand_base, extract_base, new_parameters
from pointvid.diffusion.bases.unet.unet import VideoUNet
from pointvid.errors import PointVidError
from tests import tiny_models as tiny


def base_unet(name="I2VGenXLUNet"):
    return tiny.randomize(VideoUNet(UNetConfig.from_diffusers({"_class_name": name, **tiny.BLOCKS})))


def joint_unet(base, entry_attention="spatial"):
    config = JointConfig(base.config, entry_attention)
    joint = JointUNet(config)
    joint.load_state_dict(expand_base(base.state_dict(), config))
    return joint.eval()


def run_both(base, joint, batch):
    with torch.no_grad():
        return base(**{**batch, "x": batch["x"][:, :4]}), joint(**batch)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("entry_attention", ENTRY_ATTENTIONS)
def test_video_half_is_bitwise_the_base_and_points_are_zero(entry_attention, dtype):
    base = base_unet()
    joint = joint_unet(base, entry_attention)
    batch = tiny.inputs(2, 3, 9, 8, channels=8)
    batch["x"] = batch["x"].to(dtype)
    expected, found = run_both(base.to(dtype), joint.to(dtype), batch)
    assert expected.float().abs().mean() > 0.1
    assert torch.equal(found[:, :4], expected)
    assert (found[:, 4:] == 0).all()


@pytest.mark.parametrize("shape", [(1, 1, 5, 7), (3, 5, 6, 10), (1, 8, 16, 28)])
def test_video_half_is_bitwise_the_base_at_other_sizes(shape):
    base = base_unet()
    expected, found = run_both(base, joint_unet(base), tiny.inputs(*shape, channels=8))
    assert torch.equal(found[:, :4], expected)


def test_modelscope_is_widened_too():
    base = base_unet("UNet3DConditionModel")
    joint = joint_unet(base)
    assert joint.conv_in.weight.shape[1] == 8
    batch = {key: value for key, value in tiny.inputs(1, 3, 8, 8, channels=8).items() if not key.startswith("image")}
    expected, found = run_both(base, joint, batch)
    assert torch.equal(found[:, :4], expected)
    assert (found[:, 4:] == 0).all()


def test_columns_are_video_point_image_image():
    base = base_unet()
    weight, joint = base.conv_in.weight, joint_unet(base).conv_in.weight
    assert torch.equal(joint[:, 0:4], weight[:, 0:4])
    assert torch.equal(joint[:, 8:12], weight[:, 4:8])
    assert (joint[:, 4:8] == 0).all()
    assert (joint[:, 12:16] == 0).all()


@pytest.mark.parametrize("name", ["I2VGenXLUNet", "UNet3DConditionModel"])
def test_extract_is_the_inverse_of_expand(name):
    base = base_unet(name)
    config = JointConfig(base.config)
    back = extract_base(expand_base(base.state_dict(), config), config)
    assert back.keys() == base.state_dict().keys()
    assert all(torch.equal(back[key], value) for key, value in base.state_dict().items())


def reaches_every_channel(gradient):
    """No output channel and no input channel is left out."""
    table = gradient.abs().reshape(gradient.shape[0], gradient.shape[1] if gradient.ndim > 1 else 1, -1).sum(-1)
    return bool(table.sum(0).min() > 0 and table.sum(1).min() > 0)


def gradient_steps(joint, steps):
    """Which new tensors have a gradient in each of the first training steps."""
    config = joint.joint_config
    batch = tiny.inputs(2, 3, 8, 8, channels=8)
    target = torch.randn(batch["x"].shape, generator=torch.Generator().manual_seed(9))
    optimizer = torch.optim.Adam(joint.parameters(), lr=1e-3)
    seen = []
    for _ in range(steps):
        optimizer.zero_grad()
        (joint(**batch) - target).square().mean().backward()
        parameters = dict(joint.named_parameters())
        new = {name: parameters[name].grad[part] for name, part in new_parameters(config).items()}
        seen.append({name for name, gradient in new.items() if reaches_every_channel(gradient)})
        optimizer.step()
    return seen


@pytest.mark.parametrize("entry_attention", ENTRY_ATTENTIONS)
def test_all_new_weights_learn(entry_attention):
    """Zeros gate what lies behind them: each step opens the next gate, and from step 3 on everything learns."""
    joint = joint_unet(base_unet(), entry_attention)
    every = set(new_parameters(joint.joint_config))
    first, second, third = gradient_steps(joint, 3)
    entry = {name for name in every if name.startswith("entry.")}
    video_out = {name for name in entry if name.startswith("entry.video_from_point.to_out")}
    point_out = {name for name in entry if name.startswith("entry.point_from_video.to_out")}
    video = {name for name in entry if name.startswith("entry.video_from_point")}
    # the points' attention feeds conv_in columns that are still zero; what precedes a zero to_out gets nothing
    assert first == (every - entry) | video_out
    assert second == (every - entry) | video | point_out
    assert third == every


def test_entry_attention_mixes_the_halves_once_its_projection_is_not_zero():
    base = base_unet()
    for mode in ("spatial", "temporal", "channel"):
        joint = joint_unet(base, mode)
        x = tiny.inputs(1, 4, 6, 5, channels=8)["x"]
        torch.nn.init.normal_(joint.entry.video_from_point.to_out.weight)
        with torch.no_grad():
            before = joint.entry(x)
            other = x.clone()
            other[:, 4:, 1, 2, 3] += 1.0  # one point token: frame 1, row 2, column 3
            changed = (joint.entry(other) - before)[0, :4].abs().amax(0) > 1e-6
        assert torch.equal(before[:, 4:], x[:, 4:])
        frames, pixels = changed.flatten(1).any(1), changed.any(0)
        # spatial: every pixel of that frame; temporal: every frame of that pixel; channel: the whole clip
        assert frames.tolist() == ([False, True, False, False] if mode == "spatial" else [True] * 4), mode
        assert pixels.sum() == (1 if mode == "temporal" else 30), mode


def test_spatial_attention_knows_where_its_tokens_are():
    joint = joint_unet(base_unet())
    torch.nn.init.normal_(joint.entry.video_from_point.to_out.weight)
    x = torch.ones(1, 8, 1, 4, 4)
    x[:, 4:, :, 0, 0] = 3.0
    with torch.no_grad():
        change = (joint.entry(x) - x)[0, 0, 0]
    assert change.std() > 1e-4  # equal video tokens, different answers


def test_wrong_base_lists_its_keys():
    base = base_unet()
    weights = base.state_dict()
    weights.pop("conv_out.bias")
    weights["extra.weight"] = torch.zeros(1)
    weights["conv_in.weight"] = torch.zeros(32, 4, 3, 3)
    words = r"1 missing: conv_out.bias; 1 unknown: extra.weight; 1 wrong shape: conv_in.weight is \[32, 4, 3, 3\]"
    with pytest.raises(PointVidError, match=words):
        expand_base(weights, JointConfig(base.config))


def test_config_round_trips_and_refuses():
    config = JointConfig(base_unet().config, "temporal")
    assert JointConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(PointVidError, match="entry_attention is 'pixel'"):
        JointConfig(config.unet, "pixel")
    with pytest.raises(PointVidError, match="unknown keys"):
        JointConfig.from_dict({**config.to_dict(), "entry_tails": 2})
