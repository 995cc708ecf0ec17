"""The checkpoint file: round trip, and every way a file can be wrong."""

import json
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from pointvid.diffusion.bases.base import Sampling
from pointvid.diffusion.bases.unet.config import UNetConfig
from pointvid.diffusion.bases.unet.joint import JointConfig, JointUNet
from pointvid.diffusion.checkpoint import (
    Checkpoint,
    CheckpointInfo,
    inspect_file,
    load_checkpoint,
    load_info,
    save_checkpoint,
)
from pointvid.diffusion.latents import LatentSpace
from pointvid.diffusion.process import Diffusion
from pointvid.errors import PointVidError
from pointvid.files.revision import git_revision
from pointvid.points.point_range import PointRange

SMALL = UNetConfig((8, 8), (True, False), 1, 8, 4, 4)


def checkpoint(**changes):
    torch.manual_seed(0)
    info = CheckpointInfo(
        base="i2vgen-xl",
        config=JointConfig(SMALL, "temporal"),
        process=Diffusion(timestep_spacing="trailing"),
        resolution=(256, 448),
        frames=16,
        fps=8.0,
        point_range=PointRange(0.5, 20.0, 0.1),
        stage="augment",
        step=1200,
        configs={"vae": {"_class_name": "AutoencoderKL"}},
        training={"lambda_recon": 0.25},
    ).replace(**changes)
    return Checkpoint(info, JointUNet(info.config).state_dict())


