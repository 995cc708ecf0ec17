"""Inputs, resumable clips, suites with stand-in scorers, environments, the table and the sheet."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from experiments import compare
from experiments.evaluation import suites
from experiments.evaluation.clips import MadeClip, check_clips, generate_clips
from experiments.evaluation.environments import versions
from experiments.evaluation.inputs import Item, items_of_shards, read_items
from experiments.evaluation.sheet import write_sheet
from experiments.evaluation.suites import VBENCH_DIMENSIONS, Places, geometry, vbench, videophy
from experiments.evaluation.table import PAPER, score_table, write_scores
from pointvid.errors import PointVidError
from pointvid.files.video import read_clip, write_video
from tests.conftest import eventually
from tests.training.tiny import SIZE, moving_box


class Still:
    """Repeats the first frame, brighter every time it is asked."""

    def __init__(self, frames=3, size=(16, 16), fail_at=None):
        self.frames, self.size, self.calls, self.fail_at = frames, size, 0, fail_at

    @property
    def settings(self):
        return {"kind": "still", "size": self.size}

    def generate(self, item, seed):
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        self.calls += 1
        video = torch.full((self.frames, *self.size, 3), 20 + seed, dtype=torch.uint8)
        return MadeClip(video, 8.0)


def write_list(folder, names=("one", "two", "three")):
    rows = []
    for index, name in enumerate(names):
        pixels = np.full((20, 24, 3), 60 * index, np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
        rows.append({"image": f"{name}.png", "prompt": f"thing {index} moves"})
    path = folder / "inputs.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.fixture
def items(tmp_path):
    return read_items(write_list(tmp_path))


def test_lists_are_read_in_three_forms(tmp_path, items):
    assert [item.name for item in items] == ["one", "two", "three"]
    assert items[1].pixels().shape == (20, 24, 3)
    rows = [{"image": item.image.name, "prompt": item.prompt, "name": f"n{i}"} for i, item in enumerate(items)]
    (tmp_path / "a.json").write_text(json.dumps(rows), encoding="utf-8")
    (tmp_path / "b.csv").write_text(
        "image,prompt,name\n" + "\n".join(f'{r["image"]},"{r["prompt"]}",{r["name"]}' for r in rows), encoding="utf-8"
    )
    assert read_items(tmp_path / "a.json") == read_items(tmp_path / "b.csv")
    assert [item.prompt for item in read_items(tmp_path / "a.json")] == [item.prompt for item in items]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"image": "one.png"}], r"input 1: has \['image'\], expected the keys image and prompt"),
        ([{"image": "gone.png", "prompt": "p"}], r"image .*gone\.png does not exist"),
        ([{"image": "one.png", "prompt": "p", "name": "../up"}], r"name is '\.\./up'"),
        ([{"image": "one.png", "prompt": "p"}] * 2, r"two inputs are called 'one'"),
        ([], r"holds no inputs"),
    ],
)
def test_bad_lists_say_what_is_wrong(tmp_path, items, rows, message):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(PointVidError, match=message):
        read_items(path)


def test_shards_are_inputs_too(shards_folder, tmp_path):
    items = items_of_shards(shards_folder, 3, tmp_path / "inputs")
    assert [item.prompt for item in items] == [moving_box(i).caption for i in range(3)]
    assert items[0].pixels().shape == (SIZE, SIZE, 3)


def test_finished_clips_are_not_made_again(items, tmp_path):
    folder = tmp_path / "clips"
    with pytest.raises(KeyboardInterrupt):
        generate_clips(Still(fail_at=2), items, folder, seed=5)
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.mp4")}
    assert sorted(before) == ["one.mp4", "two.mp4"]
    assert generate_clips(Still(), items, folder, seed=5) == 1
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before
    assert check_clips(folder, items) == (3, 16, 16)
    value = read_clip(folder / "three.mp4").frames.float().mean().item()
    assert value == pytest.approx(27, abs=2)  # clip 2 has seed 5 + 2
    with pytest.raises(PointVidError, match="clips with another method"):
        generate_clips(Still(size=(32, 32)), items, folder, seed=5)
    with pytest.raises(PointVidError, match="clips with another seed"):
        generate_clips(Still(), items, folder, seed=6)


def test_missing_and_odd_clips_are_named(items, tmp_path):
    folder = tmp_path / "clips"
    generate_clips(Still(), items[:1], folder, 0)
    with pytest.raises(PointVidError, match=r"lacks 2 of 3 clips \(two, three\)"):
        check_clips(folder, items)
    write_video(folder / "two.mp4", torch.zeros(4, 16, 16, 3, dtype=torch.uint8), 8)
    with pytest.raises(PointVidError, match=r"two is 4 frames of 16x16 \(HxW\), one is 3 of 16x16"):
        check_clips(folder, items[:2])


def test_killed_generation_goes_on_without_redoing(tmp_path):
    """SIGKILL, as a machine that is taken away does it."""
    path = write_list(tmp_path, [f"c{i}" for i in range(4)])
    script = tmp_path / "slow.py"
    script.write_text(
        textwrap.dedent(f"""
            import time
            from pathlib import Path
            from tests.experiments.test_compare import Still
            from experiments.evaluation.clips import generate_clips
            from experiments.evaluation.inputs import read_items
            class Slow(Still):
                def generate(self, item, seed):
                    if item.name == "c2":
                        time.sleep(600)  # until it is killed
                    return super().generate(item, seed)
            print(generate_clips(Slow(), read_items(Path({str(path)!r})), Path({str(tmp_path / "clips")!r}), 0))
        """),
        encoding="utf-8",
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")])),
    }
    process = subprocess.Popen([sys.executable, str(script)], env=environment)
    clips = tmp_path / "clips"
    eventually(lambda: len(list(clips.glob("c*.mp4"))) == 2, 180)
    process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    process.wait()
    before = {file.name: file.stat().st_mtime_ns for file in clips.glob("c*.mp4")}
    assert before.keys() == {"c0.mp4", "c1.mp4"}
    items = read_items(path)
    assert generate_clips(Still(), items, clips, 0) == 2
    assert {name: (clips / name).stat().st_mtime_ns for name in before} == before
    check_clips(clips, items)


# A stand-in of the vbench package: the same constructor, call and file of scores as version 0.1.5.
VBENCH = """
    import json, os
    class VBench:
        def __init__(self, device, full_info_dir, output_path):
            self.out = output_path
            os.makedirs(output_path, exist_ok=True)
        def evaluate(self, videos_path, name, prompt_list=[], dimension_list=None, local=False, read_frame=False,
                     mode="vbench_standard", **kwargs):
            assert mode == "custom_input" and kwargs == {"imaging_quality_preprocessing_mode": "longer"}
            names = sorted(os.listdir(videos_path))
            assert set(names) == set(prompt_list), (names, prompt_list)
            with open(os.environ["CALLS"], "a") as file:
                file.write(dimension_list[0] + "\\n")
            assert os.environ["VBENCH_CACHE_DIR"].startswith(os.environ["SHARED"])
            if dimension_list[0] == os.environ.get("BREAK"):
                raise RuntimeError("no weights here")
            results = {}
            for dimension in dimension_list:
                value = 55.0 if dimension == "imaging_quality" else 0.5
                if dimension == "dynamic_degree":
                    value = True
                rows = [{"video_path": os.path.join(videos_path, n), "video_results": value} for n in names]
                results[dimension] = [0.5, rows]
            with open(os.path.join(self.out, name + "_eval_results.json"), "w") as file:
                json.dump(results, file)
