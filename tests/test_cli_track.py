"""`pointvid track`, `demo` and `synth`: what they write is right, and bad input leaves nothing behind."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from plyfile import PlyData

from pointvid.cli import main
from pointvid.files.track_file import load_tracks
from pointvid.files.video import read_clip, write_video

from .command_line import SIZE, STEP, fails, moving_square


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    write_video(folder / "clip.mp4", moving_square(), fps=8, crf=4)
    mask = np.zeros(SIZE, bool)
    mask[28:68, 30:70] = True
    Image.fromarray(mask).save(folder / "mask.png")
    depth = np.full((6, *SIZE), 4.0, np.float32)
    for t in range(6):
        depth[t, 28:68, 30 + STEP * t : 70 + STEP * t] = 2.0
    np.savez_compressed(folder / "depth.npz", depth=depth)
    return folder


@pytest.fixture(scope="module")
def tracked(clip, tmp_path_factory):
    out = tmp_path_factory.mktemp("tracked")
    arguments = ["track", clip / "clip.mp4", "--out", out, "--frames", "6", "--grid", "20"]
    arguments += ["--mask", clip / "mask.png", "--depth", clip / "depth.npz", "--fov", "40"]
    assert main(list(map(str, arguments))) == 0
    return out


def test_track_writes_the_tracks_it_should(tracked):
    tracks = load_tracks(tracked / "tracks.npz")
    assert tracks.depth_unit == "metric"
    assert tracks.num_points > 30
    u, v = tracks.queries.unbind(-1)
    assert ((u >= 30) & (u < 70) & (v >= 28) & (v < 68)).all()
    inner = (u > 34) & (u < 65) & (v > 32) & (v < 63)
    moved = tracks.uvd[5, inner, :2] - tracks.queries[inner]
    assert (moved - torch.tensor([5.0 * STEP, 0.0])).norm(dim=-1).median() < 0.25
    assert (tracks.uvd[:, inner, 2] - 2).abs().median() < 0.01


def test_track_writes_every_file_and_each_can_be_read(tracked):
    names = {path.name for path in tracked.iterdir()}
    wanted = {"tracks.npz", "overlay.mp4", "tracks.glb", "ply", "preview.html", "preview.png", "report.json"}
    assert names == wanted
    assert read_clip(tracked / "overlay.mp4").frames.shape == (6, *SIZE, 3)
    assert len(list((tracked / "ply").iterdir())) == 6
    assert PlyData.read(tracked / "ply" / "frame_0000.ply")["vertex"].count == 40 * 40
    report = json.loads((tracked / "report.json").read_text(encoding="utf-8"))
    assert (report["clip"]["frames"], report["foreground"]["pixels"]) == (6, 1600)
    assert report["quality"]["points"] == load_tracks(tracked / "tracks.npz").num_points
    assert report["camera"]["fy"] == pytest.approx(48 / np.tan(np.radians(20)))
    assert set(report["files"]) == wanted - {"report.json"}
    assert Image.open(tracked / "preview.png").height > SIZE[0]


def test_track_resizes_clip_mask_depth_and_camera_alike(clip, tmp_path):
    arguments = [
        "track",
        clip / "clip.mp4",
        "--out",
        tmp_path,
        "--frames",
        "4",
        "--size",
        "64x64",
        "--no-smooth",
        "--grid",
        "12",
    ]
    arguments += ["--mask", clip / "mask.png", "--depth", clip / "depth.npz", "--camera", "120,120,63.5,47.5"]
    assert main(list(map(str, arguments))) == 0
    tracks = load_tracks(tmp_path / "tracks.npz")
    assert tracks.image_size == (64, 64)
    assert tracks.camera.intrinsics == pytest.approx((80, 80, 31.5, 31.5))
    u = tracks.queries[:, 0]
    assert u.min() >= (30 - 16) / 1.5 - 1
    assert u.max() <= (70 - 16) / 1.5
    assert tracks.uvd[0, :, 2].unique().tolist() == [2.0]


def test_track_without_depth_says_so(clip, tmp_path, capsys):
    arguments = ["track", clip / "clip.mp4", "--out", tmp_path, "--frames", "3", "--all", "--grid", "10"]
    assert main(list(map(str, arguments))) == 0
    assert "no depth was given" in capsys.readouterr().err
    tracks = load_tracks(tmp_path / "tracks.npz")
    assert tracks.depth_unit == "relative"
    assert (tracks.uvd[..., 2] == 1).all()
    assert tracks.queries[:, 0].max() > 100  # the background is there too


def bad_files(folder):
    """Everything that may be wrong with an input."""
    video = moving_square(8)
    write_video(folder / "good.mp4", video, fps=8)
    data = (folder / "good.mp4").read_bytes()
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("not a video\n" * 50, encoding="ascii")
    (folder / "cut.mp4").write_bytes(data[: len(data) // 2])
    write_video(folder / "one.mp4", video[:1], fps=8)
    Image.new("L", (64, 48), 255).save(folder / "small.png")
    Image.new("L", (128, 96), 0).save(folder / "black.png")
    for name, depth in {
        "nan": np.full((8, *SIZE), np.nan),
        "inf": np.full((8, *SIZE), np.inf),
        "zero": np.zeros((8, *SIZE)),
        "small": np.ones((8, 48, 64)),
        "short": np.ones((3, *SIZE)),
    }.items():
        np.save(folder / f"{name}.npy", depth.astype(np.float32))
    (folder / "text.npz").write_text("not an archive", encoding="ascii")
    return folder


BAD_TRACK = [
    (["missing.mp4"], "missing.mp4 does not exist"),
    (["empty.mp4"], "is empty (0 bytes)"),
    (["text.mp4"], "cannot be read"),
    (["cut.mp4"], "damaged or truncated"),
    (["one.mp4", "--frames", "1"], "has 1 frame, expected at least 2"),
    (["good.mp4", "--frames", "9"], "has 8 frames, expected at least 9; use at most 8"),
    (["good.mp4", "--start", "0.5"], "has 4 frames from 0.5 s on"),
    (["good.mp4", "--mask", "small.png"], "mask is 48x64, clip is 96x128"),
    (["good.mp4", "--mask", "black.png"], "mask is empty"),
    (["good.mp4", "--mask", "missing.png"], "missing.png does not exist"),
    (["good.mp4", "--depth", "nan.npy"], "98304 of 98304 depth values are NaN, infinite or not above 0"),
    (["good.mp4", "--depth", "inf.npy"], "NaN, infinite or not above 0"),
    (["good.mp4", "--depth", "zero.npy"], "NaN, infinite or not above 0"),
    (["good.mp4", "--depth", "small.npy"], "depth is 48x64, clip is 96x128"),
    (["good.mp4", "--depth", "short.npy"], "has 3 depth maps"),
    (["good.mp4", "--depth", "text.npz"], "text.npz cannot be read (it is no file of numbers"),
    (["good.mp4", "--camera", "0,1,2,3"], "expected finite (fx, fy, cx, cy)"),
    (["good.mp4", "--tracker", "magic"], "tracker is 'magic', expected one of"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_TRACK, ids=[" ".join(case[0]) for case in BAD_TRACK])
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(bad_files(tmp_path))
    before = sorted(tmp_path.iterdir())
    wanted = [] if "--frames" in arguments or "--start" in arguments else ["--frames", "8"]
    assert message in fails(capsys, "track", *arguments, *wanted, "--out", "out")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("start", ["-1", "nan", "inf"])
def test_a_start_that_no_clip_has_is_a_wrong_argument(start, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["track", "good.mp4", "--start", start, "--out", "out"])
    assert "argument --start" in capsys.readouterr().err


def test_out_that_cannot_be_made(clip, tmp_path, capsys):
    (tmp_path / "file").write_text("", encoding="ascii")
    arguments = ["track", clip / "clip.mp4", "--frames", "2", "--mask", clip / "mask.png", "--grid", "8"]
    assert "cannot write" in fails(capsys, *arguments, "--out", tmp_path / "file" / "out")


def test_synth_writes_clips_with_their_truth(tmp_path):
    pytest.importorskip("mujoco")
    arguments = ["synth", "--out", tmp_path, "--frames", "4", "--size", "96x64", "--seed", "3", "--fps", "6"]
    assert main(list(map(str, arguments))) == 0
    (folder,) = tmp_path.iterdir()
    assert folder.name == "train_000003"
    clip = read_clip(folder / "clip.mp4")
    tracks = load_tracks(folder / "tracks.npz")
    depth = np.load(folder / "depth.npz")["depth"]
    mask = np.asarray(Image.open(folder / "mask.png"))
    assert clip.frames.shape == (4, 64, 96, 3)
    assert depth.shape == (4, 64, 96)
    assert tracks.num_points == mask.sum() > 0
    u, v = tracks.queries.long().unbind(-1)
    assert np.allclose(tracks.uvd[0, :, 2], depth[0, v, u], rtol=1e-3)
    assert json.loads((folder / "clip.json").read_text(encoding="utf-8"))["caption"]


def test_demo_tracks_the_shipped_clip(tmp_path):
    assert main(["demo", "--out", str(tmp_path), "--grid", "10", "--no-generate"]) == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["depth_unit"] == "metric"
    assert report["foreground"]["found_by"] == "mask"
    assert report["quality"]["points"] > 10
    assert report["quality"]["survival"] > 0.5


@pytest.mark.slow
def test_demo_generates_what_the_prompt_says(tmp_path):
    prompt = "the blue box is lifted up"
    assert main(["demo", "--out", str(tmp_path), "--grid", "10", "--prompt", prompt]) == 0
    figures = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["generation"]
    assert figures["prompt"] == prompt
    assert figures["agreement"] > figures["agreement_shuffled"]
    assert figures["motion_px"] > 10
    assert {"rigidity", "seconds"} <= set(figures)
    tracks = load_tracks(tmp_path / "generated" / "tracks.npz")
    right, down = (tracks.uvd[-1] - tracks.uvd[0])[:, :2].median(0).values.tolist()
    assert down < -10
    assert abs(right) < abs(down)
    assert read_clip(tmp_path / "generated" / "video.mp4").frames.shape == (16, 128, 128, 3)


def test_track_estimates_depth_with_a_model(clip, tmp_path, monkeypatch, capsys):
    from .tiny_depth_models import published_folder

    folder = published_folder(tmp_path / "models" / "depth_models" / "tiny", "glpn")
    monkeypatch.setenv("POINTVID_MODELS", str(tmp_path / "models"))
    tracks = []
    for out, model in (("by_path", folder), ("by_name", "tiny")):
        arguments = ["track", clip / "clip.mp4", "--out", tmp_path / out, "--frames", "4", "--all", "--grid", "8"]
        assert main([*map(str, arguments), "--depth-model", str(model)]) == 0
        tracks.append(load_tracks(tmp_path / out / "tracks.npz"))
    said = capsys.readouterr()
    assert "metric, estimated by tiny, flickers by" in said.out
    assert "no depth was given" not in said.err
    assert tracks[0].depth_unit == "metric"
    assert len(tracks[0].uvd[..., 2].unique()) > 100
    assert torch.equal(tracks[0].uvd, tracks[1].uvd)
    report = json.loads((tmp_path / "by_name" / "report.json").read_text(encoding="utf-8"))
    assert report["depth_model"]["name"] == "tiny"
    assert report["depth_model"]["flicker"] > report["depth_model"]["scale_flicker"] >= 0
    arguments = ["track", clip / "clip.mp4", "--out", tmp_path / "none", "--frames", "4"]
    assert "holds no config.json" in fails(capsys, *arguments, "--depth-model", tmp_path)