@pytest.fixture
def path(tmp_path):
    save_checkpoint(checkpoint(), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_round_trip(path):
    loaded, expected = load_checkpoint(path), checkpoint()
    assert loaded.info == expected.info == load_info(path)
    assert loaded.weights.keys() == expected.weights.keys()
    assert all(torch.equal(loaded.weights[key], value) for key, value in expected.weights.items())
    assert loaded.parts == {}
    JointUNet(loaded.info.config).load_state_dict(loaded.weights)


def test_bare_keys_without_parts_and_prefixes_with_them(path, tmp_path):
    assert "conv_in.weight" in load_file(path)
    parts = {
        "vae": {"encoder.conv_in.weight": torch.ones(2)},
        "text_encoder": {"text_model.final_layer_norm.bias": torch.ones(3)},
        "image_encoder": {"visual_projection.weight": torch.ones(4)},
        "tokenizer": {"vocab.json": torch.tensor(list(b"{}"), dtype=torch.uint8)},
    }
    plain = checkpoint()
    save_checkpoint(Checkpoint(plain.info, plain.weights, parts), tmp_path / "all.safetensors")
    keys = load_file(tmp_path / "all.safetensors").keys()
    assert {
        "model.diffusion_model.conv_in.weight",
        "first_stage_model.encoder.conv_in.weight",
        "cond_stage_model.text_model.final_layer_norm.bias",
        "clip_vision.visual_projection.weight",
        "tokenizer.vocab.json",
    } <= keys
    loaded = load_checkpoint(tmp_path / "all.safetensors", dtype=torch.bfloat16)
    assert {name: list(part) for name, part in loaded.parts.items()} == {n: list(p) for n, p in parts.items()}
    assert bytes(loaded.parts["tokenizer"]["vocab.json"].tolist()) == b"{}"  # bytes are not cast
    assert (
        loaded.weights["conv_in.weight"].dtype == loaded.parts["vae"]["encoder.conv_in.weight"].dtype == torch.bfloat16
    )


def test_latents_and_sampling_are_written_where_they_are_not_the_bases(tmp_path):
    plain = checkpoint().info
    assert plain.latent == LatentSpace(4, (1, 8, 8))
    assert plain.sampling == Sampling()
    assert not {"pointvid.latent", "pointvid.sampling"} & set(plain.to_metadata())
    rows = tuple((0.1 * i, 0.2, -0.3) for i in range(4))
    own = plain.replace(latent=LatentSpace(4, (1, 4, 4), rgb_factors=rows), sampling=Sampling(16, 3.0))
    assert CheckpointInfo.from_metadata(own.to_metadata()) == own
    assert "pointvid.latent" in own.to_metadata()
    # files up to 0.2 had the colours among what the trainer remembers
    old = plain.replace(training={"latent_rgb_factors": [list(row) for row in rows]})
    assert CheckpointInfo.from_metadata(old.to_metadata()).latent == LatentSpace(4, (1, 8, 8), rgb_factors=rows)


def test_revision_is_this_checkout():
    revision = git_revision()
    assert revision == "unknown" or (len(revision) == 40 and int(revision, 16) >= 0)


def test_another_resolution_is_named(path):
    info = load_info(path)
    info.check_resolution(256, 448)
    with pytest.raises(PointVidError, match=r"start image is 480x640, the checkpoint was trained at 256x448 \(HxW\)"):
        info.check_resolution(480, 640, "start image")


def rewritten(path, tensors=None, metadata=None):
    found, _ = inspect_file(path)
    save_file(tensors if tensors is not None else load_file(path), path, metadata if metadata is not None else found)
    return path


def fails(path, words):
    with pytest.raises(PointVidError, match=words) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_missing_unknown_and_misshapen_keys_are_listed(path):
    tensors = load_file(path)
    del tensors["conv_out.bias"]
    tensors["extra"] = torch.zeros(1)
    tensors["conv_in.weight"] = torch.zeros(8, 8, 3, 3)
    words = r"1 missing: conv_out.bias; 1 unknown: extra; 1 wrong shape: conv_in.weight is \[8, 8, 3, 3\]"
    fails(rewritten(path, tensors), words)


def test_truncated(path):
    data = path.read_bytes()
    for end in (len(data) // 2, 100, 0):
        path.write_bytes(data[:end])
        fails(path, "damaged or truncated")


def test_pickles_are_refused_by_name_and_by_content(path):
    pickle = path.with_suffix(".ckpt")
    torch.save({"conv_in.weight": torch.zeros(1)}, pickle)
    fails(pickle, "is a pickle")
    pickle.rename(path)
    fails(path, "is a pickle")


def test_base_without_points(path):
    fails(rewritten(path, metadata={}), "model without points.*pointvid convert")
    fails(rewritten(path, {"something": torch.zeros(1)}, {}), "no pointvid metadata")


def test_fp8(path):
    tensors = load_file(path)
    tensors["conv_in.weight"] = tensors["conv_in.weight"].to(torch.float8_e4m3fn)
    fails(rewritten(path, tensors), "1 tensors are fp8.*expected fp32, bf16 or fp16")


def test_stray_part_in_an_all_in_one_file(path):
    tensors = {f"model.diffusion_model.{key}": value for key, value in load_file(path).items()}
    fails(rewritten(path, {**tensors, "lora.up": torch.zeros(1)}), "1 unknown: lora.up")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("pointvid.format", "2", "format is 2, this pointvid reads 1"),
        ("pointvid.base", '"sora"', "base is 'sora'"),
        ("pointvid.stage", '"later"', "stage is 'later'"),
        ("pointvid.resolution", "[256", "cannot be read"),
        ("pointvid.mystery", "1", r"unknown \['mystery'\]"),
        ("pointvid.fps", None, r"lacks \['fps'\]"),
        ("pointvid.point_range", '{"near": 1}', "near, far and margin"),
        ("pointvid.config", "{}", "UNet config: is a JSON NoneType"),
    ],
)
def test_wrong_metadata(path, key, value, words):
    metadata, _ = inspect_file(path)
    metadata = {k: v for k, v in {**metadata, key: value}.items() if v is not None}
    fails(rewritten(path, metadata=metadata), words)


def test_saving_checks_too(tmp_path):
    plain = checkpoint()
    with pytest.raises(PointVidError, match=r"ending in \.safetensors"):
        save_checkpoint(plain, tmp_path / "model.pt")
    unet = {key: value for key, value in plain.weights.items() if key != "conv_in.bias"}
    with pytest.raises(PointVidError, match=r"1 missing: conv_in\.bias"):
        save_checkpoint(Checkpoint(plain.info, unet), tmp_path / "model.safetensors")
    with pytest.raises(PointVidError, match=r"parts \['unets'\]"):
        save_checkpoint(Checkpoint(plain.info, plain.weights, {"unets": {}}), tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_missing_file(tmp_path):
    fails(tmp_path / "none.safetensors", "there is no file")


def test_header_is_plain_json(path):
    """What other tools see: metadata as strings, one JSON value a field."""
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    assert json.loads(header["__metadata__"]["pointvid.resolution"]) == [256, 448]
    assert json.loads(header["__metadata__"]["pointvid.point_range"]) == {"near": 0.5, "far": 20.0, "margin": 0.1}