"""


@pytest.fixture
def standins(tmp_path, monkeypatch):
    """A vbench package and a VideoPhy checkout that answer at once."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "vbench").mkdir()
    (modules / "vbench" / "__init__.py").write_text(textwrap.dedent(VBENCH), encoding="utf-8")
    (modules / "torch.py").write_text(
        "class cuda:\n    is_available = staticmethod(lambda: False)\ndevice = str\n", encoding="utf-8"
    )
    code = tmp_path / "videophy"
    (code / "utils").mkdir(parents=True)
    (code / "videocon/training/pipeline_video").mkdir(parents=True)
    (code / "utils/prepare_data.py").write_text(
        textwrap.dedent("""
            import argparse, csv, os
            parser = argparse.ArgumentParser()
            parser.add_argument("--input_csv"); parser.add_argument("--output_folder")
            args = parser.parse_args()
            rows = list(csv.DictReader(open(args.input_csv)))
            with open(os.path.join(args.output_folder, "physics_testing.csv"), "w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["videopath", "caption"])
                writer.writerows([row["videopath"], "Human: <|video|>\\nDoes it?"] for row in rows)
        """),
        encoding="utf-8",
    )
    (code / "videocon/training/pipeline_video/entailment_inference.py").write_text(
        textwrap.dedent("""
            import argparse, csv
            parser = argparse.ArgumentParser()
            for name in ("--input_csv", "--output_csv", "--checkpoint"):
                parser.add_argument(name, required=True)
            args = parser.parse_args()
            for i, row in enumerate(csv.DictReader(open(args.input_csv))):
                with open(args.output_csv, "a") as file:
                    csv.writer(file).writerow([row["videopath"], row["caption"], 0.25 + 0.5 * (i == 0)])
        """),
        encoding="utf-8",
    )
    weights = tmp_path / "weights"
    weights.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(modules))
    monkeypatch.delenv("VBENCH_CACHE_DIR", raising=False)
    monkeypatch.setenv("SHARED", str(tmp_path))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return code, weights


