"""The trainer's tiny model and clips serve the experiments' tests too."""

from tests.training.conftest import shards_folder, small_model_file, stage1_config, stage1_settings, vae_folder

__all__ = ["shards_folder", "small_model_file", "stage1_config", "stage1_settings", "vae_folder"]
