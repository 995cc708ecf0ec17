"""The commands as a user types them: exit status, one-line errors, whole files."""

import csv
import json
import subprocess
import sys

import pytest
import torch

from pointvid.cli import COMMANDS, main
from pointvid.export.html import write_html
from pointvid.files.sample import Sample, write_sample
from pointvid.files.track_file import load_tracks, save_tracks
from pointvid.files.video import write_video
from pointvid.point_map import PointMap

from .command_line import fails, moving_square
from .exported import XYZ, hand_made


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys, pointvid.cli; pointvid.cli.build_parser();"
        "print([name for name in ('torch', 'numpy', 'av', 'scipy', 'PIL') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.isascii()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--size", "448"],
        ["--size", "4x4"],
        ["--frames", "0"],
        ["--frames", "few"],
        ["--camera", "1,2"],
        ["--fov", "200"],
    ],
)
def test_bad_arguments_are_refused_by_the_parser(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["track", "clip.mp4", "--out", "out", *arguments])
    assert ended.value.code == 2
    assert "expected" in capsys.readouterr().err


def test_interruption_is_clean(monkeypatch, capsys, tmp_path):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr("pointvid.commands.info.run", interrupted)
    assert main(["info", "x"]) == 130
    assert capsys.readouterr().err.count("\n") == 1


