"""A model of a few thousand weights and eight hand-made clips: both stages run in a second."""

import pytest
import torch
import yaml

from tests.training.tiny import SMALL, moving_box, write_shards


@pytest.fixture(scope="session")
def shards_folder(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"), [moving_box(i) for i in range(8)])


@pytest.fixture(scope="session")
def small_model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def vae_folder(tmp_path_factory, small_model_file):
    from training.config import load_config
    from training.model.small_model import make_vae
    from training.model.small_model_config import SmallModel

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vae")
    make_vae(load_config(SmallModel, small_model_file).vae).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def stage1_settings(shards_folder, small_model_file, vae_folder):
    """All of a stage-1 config but `out`."""
    return {
        "data": {"shards": str(shards_folder), "workers": 0},
        "model": {"tiny": str(small_model_file), "vae": str(vae_folder), "train_encoders": True},
        "steps": 4,
        "batch_size": 2,
        "precision": "fp32",
        "ema_decay": 0.9,
        "save_every": 2,
        "log_every": 1,
        "trackers": [],
        "optimizer": {"lr": 1e-3},
    }


@pytest.fixture
def stage1_config(tmp_path, stage1_settings):
    """Write a stage-1 YAML with some keys changed; gives back its path."""

    def write(**changes):
        path = tmp_path / "stage1.yaml"
        path.write_text(yaml.safe_dump({"out": str(tmp_path / "run"), **stage1_settings, **changes}), encoding="utf-8")
        return path

    return write
