"""`pointvid track --labels` and `--caption`: objects found by name, with tiny random models."""

import builtins
import json
import sys

import pytest
import torch

from pointvid.cli import main
from pointvid.files.track_file import load_tracks
from pointvid.files.video import read_clip, write_video
from pointvid.segmenters.grounded_sam2 import load_grounded_sam2

from .command_line import fails
from .sam2_reference import seeded_frame
from .tiny_segmenter import write_models


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_models(tmp_path_factory.mktemp("labels"))
    write_video(folder / "clip.mp4", seeded_frame(60, 84).repeat(4, 1, 1, 1), fps=8)
    return folder


def arguments(folder, out, *more):
    return ["track", folder / "clip.mp4", "--out", out, "--frames", "4", "--grid", "10", "--no-smooth", *more]


def test_named_objects_are_tracked(folder, tmp_path, capsys):
    labels = ("--labels", "Man, a red box", "--segmenter", folder, "--tracker", "lucas_kanade")
    assert main(list(map(str, arguments(folder, tmp_path, *labels)))) == 0
    frame = read_clip(folder / "clip.mp4", frames=1).frames[0]
    expected = load_grounded_sam2(folder).segment(frame, ["man", "red box"])
    foreground = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["foreground"]
    assert foreground["found_by"] == "name"
    assert foreground["pixels"] == expected.mask.sum()
    assert [row["label"] for row in foreground["objects"]] == expected.labels
    assert [row["pixels"] for row in foreground["objects"]] == expected.masks.flatten(1).sum(1).tolist()
    tracks = load_tracks(tmp_path / "tracks.npz")
    u, v = tracks.queries.long().unbind(-1)
    assert torch.equal(tracks.object_id, expected.object_map[v, u])
    assert "found by name" in capsys.readouterr().out


def test_the_caption_names_them(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("POINTVID_MODELS", str(folder))
    tracked = []

    def keep(video, footage, args, segmenter, *rest):
        tracked.append(segmenter.segment(video[0], footage.labels))

    monkeypatch.setattr("pointvid.commands.tracking.track_and_write", keep)
    caption = ("--caption", "A man throws a red box in the garden.")
    assert main(list(map(str, arguments(folder, tmp_path, *caption)))) == 0
    frame = read_clip(folder / "clip.mp4", frames=1).frames[0]
    expected = load_grounded_sam2(folder).segment(frame, ["man", "red box"])
    assert tracked[0].labels == expected.labels
    assert torch.equal(tracked[0].masks, expected.masks)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--labels", "man", "--box-threshold", "1"], r"found none of: man; lower the box threshold (1)"),
        (["--labels", " , "], "labels is empty"),
        (["--labels", "man", "--all"], "--all and --labels are both given"),
        (["--caption", ""], "caption is empty"),
        (["--caption", "a man", "--chat", "nowhere"], "server url is 'nowhere'"),
        (["--chat", "http://localhost:1"], "--chat is given without --labels or --caption"),
    ],
)
def test_bad_input_is_one_line(folder, tmp_path, capsys, monkeypatch, more, message):
    monkeypatch.setenv("POINTVID_MODELS", str(folder))
    assert message in fails(capsys, *arguments(folder, tmp_path / "out", *more))
    assert not (tmp_path / "out").exists()


def test_no_models(folder, tmp_path, capsys):
    said = fails(capsys, *arguments(folder, tmp_path / "out", "--labels", "man", "--segmenter", tmp_path))
    assert "holds no Grounding DINO and SAM 2" in said


def test_without_transformers(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "pointvid.segmenters.grounded_sam2", raising=False)
    monkeypatch.delitem(sys.modules, "pointvid.segmenters.sam2", raising=False)
    monkeypatch.delitem(sys.modules, "pointvid.segmenters.grounding_dino", raising=False)
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "transformers":
            raise ModuleNotFoundError("No module named 'transformers'", name="transformers")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    said = fails(capsys, *arguments(folder, tmp_path / "out", "--labels", "man"))
    assert "needs transformers; pip install 'comfyui-pointvid[demo]'" in said