def test_export_writes_what_was_asked(tmp_path, capsys):
    save_tracks(hand_made(), tmp_path / "tracks.npz")
    formats = ["glb", "ply", "usda", "csv", "json", "html"]
    assert main(["export", str(tmp_path / "tracks.npz"), "--format", *formats, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out.split()
    assert said == [
        str(tmp_path / "out" / name)
        for name in ("tracks.glb", "tracks_ply", "tracks.usda", "tracks.csv", "tracks.json", "tracks.html")
    ]
    with (tmp_path / "out" / "tracks.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["x"]) for row in rows] == pytest.approx(XYZ[..., 0].flatten().tolist(), abs=1e-5)
    assert len(json.loads((tmp_path / "out" / "tracks.json").read_text(encoding="utf-8"))) == 3


def test_export_for_compositing_takes_count_size_and_first_frame(tmp_path, capsys):
    save_tracks(hand_made(), tmp_path / "tracks.npz")
    options = ["--points", "1", "--size", "640x480", "--first-frame", "1001"]
    formats = ["blender", "nuke", "after_effects"]
    assert main(["export", str(tmp_path / "tracks.npz"), "--format", *formats, *options]) == 0
    said = capsys.readouterr().out.split()
    assert said == [str(tmp_path / name) for name in ("tracks_blender", "tracks.nk", "tracks_after_effects")]
    script = (tmp_path / "tracks.nk").read_text(encoding="ascii")
    assert script.count('"track ') == 1
    assert "reference_frame 1001" in script
    assert "center {320 240}" in script
    assert len(list((tmp_path / "tracks_after_effects").iterdir())) == 1
    assert sorted(path.name for path in (tmp_path / "tracks_blender").iterdir()) == ["import_tracks.py", "tracks.npz"]


def test_export_reads_samples(tmp_path):
    size = (16, 24)
    v, u = torch.meshgrid(torch.arange(16.0), torch.arange(24.0), indexing="ij")
    points = torch.stack((u, v, torch.full_like(u, 2.0)), -1).repeat(3, 1, 1, 1)
    mask = torch.zeros(size, dtype=torch.bool)
    mask[4:8, 4:10] = True
    point_map = PointMap(points * mask[..., None], mask, hand_made().camera)
    video = torch.randint(0, 255, (3, *size, 3), dtype=torch.uint8)
    path = write_sample(Sample(video, point_map, caption="a patch"), tmp_path / "one.pointvid.tar")
    assert main(["export", str(path), "--format", "npz"]) == 0
    assert load_tracks(tmp_path / "one.npz").num_points == 24


def test_export_names_results_as_their_inputs(tmp_path, capsys):
    for name in ("clip.v1.npz", "clip.v2.npz", ".tracks.npz", "UPPER.NPZ.npz"):
        save_tracks(hand_made(), tmp_path / name)
    inputs = [str(path) for path in sorted(tmp_path.iterdir())]
    out = tmp_path / "out"
    assert main(["export", *inputs, "--format", "csv", "glb", "--out", str(out)]) == 0
    stems = (".tracks", "UPPER.NPZ", "clip.v1", "clip.v2")
    assert capsys.readouterr().out.split() == [str(out / f"{stem}.{kind}") for stem in stems for kind in ("csv", "glb")]
    before = (out / "clip.v1.csv").read_bytes()
    save_tracks(hand_made().replace(fps=24.0).select(torch.tensor([0])), tmp_path / "clip.v1.npz")
    assert main(["export", str(tmp_path / "clip.v1.npz"), "--format", "csv", "--out", str(out)]) == 0  # again
    assert 0 < len((out / "clip.v1.csv").read_bytes()) < len(before)


def test_export_writes_nothing_over_its_inputs_or_itself(tmp_path, capsys):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        save_tracks(hand_made(), tmp_path / folder / "clip.npz")
    inputs, out = [tmp_path / "a" / "clip.npz", tmp_path / "b" / "clip.npz"], tmp_path / "out"
    said = fails(capsys, "export", *inputs, "--format", "csv", "--out", out)
    assert f"{inputs[1]} as csv would be written over {out / 'clip.csv'}, which is already that of {inputs[0]}" in said
    assert not out.exists()
    assert "which is the input itself" in fails(capsys, "export", inputs[0], "--format", "npz")
    assert main(["export", *map(str, inputs), "--format", "csv"]) == 0  # each beside its own


def test_export_needs_tracks(tmp_path, capsys):
    (tmp_path / "a.npz").write_bytes(b"broken")
    (tmp_path / "a.txt").write_bytes(b"broken")
    assert "a.npz" in fails(capsys, "export", tmp_path / "a.npz", "--format", "glb")
    assert "ends in .txt, expected tracks" in fails(capsys, "export", tmp_path / "a.txt", "--format", "glb")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "a.txt"]


def test_info_of_tracks_and_video(tmp_path, capsys):
    save_tracks(hand_made(), tmp_path / "tracks.npz")
    assert main(["info", str(tmp_path / "tracks.npz")]) == 0
    said = dict(
        line.split(None, 1) for line in capsys.readouterr().out.splitlines() if line.startswith(("tracks", "fr"))
    )
    assert said["tracks"] == "3"
    assert said["frames"] == "4 at 8 fps"
    write_video(tmp_path / "clip.mp4", moving_square(5), fps=10)
    assert main(["info", str(tmp_path / "clip.mp4")]) == 0
    assert "5 at 10 fps (0.50 s)" in capsys.readouterr().out
    assert "does not exist" in fails(capsys, "info", tmp_path / "none.mp4")


def test_info_of_weights(tmp_path, capsys):
    from pointvid.trackers.alltracker.model import AllTrackerConfig, AllTrackerNet

    with torch.device("meta"):
        keys = AllTrackerNet(AllTrackerConfig()).state_dict()
    torch.save({key: torch.zeros(1) for key in keys}, tmp_path / "alltracker.pth")
    torch.save({"x": torch.zeros(1)}, tmp_path / "other.pt")
    assert main(["info", str(tmp_path / "alltracker.pth")]) == 0
    assert capsys.readouterr().out.split() == ["tensors", str(len(keys)), "weights", "of", "alltracker"]
    assert main(["info", str(tmp_path / "other.pt")]) == 0
    assert "no tracker that PointVid knows" in capsys.readouterr().out
    (tmp_path / "cut.safetensors").write_bytes(b"\x10")
    assert "damaged or truncated" in fails(capsys, "info", tmp_path / "cut.safetensors")
    assert "cannot be read" in fails(capsys, "info", tmp_path / "none.pth")


def test_view_writes_one_page(tmp_path, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    save_tracks(hand_made(), tmp_path / "tracks.npz")
    assert main(["view", str(tmp_path / "tracks.npz"), "--out", str(tmp_path / "page.html")]) == 0
    write_html(hand_made(), tmp_path / "same.html", title="tracks.npz")
    assert (tmp_path / "page.html").read_bytes() == (tmp_path / "same.html").read_bytes()
    assert opened == [(tmp_path / "page.html").as_uri()]
    before = (tmp_path / "tracks.npz").read_bytes()
    capsys.readouterr()
    said = fails(capsys, "view", tmp_path / "tracks.npz", "--out", tmp_path / "tracks.npz")
    assert "expected a name that ends in .html" in said
    assert (tmp_path / "tracks.npz").read_bytes() == before