def test_vbench_gets_its_layout_and_goes_on(items, tmp_path, standins, monkeypatch):
    folder = tmp_path / "clips"
    generate_clips(Still(), items, folder, 0)
    (folder / "stray.mp4").write_bytes(b"not of the list")
    places = Places(tmp_path / "vbench", tmp_path / "envs", python=Path(sys.executable))
    monkeypatch.setenv("BREAK", "motion_smoothness")
    with pytest.raises(PointVidError, match=r"vbench motion_smoothness failed: RuntimeError: no weights here; see"):
        vbench(folder, items, places)
    monkeypatch.delenv("BREAK")
    scores = vbench(folder, items, places)
    assert set(scores.clips) == set(VBENCH_DIMENSIONS)
    assert scores.means()["subject_consistency"] == 0.5
    assert scores.means()["imaging_quality"] == pytest.approx(0.55)
    assert scores.means()["dynamic_degree"] == 1.0
    calls = (tmp_path / "calls").read_text().split()
    assert calls == [*VBENCH_DIMENSIONS[:3], *VBENCH_DIMENSIONS[2:]]  # what was scored is not scored again
    vbench(folder, items, places)
    assert (tmp_path / "calls").read_text().split() == calls


def test_videophy_gets_its_table_and_forgets_a_half_rated_one(items, tmp_path, standins):
    code, weights = standins
    folder = tmp_path / "clips"
    generate_clips(Still(), items, folder, 0)
    out = tmp_path / "videophy_out"
    out.mkdir()
    (out / "physics_scores.part.csv").write_text("one.mp4,half,0.9\n", encoding="utf-8")  # of a killed run
    scores = videophy(folder, items, Places(out, tmp_path / "envs", Path(sys.executable), code, weights))
    assert scores.clips["physical_commonsense"] == {"one": 0.75, "two": 0.25, "three": 0.25}
    assert scores.means()["physical_commonsense_share"] == pytest.approx(1 / 3)
    for places, message in (
        (Places(out, tmp_path, Path(sys.executable)), "expected --videophy-code"),
        (Places(out, tmp_path, Path(sys.executable), code), "expected --videophy-weights"),
    ):
        with pytest.raises(PointVidError, match=message):
            videophy(folder, items, places)


def test_geometry_measures_tracks_or_the_video(items, tmp_path):
    folder = tmp_path / "clips"
    sample = moving_box(1, frames=4, size=32)

    class Box(Still):
        def generate(self, item, seed):
            tracks = sample.point_map.to_tracks(sample.video[0]) if item.name == "one" else None
            return MadeClip(sample.video, 8.0, tracks)

    generate_clips(Box(), items[:2], folder, 0)
    scores = geometry(folder, items[:2], Places(tmp_path / "geometry", tmp_path))
    assert scores.clips["motion"] == {"one": pytest.approx(3, abs=0.1)}
    # the box of constant depth steps by a pixel and comes nearer: its distances follow the depth
    assert "two" in scores.clips["retracked_motion"]
    assert "one" not in scores.clips["retracked_motion"]


def test_a_suite_without_a_python_says_how_to_make_one(items, tmp_path):
    generate_clips(Still(), items, tmp_path / "clips", 0)
    with pytest.raises(PointVidError, match=r"pip install -r .*vbench\.txt`, then pass --python vbench=ENV/bin/python"):
        vbench(tmp_path / "clips", items, Places(tmp_path / "vbench", tmp_path))
    assert all((Path(suites.__file__).parent / f"{name}.txt").is_file() for name in ("vbench", "videophy"))
    with pytest.raises(PointVidError, match=r"vbench subject_consistency failed: .*nowhere cannot be started"):
        vbench(tmp_path / "clips", items, Places(tmp_path / "vbench", tmp_path, python=tmp_path / "nowhere"))


def test_what_scored_is_recorded():
    found = versions(Path(sys.executable))
    assert found["python"] == f"Python {'.'.join(map(str, sys.version_info[:3]))}"
    assert any(line.startswith("numpy==") for line in found["packages"])


