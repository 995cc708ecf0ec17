import pytest
import torch
import torch.nn.functional as F

from pointvid.errors import PointVidError
from tests.training.tiny import SMALL
from training.model.small_model import load_tokenizer, load_vae, make_small_model, make_vae, tokenizer_files
from training.model.small_model_config import Autoencoder, SmallModel


def test_the_autoencoder_starts_as_a_resizer():
    torch.manual_seed(0)
    vae = make_vae(Autoencoder(channels=(16, 16, 32, 64), groups=4)).eval()
    # a smooth picture: three colours on a grid of 4x4, enlarged
    image = F.interpolate(torch.rand(1, 3, 4, 4) * 1.2 - 0.6, (64, 64), mode="bilinear")
    with torch.no_grad():
        latent = vae.encode(image).latent_dist
        output = vae.decode(latent.mode()).sample
    small = F.avg_pool2d(image, 8)
    assert latent.std.max() < 0.01
    assert torch.allclose(latent.mode()[:, :3], small, atol=0.1)
    expected = F.interpolate(small, (64, 64), mode="bilinear")
    inside = (..., slice(16, 48), slice(16, 48))  # convolutions pad the border with grey
    assert (output - expected)[inside].abs().mean() < 0.06


def test_every_word_is_one_token_and_others_are_spelled():
    files = tokenizer_files(["the", "box", "boxes", "a"])
    tokenizer = load_tokenizer(files, 12)
    ids = tokenizer("The box, a boxes").input_ids
    assert tokenizer.convert_ids_to_tokens(ids)[1:-1] == ["the</w>", "box</w>", ",</w>", "a</w>", "boxes</w>"]
    assert tokenizer.convert_ids_to_tokens(tokenizer("oxen").input_ids)[1:-1] == ["o", "x", "e", "n</w>"]
    padded = tokenizer("a", padding="max_length").input_ids
    assert len(padded) == 12
    assert padded[2:] == [tokenizer.eos_token_id] * 10
    assert len(tokenizer("a " * 40, truncation=True).input_ids) == 12


def test_the_small_model_is_a_function_of_its_seed(vae_folder):
    small, vae = SmallModel(**SMALL), load_vae(vae_folder)
    one, two, other = (make_small_model(small, vae, seed) for seed in (0, 0, 1))
    assert all(torch.equal(one.weights[key], two.weights[key]) for key in one.weights)
    assert not torch.equal(one.weights["conv_in.weight"], other.weights["conv_in.weight"])
    assert (one.weights["conv_out.weight"] == 0).all()
    assert one.info.stage == "initial"
    assert one.info.to_metadata()["pointvid.point_range"] == '{"near": 0.5, "far": 4.0, "margin": 0.25}'


def test_a_missing_autoencoder_is_named(tmp_path):
    with pytest.raises(PointVidError, match="cannot be read"):
        load_vae(tmp_path / "nothing")
