"""Files appear whole or not at all, and are anybody's who may read their folder."""

import os

import pytest
import torch
from safetensors.torch import load_file, save_file

from pointvid.errors import PointVidError
from pointvid.files.atomic import atomic_path


def test_a_file_appears_whole_under_its_name(tmp_path):
    with atomic_path(tmp_path / "made" / "a.txt") as path:
        path.write_text("new")
        assert not (tmp_path / "made" / "a.txt").exists()
        assert path.suffix == ".txt"
    assert [(p.name, p.read_text()) for p in (tmp_path / "made").iterdir()] == [("a.txt", "new")]


def test_what_stood_there_before_outlives_a_failure(tmp_path):
    def fail_half_way() -> None:
        with atomic_path(tmp_path / "a.txt") as path:
            path.write_text("ne")
            raise RuntimeError("half-way")

    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError, match="half-way"):
        fail_half_way()
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "old")]


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(PointVidError, match=r"cannot write .*expected a writable folder"),
        atomic_path(tmp_path / "file" / "a.txt"),
    ):
        pass


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits for others")
def test_weights_can_be_read_by_whoever_may_read_other_files(tmp_path):
    """safetensors writes files that only their owner reads: a ComfyUI of another user could not load ours."""
    with (tmp_path / "plain").open("w"):
        pass
    with atomic_path(tmp_path / "a.safetensors") as path:
        save_file({"x": torch.ones(2)}, path)
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert load_file(tmp_path / "a.safetensors")["x"].tolist() == [1, 1]
