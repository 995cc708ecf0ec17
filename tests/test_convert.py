"""From the published folder layout to a joint checkpoint and back, on tiny models saved by their own libraries."""

import argparse
import json

import pytest
import torch
from safetensors.torch import load_file

from pointvid import cli
from pointvid.diffusion.bases.unet.joint import JointUNet
from pointvid.diffusion.checkpoint import load_checkpoint, save_checkpoint
from pointvid.diffusion.convert import from_published, to_published
from pointvid.diffusion.folders import component_weights
from pointvid.diffusion.process import Diffusion
from pointvid.errors import PointVidError
from tests import tiny_models as tiny

MAKERS = {"i2vgen-xl": tiny.i2vgen_unet, "modelscope": tiny.modelscope_unet}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One published folder a base."""
    root = tmp_path_factory.mktemp("published")
    return {name: tiny.published_folder(root / name, make()) for name, make in MAKERS.items()}


def command(*words):
    assert cli.main([str(word) for word in words]) == 0


@pytest.mark.parametrize("base", MAKERS)
def test_round_trip_keeps_every_tensor_and_config(base, folders, tmp_path):
    save_checkpoint(from_published(folders[base]), tmp_path / "joint.safetensors")
    to_published(load_checkpoint(tmp_path / "joint.safetensors"), tmp_path / "back")
    published = sorted(file.relative_to(folders[base]) for file in folders[base].rglob("*") if file.is_file())
    back = sorted(file.relative_to(tmp_path / "back") for file in (tmp_path / "back").rglob("*") if file.is_file())
    assert [file.name for file in back if file not in published] == ["model_index.json"]
    assert set(published) <= set(back)
    for file in published:
        ours, theirs = tmp_path / "back" / file, folders[base] / file
        if file.suffix == ".safetensors":
            expected, found = load_file(theirs), load_file(ours)
            assert found.keys() == expected.keys(), file
            assert all(torch.equal(found[key], value) for key, value in expected.items()), file
        elif file.parts[0] not in ("unet", "scheduler"):  # those two say the same in fewer words
            assert ours.read_bytes() == theirs.read_bytes() or json.loads(ours.read_text()) == json.loads(
                theirs.read_text()
            ), file


def test_libraries_read_what_we_write_back(folders, tmp_path):
    from diffusers import AutoencoderKL, DDIMScheduler, I2VGenXLUNet
    from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

    to_published(from_published(folders["i2vgen-xl"]), tmp_path / "back")
    batch = tiny.inputs(1, 2, 8, 8)
    outputs = []
    for folder in (folders["i2vgen-xl"], tmp_path / "back"):
        unet = I2VGenXLUNet.from_pretrained(folder, subfolder="unet").eval()
        with torch.no_grad():
            outputs.append(
                unet(
                    batch["x"],
                    batch["timesteps"],
                    fps=batch["fps"],
                    image_latents=batch["image_latents"],
                    image_embeddings=batch["image_embeds"],
                    encoder_hidden_states=batch["context"],
                ).sample
            )
    assert torch.equal(*outputs)
    assert Diffusion.from_diffusers(DDIMScheduler.from_pretrained(tmp_path / "back/scheduler").config) == Diffusion()
    for kind, name in (
        (AutoencoderKL, "vae"),
        (CLIPTextModel, "text_encoder"),
        (CLIPVisionModelWithProjection, "image_encoder"),
    ):
        pair = [kind.from_pretrained(root / name).state_dict() for root in (folders["i2vgen-xl"], tmp_path / "back")]
        assert all(torch.equal(pair[0][key], pair[1][key]) for key in pair[0])
    assert CLIPTokenizer.from_pretrained(tmp_path / "back/tokenizer")("a").input_ids == [0, 13, 1]


def test_joint_checkpoint_of_the_base(folders):
    checkpoint = from_published(folders["i2vgen-xl"], entry_attention="channel", resolution=(64, 96), frames=8)
    info = checkpoint.info
    assert (info.base, info.stage, info.resolution, info.frames) == ("i2vgen-xl", "initial", (64, 96), 8)
    assert info.process == Diffusion()
    assert info.config.entry_attention == "channel"
    assert set(checkpoint.parts) == {"text_encoder", "image_encoder", "vae", "tokenizer"}
    assert set(info.configs) == {"text_encoder", "image_encoder", "vae", "image_processor"}
    base = component_weights(folders["i2vgen-xl"] / "unet")
    assert torch.equal(checkpoint.weights["conv_in.weight"][:, 8:12], base["conv_in.weight"][:, 4:])
    JointUNet(info.config).load_state_dict(checkpoint.weights)


def test_modelscope_has_no_image_encoder(folders):
    checkpoint = from_published(folders["modelscope"])
    assert set(checkpoint.parts) == {"text_encoder", "vae", "tokenizer"}
    assert checkpoint.info.base == "modelscope"
    assert checkpoint.info.process.prediction_type == "epsilon"


def test_fp16_variant_and_shards_are_found(folders, tmp_path):
    half = tiny.published_folder(tmp_path / "half", tiny.i2vgen_unet(), variant="fp16")
    assert [file.name for file in (half / "unet").glob("*.safetensors")] == ["diffusion_pytorch_model.fp16.safetensors"]
    assert from_published(half).weights["conv_in.weight"].dtype == torch.float16
    sharded = tiny.published_folder(tmp_path / "sharded", tiny.i2vgen_unet(), max_shard_size="1MB")
    assert len(list((sharded / "unet").glob("*.safetensors"))) > 1
    found, expected = (from_published(folder, all_in_one=False).weights for folder in (sharded, folders["i2vgen-xl"]))
    assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_dtype_is_chosen(folders):
    checkpoint = from_published(folders["i2vgen-xl"], dtype=torch.bfloat16)
    assert {value.dtype for value in checkpoint.weights.values()} == {torch.bfloat16}
    assert checkpoint.parts["tokenizer"]["vocab.json"].dtype == torch.uint8


def test_old_names_become_the_published_ones(folders, tmp_path):
    """Files saved in 2023 name the VAE's attention otherwise and hold position_ids."""
    import shutil

    from safetensors.torch import save_file

    shutil.copytree(folders["modelscope"], tmp_path / "old")
    file = tmp_path / "old/vae/diffusion_pytorch_model.safetensors"
    names = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    expected, old = load_file(file), {}
    for key, value in expected.items():
        for new, previous in names.items():
            key = key.replace(new, previous)
        old[key] = value
    assert old.keys() != expected.keys()
    save_file(old, file)
    file = tmp_path / "old/text_encoder/model.safetensors"
    save_file({**load_file(file), "text_model.embeddings.position_ids": torch.arange(77)[None]}, file)
    checkpoint = from_published(tmp_path / "old")
    assert checkpoint.parts["vae"].keys() == expected.keys()
    assert "text_model.embeddings.position_ids" not in checkpoint.parts["text_encoder"]


