"""Tracker weights are told apart by their keys, found by their names, and never chosen against their licence."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pointvid.errors import PointVidError
from pointvid.trackers.alltracker.model import AllTrackerConfig, AllTrackerNet
from pointvid.trackers.pipeline import track_clip
from pointvid.trackers.registry import FOLDER, TRACKERS, choose_tracker, find_weights, tracker_of
from pointvid.trackers.settings import TrackSettings
from pointvid.trackers.spatracker.model import SpaTrackerConfig, SpaTrackerNet
from pointvid.weights.folder import VARIABLE, download_command, models_folder

from .command_line import moving_square


def chosen(name):
    kind, weights = choose_tracker(name)
    return kind.name, weights


def nothing_but_keys(net):
    """A state dict with the published names and a value each."""
    return {key: torch.zeros(1) for key in net.state_dict()}


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A models folder with every published file in it."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    folder = tmp_path / FOLDER
    folder.mkdir()
    with torch.device("meta"):
        large, small = (AllTrackerNet(AllTrackerConfig(small=small)) for small in (False, True))
        spatracker = SpaTrackerNet(SpaTrackerConfig())
    torch.save(nothing_but_keys(large), folder / "alltracker.pth")
    save_file(nothing_but_keys(small), folder / "alltracker_tiny.safetensors")
    torch.save({"model": nothing_but_keys(spatracker)}, folder / "spaT_final.pth")
    (folder / "alltracker.txt").write_text("notes", encoding="ascii")
    return folder


def test_files_are_told_apart_by_their_keys(models):
    found = {path.name: tracker_of(path).name for path in models.iterdir() if path.suffix != ".txt"}
    assert found == {
        "alltracker.pth": "alltracker",
        "alltracker_tiny.safetensors": "alltracker",
        "spaT_final.pth": "spatracker",
    }
    save_file({"updateformer.norm": torch.zeros(1)}, models / "cotracker.safetensors")
    with pytest.raises(PointVidError, match=r"cotracker\.safetensors holds updateformer\.norm, expected"):
        tracker_of(models / "cotracker.safetensors")
    with pytest.raises(PointVidError, match=r"alltracker\.txt cannot be read"):
        tracker_of(models / "alltracker.txt")


def test_auto_is_alltracker_where_its_weights_are_and_never_spatracker(models):
    assert models_folder() == models.parent
    assert chosen("auto") == ("alltracker", models / "alltracker.pth")
    (models / "alltracker.pth").unlink()
    assert chosen("auto") == ("alltracker", models / "alltracker_tiny.safetensors")
    (models / "alltracker_tiny.safetensors").unlink()
    assert chosen("auto") == ("lucas_kanade", None)
    assert chosen("spatracker") == ("spatracker", models / "spaT_final.pth")
    with pytest.raises(
        PointVidError, match=r"spaT_final\.pth, which is of spatracker: CC BY-NC .* --tracker spatracker"
    ):
        choose_tracker("auto", models / "spaT_final.pth")


def test_no_folder_is_no_weights(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    assert find_weights(TRACKERS["alltracker"]) is None
    assert chosen("auto") == ("lucas_kanade", None)
    assert chosen("alltracker") == ("alltracker", None)


def test_out_of_memory_says_what_to_change():
    class Greedy:
        def track(self, *_):
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 80 GiB")

    with pytest.raises(PointVidError, match="out of memory while tracking 36 points through 6 frames of 96x128; use a"):
        track_clip(moving_square(), mask="everything", tracker=Greedy(), settings=TrackSettings(grid=6, extra=0))


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a right there")
@pytest.mark.parametrize("start", ["in the folder", "by its path", "isolated", "as the host imports it"])
def test_a_pack_that_is_a_link_finds_the_models_of_its_comfyui(tmp_path, start):
    """What the shell, Python and the host each make of a link in custom_nodes."""
    root = Path(__file__).resolve().parents[1]
    models = tmp_path / "ComfyUI" / "models"
    pack = tmp_path / "ComfyUI" / "custom_nodes" / "pointvid-pack"
    pack.parent.mkdir(parents=True)
    pack.symlink_to(root, target_is_directory=True)
    environment = {key: value for key, value in os.environ.items() if key not in (VARIABLE, "PYTHONPATH")}
    python, listing = shlex.quote(sys.executable), "download --list"
    command = {
        "in the folder": f"cd {pack} && {python} -m pointvid {listing}",
        "by its path": f"cd / && {python} {pack} {listing}",
        "isolated": f"cd {pack} && {python} -I . {listing}",
        "as the host imports it": f'cd / && {python} -c \'import sys; sys.path.insert(0, "{pack}"); '
        "from pointvid.weights.folder import models_folder, download_command; "
        'print("models folder:", models_folder()); assert "-m pointvid" in download_command("x")\'',
    }[start]
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"models folder: {models}"


def test_elsewhere_the_command_is_the_command(monkeypatch):
    monkeypatch.delenv("PWD", raising=False)
    assert download_command("zoedepth") == "`pointvid download zoedepth`"