def test_the_table_puts_the_paper_first():
    header, rows = score_table({"ours": {"count": 3, "scores": {"subject_consistency": 0.9, "dynamic_degree": 1.0}}})
    assert header[:3] == ["method", "clips", "subject consistency"]
    assert [row[0] for row in rows] == [*PAPER, "ours"]
    assert rows[1][2] == "0.9589"
    assert rows[2][header.index("dynamic degree")] == "1"
    assert rows[0][header.index("dynamic degree")] == ""  # the paper does not give it
    header, rows = score_table({"ours": {"count": 3, "scores": {"motion": 2.0}}})
    assert [row[0] for row in rows] == ["ours"]  # nothing of the paper's to compare with


def test_sheet_shows_methods_of_different_sizes(items, tmp_path):
    folders = {"small": tmp_path / "a", "large": tmp_path / "b"}
    generate_clips(Still(3, (16, 16)), items, folders["small"], 100)
    generate_clips(Still(6, (32, 64)), items, folders["large"], 200)
    write_sheet(folders, items, tmp_path / "out")
    sheet = read_clip(tmp_path / "out" / "sheet.mp4").frames
    assert sheet.shape == (6, 18 + 3 * 16, 3 * 16, 3)
    assert sheet[0, 18 + 4 : 18 + 12, 20:28].float().mean() == pytest.approx(120, abs=4)
    assert sheet[-1, 18 + 4 : 18 + 12, 36:44].float().mean() == pytest.approx(220, abs=4)
    page = (tmp_path / "out" / "sheet.html").read_text(encoding="utf-8")
    assert page.count("<video") == 6
    assert "differ between methods" in page
    assert "large: 6 frames of 64x32" in page
    with pytest.raises(PointVidError, match="lacks 3 of 3 clips"):
        write_sheet({**folders, "gone": tmp_path / "c"}, items, tmp_path / "out")


def test_scores_are_written_with_what_is_missing(tmp_path):
    write_scores(
        tmp_path, {"ours": {"count": 2, "scores": {}, "clips": {}, "versions": {}}}, ["ours, vbench: no weights"]
    )
    assert "no weights" in (tmp_path / "scores.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["paper_clips"] == 387


def run_cli(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["compare", *map(str, arguments)])
    compare.main()


def test_command_line_scores_what_it_can_and_says_what_it_cannot(items, tmp_path, standins, monkeypatch, capsys):
    generate_clips(Still(), items, tmp_path / "clips", 0)
    out = tmp_path / "evaluation"
    arguments = ["--suite", "vbench", "videophy", "--list", tmp_path / "inputs.jsonl", "--out", out]
    run_cli(
        monkeypatch,
        *arguments,
        "--method",
        f"other=videos:{tmp_path / 'clips'}",
        "--python",
        f"vbench={sys.executable}",
    )
    scores = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    assert scores["methods"]["other"]["scores"]["motion_smoothness"] == 0.5
    assert "videophy: not scored" in scores["notes"][0]
    assert "--videophy-code" in capsys.readouterr().out
    assert (out / "sheet.mp4").is_file()
    for more, said in (
        ([], "expected CHECKPOINT or --method"),
        (["--method", "a=magic:x"], "method 'magic' is unknown"),
        (["--method", f"a=videos:{tmp_path / 'nothing'}"], "lacks 3 of 3 clips"),
    ):
        with pytest.raises(SystemExit):
            run_cli(monkeypatch, *arguments, *more)
        assert said in capsys.readouterr().err


def test_item_with_a_damaged_image(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(PointVidError, match=r"input a: image .* cannot be read"):
        Item("a", "p", tmp_path / "bad.png").pixels()


@pytest.mark.skipif(not os.environ.get("VBENCH_PYTHON"), reason="set VBENCH_PYTHON to a Python with vbench 0.1.5")
def test_the_real_vbench_takes_our_layout(items, tmp_path):
    """With the one dimension that needs no weights: what the runner asks for, and the file that comes back."""
    folder, out = tmp_path / "clips", tmp_path / "out"
    generate_clips(Still(frames=4, size=(32, 32)), items, folder, 0)
    prompts = tmp_path / "prompts.json"
    prompts.write_text(json.dumps({f"{item.name}.mp4": item.prompt for item in items}), encoding="utf-8")
    python, name = os.environ["VBENCH_PYTHON"], "temporal_flickering"
    subprocess.run([python, suites._RUNNER, folder, prompts, name, out], check=True)
    scores = suites._vbench_scores(out / f"{name}_eval_results.json", name, items)
    assert scores == {item.name: pytest.approx(1.0) for item in items}  # still clips do not flicker
    listed = json.loads((out / f"{name}_full_info.json").read_text(encoding="utf-8"))
    assert {row["prompt_en"] for row in listed} == {item.prompt for item in items}