def test_pickled_weights_are_loaded_as_weights_only(folders, tmp_path):
    import shutil

    shutil.copytree(folders["modelscope"], tmp_path / "pickled")
    file = tmp_path / "pickled/unet/diffusion_pytorch_model.safetensors"
    torch.save(load_file(file), file.with_suffix(".bin"))
    file.unlink()
    assert from_published(tmp_path / "pickled", all_in_one=False).weights["conv_in.weight"].shape[1] == 8
    torch.save({"conv_in.weight": argparse.Namespace()}, file.with_suffix(".bin"))
    with pytest.raises(PointVidError, match="cannot be read"):
        from_published(tmp_path / "pickled")


def test_commands(folders, tmp_path, capsys):
    file = tmp_path / "joint.safetensors"
    command("convert", folders["i2vgen-xl"], file, "--dtype", "bf16", "--size", "96x64", "--frames", "8", "--far", "20")
    assert "wrote" in capsys.readouterr().out
    command("info", file)
    shown = capsys.readouterr().out
    for words in (
        "i2vgen-xl",
        "initial",
        "96x64 (WxH), 8 frames",
        "depth 0.1 to 20",
        "v_prediction",
        "tokenizer",
        "BF16",
    ):
        assert words in shown
    assert shown.isascii()
    command("info", file, "--json")
    assert json.loads(capsys.readouterr().out)["resolution"] == [64, 96]
    command("convert", file, tmp_path / "back")
    assert (tmp_path / "back/model_index.json").is_file()
    command("info", tmp_path / "back/unet/diffusion_pytorch_model.safetensors", "--tensors")
    shown = capsys.readouterr().out
    assert "not a joint checkpoint" in shown
    assert "conv_in.weight BF16 [32, 8, 3, 3]" in shown
    assert cli.main(["convert", str(file), str(tmp_path / "back")]) == cli.USAGE_ERROR
    assert "is there already" in capsys.readouterr().err


def test_unet_only(folders, tmp_path):
    command("convert", folders["i2vgen-xl"], tmp_path / "unet.safetensors", "--unet-only")
    assert load_checkpoint(tmp_path / "unet.safetensors").parts == {}
    assert "conv_in.weight" in load_file(tmp_path / "unet.safetensors")


def test_what_is_missing_is_named(folders, tmp_path):
    import shutil

    with pytest.raises(PointVidError, match="is no published folder of i2vgen-xl, modelscope"):
        from_published(tmp_path)
    shutil.copytree(folders["i2vgen-xl"], tmp_path / "part")
    shutil.rmtree(tmp_path / "part/tokenizer")
    with pytest.raises(PointVidError, match=r"vocab\.json"):
        from_published(tmp_path / "part")
    (tmp_path / "part/vae/diffusion_pytorch_model.safetensors").write_bytes(b"half")
    with pytest.raises(PointVidError, match="cannot be read"):
        from_published(tmp_path / "part")
    (tmp_path / "part/vae/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(PointVidError, match="holds no weights"):
        from_published(tmp_path / "part")
