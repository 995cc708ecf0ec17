"""Folders of clips -> shards: what is in them, what is not and why, and that nothing is lost on the way."""

import hashlib
import json
import re
import sys
from dataclasses import asdict, is_dataclass
from pathlib import Path

import pytest
import torch
from pydantic import BaseModel

from pointvid.errors import PointVidError
from pointvid.files.atomic import atomic_path
from pointvid.files.manifest import read_manifest, verify_shards
from pointvid.files.video import write_video
from pointvid.preprocess import Gates
from tests.moving_clips import FPS, FRAMES, SIZE, box_clip, box_points
from training import build_dataset
from training.build_dataset import build, read_build_config, summary
from training.builder import store as store_module
from training.builder.config import BuildDataset
from training.builder.inputs import list_jobs
from training.builder.overlap import run_one_after_another
from training.builder.stages import Stages
from training.config import load_config
from training.data.shards import Shards

GOOD = 5


class Fails:
    """A tracker with a fault of its own."""

    def track(self, *args, **kwargs):
        raise IndexError("index 7 is out of bounds")


class Words:
    """Labels: the first two words of a file."""

    def __init__(self, words, key):
        assert key == "s3cret"
        self.words = Path(words).read_text(encoding="utf-8").split()[:2]

    def labels(self, caption):
        return self.words


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """Five good clips and one of each kind of bad one."""
    folder = tmp_path_factory.mktemp("videos")

    def write(name, frames, caption="a box moves to the right"):
        write_video(folder / f"{name}.mp4", frames, FPS, crf=2, pix_fmt="yuv444p")
        if caption:
            (folder / f"{name}.txt").write_text(caption, encoding="utf-8")

    for n in range(GOOD):
        write(f"good{n}", box_clip(n), f"box number {n} moves to the right")
    write("black", torch.zeros(FRAMES, *SIZE, 3, dtype=torch.uint8))
    write("cut", torch.cat((box_clip(0)[:4], box_clip(9)[4:])))
    write("frozen", box_clip()[:1].repeat(FRAMES, 1, 1, 1))
    write("short", box_clip()[:3])
    write("speechless", box_clip(), None)
    (folder / "damaged.mp4").write_bytes((folder / "good0.mp4").read_bytes()[:2000])
    (folder / "empty.mp4").touch()
    return folder


WRONG = {
    "black": "blank",
    "cut": "cut",
    "frozen": "still",
    "short": "short",
    "speechless": "no_caption",
    "damaged": "unreadable",
    "empty": "unreadable",
}


def config(**changes):
    settings = {
        "clip": {"size": SIZE, "frames": FRAMES, "fps": FPS},
        "tracks": {"grid": 16, "extra": 50},
        "tracker": {"name": "tests.moving_clips:Oracle"},
        "labels": None,
        "clips_in_shard": 4,
        "report_samples": 2,
        "device": "cpu",
        "speed": {"workers": 0},
    }
    return BuildDataset(**{**settings, **changes})


@pytest.fixture(scope="module")
def built(videos, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "shards"
    return build([videos], out, config())


@pytest.fixture(scope="module")
def known(videos):
    """What becomes of each job, so that tests of the folder need not decode and track again."""
    stages = Stages(config())
    return {outcome.key: outcome for outcome in run_one_after_another(list_jobs([videos]), stages.steps)}


@pytest.fixture
def quick(known, monkeypatch):
    """Builds take what is known."""
    monkeypatch.setattr(build_dataset, "_run", lambda jobs, *_: (known[job.key] for job in jobs))


def content(folder):
    """Every file's hash, without the report and what changes with the settings of speed."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".html" and path.name != "config.yaml"
    }


def test_training_reads_the_shards_and_the_points_are_true(built):
    shards = Shards(built.out)
    verify_shards(shards.folder)
    assert sorted(entry.key.split("-")[0] for entry in shards.entries) == [f"good{n}" for n in range(GOOD)]
    for index in range(GOOD):
        sample = shards[index]
        number = int(re.search(r"\d", sample.caption)[0])
        assert (sample.video.float() - box_clip(number).float()).abs().mean() < 4
        found = sample.point_map.mask
        # The oracle knows the box; which pixels belong to it is read off 16 x 16 + 50 queries.
        error = (sample.point_map.points - box_points())[:, found & (box_points()[0, ..., 2] > 0)]
        assert error.abs().max() < 0.02
        assert sample.provenance["tracker"] == {"name": "tests.moving_clips:Oracle"}
        assert sample.provenance["source"].endswith(f"good{number}.mp4")


def test_every_rejected_clip_is_listed_with_its_reason(built):
    lines = list(built.rejections())
    gates = {line["key"].split("-")[0]: {reason["gate"] for reason in line["reasons"]} for line in lines}
    assert set(gates) == set(WRONG)
    for name, gate in WRONG.items():
        assert gate in gates[name]
    blank = next(line for line in lines if line["key"].startswith("black"))
    (reason,) = [reason for reason in blank["reasons"] if reason["gate"] == "blank"]
    assert reason["found"] == blank["figures"]["contrast"] == 0
    assert reason["limit"] == 4


def test_manifest_counts_settings_versions_and_hashes(built):
    manifest = read_manifest(built.out)
    counts = manifest["build"]
    assert counts["clips"] == counts["accepted"] + counts["rejected"] == GOOD + len(WRONG)
    assert counts["accepted"] == GOOD == sum(len(shard["samples"]) for shard in manifest["shards"].values())
    assert counts["reasons"]["unreadable"] == 2
    assert manifest["settings"]["clip"]["frames"] == FRAMES
    assert manifest["versions"][0]["torch"]
    assert not list((built.out / ".finished").iterdir())
    assert "5 samples in" in summary(built)
    assert "7 clips rejected" in summary(built)


def test_the_report_is_one_page_with_pictures(built):
    page = (built.out / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/webp;base64,") == 2
    assert "box number" in page
    assert "unreadable" in page
    assert not re.search(r"(src|href)=.?(http|//|\.)", page)


def test_a_second_run_changes_nothing(built, videos):
    before = {
        path: path.stat().st_mtime_ns for path in built.out.rglob("*") if path.suffix in (".tar", ".json", ".html")
    }
    build([videos], built.out, config())
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_more_inputs_make_more_shards(built, videos, tmp_path):
    import shutil

    out = tmp_path / "grown"
    shutil.copytree(built.out, out)
    before = content(out)
    write_video(tmp_path / "late.mp4", box_clip(77), FPS, crf=2, pix_fmt="yuv444p")
    (tmp_path / "late.txt").write_text("late", encoding="utf-8")
    build([videos, tmp_path / "late.mp4"], out, config())
    after = content(out)
    assert {name: after[name] for name in before if name.endswith(".tar")} == {
        name: digest for name, digest in before.items() if name.endswith(".tar")
    }
    assert len(Shards(out)) == GOOD + 1


def test_other_settings_are_refused(built, videos):
    with pytest.raises(PointVidError, match=r"was built with gates.min_tracks 32.0, now it is 33.0"):
        build([videos], built.out, config(gates={"min_tracks": 33}))
    build([videos], built.out, config(speed={"workers": 0, "readers": 1, "overlap": False}))


def test_a_folder_of_something_else_is_refused(shards_folder, videos):
    with pytest.raises(PointVidError, match="holds shards made by something else"):
        build([videos], shards_folder, config())


def test_overlap_gives_the_same_shards(built, videos, tmp_path):
    build([videos], tmp_path, config(speed={"workers": 0, "overlap": False}))
    assert content(tmp_path) == content(built.out)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", ["write_shard", "write_manifest", "atomic_path", "_append_rejections", "unlink"])
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_step_loses_and_doubles_nothing(built, videos, quick, tmp_path, step, after):
    """Die at the n-th call of each function that writes, before or after it did; go on; compare."""
    owner = Path if step == "unlink" else store_module.Store if step.startswith("_") else store_module
    real, died = getattr(owner, step), 0

    for deadline in range(1, 8):
        calls = 0

        def dying(*args, deadline=deadline, **kwargs):
            nonlocal calls
            calls += 1
            if calls == deadline and not after:
                raise Killed
            result = real(*args, **kwargs)
            if calls == deadline:
                raise Killed
            return result

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, step, dying)
            try:
                build([videos], tmp_path, config(report_samples=0))
            except Killed:
                died += 1
    build([videos], tmp_path, config(report_samples=0))
    assert died >= 2
    assert content(tmp_path) == content(built.out)


def test_a_full_disk_stops_cleanly_and_goes_on(built, videos, quick, tmp_path):
    calls = 0

    def full(path):
        nonlocal calls
        calls += 1
        if calls == 6:
            raise PointVidError(f"cannot write {path}: No space left on device")
        return atomic_path(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.data.shards.atomic_path", full)
        with pytest.raises(PointVidError, match="No space left"):
            build([videos], tmp_path, config())
    build([videos], tmp_path, config())
    assert content(tmp_path) == content(built.out)


def test_a_folder_that_cannot_be_made(videos, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PointVidError, match="cannot write"):
        build([videos], tmp_path / "file" / "out", config())


def test_a_faulty_model_rejects_its_clips_and_the_build_goes_on(videos, tmp_path):
    store = build([videos], tmp_path, config(tracker={"name": "tests.training.test_builder:Fails"}))
    messages = [reason["message"] for line in store.rejections() for reason in line["reasons"]]
    assert messages.count("IndexError: index 7 is out of bounds") == GOOD
    assert store.manifest["build"]["accepted"] == 0
    assert "There is none" in (tmp_path / "report.html").read_text(encoding="utf-8")


# Settings


def test_passwords_and_paths_are_not_written_down(videos, tmp_path):
    options = {"key": "s3cret", "words": str(videos / "good1.txt")}
    labels = {"name": "tests.training.test_builder:Words", "options": options}
    build([videos / "good1.mp4"], tmp_path, config(labels=labels))
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".jsonl")
    assert b"s3cret" not in written
    sample = Shards(tmp_path)[0]
    assert sample.labels == ("box", "number")
    assert sample.provenance["labels"] == {"name": "tests.training.test_builder:Words", "words": "good1.txt"}


def test_the_commented_config_holds_every_default():
    path = Path(build_dataset.__file__).parent / "configs" / "build_dataset.yaml"
    assert load_config(BuildDataset, path) == BuildDataset()
    text = path.read_text(encoding="utf-8")

    def keys(model):
        for name, value in vars(model).items():
            yield name
            if isinstance(value, BaseModel) or is_dataclass(value):
                yield from keys(value)

    assert {key for key in keys(BuildDataset()) if not re.search(rf"^\s*{key}:", text, re.MULTILINE)} == set()


def test_a_choice_of_queries_is_written_down_and_its_absence_is_not():
    """Data sets that were begun before there was a choice must go on."""
    assert "queries" not in BuildDataset().decisive()["tracks"]
    assert BuildDataset(tracks={"queries": "dense"}).decisive()["tracks"]["queries"] == "dense"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("gates.min_track=5", "unknown key gates.min_track, did you mean gates.min_tracks?"),
        ("tracker.nam=x", "unknown key tracker.nam, did you mean tracker.name?"),
        ("clip.frames=1", r"clip.frames is 1, expected 2 to 10000"),
        ("gates.max_jump=-1", "gates.max_jump is -1"),
        ("clip.take=last", "clip.take is 'last'"),
    ],
)
def test_mistakes_in_settings_are_named(override, message):
    with pytest.raises(PointVidError, match=message):
        read_build_config(None, [override])


def test_models_that_the_file_switches_off_can_be_set():
    found = read_build_config(None, ["depth.name=transformers", "depth.options.folder=zoe", "tracker.options.radius=3"])
    assert (found.depth.name, found.depth.options) == ("transformers", {"folder": "zoe"})
    assert (found.tracker.name, found.tracker.options) == ("lucas_kanade", {"radius": 3})
    assert found.segmenter is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"tracker": {"name": "best"}},
            r"tracker.name is 'best', expected one of alltracker, lucas_kanade, spatracker",
        ),
        (
            {"tracker": {"name": "lucas_kanade", "options": {"raduis": 3}}},
            "tracker.options has raduis, lucas_kanade takes",
        ),
        ({"depth": {"name": "no.such:Thing"}}, "depth.name no.such:Thing: cannot be imported"),
        ({"tracker": {"name": "alltracker", "options": {"weights": "absent.pth"}}}, "absent.pth"),
    ],
)
def test_models_that_cannot_be_made_stop_the_build(videos, tmp_path, changes, message):
    with pytest.raises(PointVidError, match=message):
        build([videos], tmp_path, config(**changes))


def test_the_command_line(videos, tmp_path, monkeypatch, capsys):
    options = ["clip.size=[64,96]", "clip.frames=8", "tracker.name=tests.moving_clips:Oracle", "speed.workers=0"]
    argv = ["build_dataset", str(videos / "good1.mp4"), "--out", str(tmp_path / "o"), "--set", *options]
    monkeypatch.setattr(sys, "argv", argv)
    build_dataset.main()
    assert "1 samples in 1 shards, 0 clips rejected" in capsys.readouterr().out
    assert json.loads((tmp_path / "o" / "manifest.json").read_text())["build"]["accepted"] == 1
    monkeypatch.setattr(sys, "argv", ["build_dataset", str(tmp_path / "absent"), "--out", str(tmp_path / "p")])
    with pytest.raises(SystemExit):
        build_dataset.main()
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "absent does not exist, expected a folder" in said


# With networks


@pytest.mark.slow
def test_tiny_networks_in_published_folders_find_and_measure_objects(videos, tmp_path):
    """Rules, Grounding DINO, SAM 2 and ZoeDepth with random weights: a threshold of 0 finds whatever they say."""
    from tests.tiny_depth_models import published_folder
    from tests.tiny_segmenter import write_models

    write_models(tmp_path / "models")
    depth = published_folder(tmp_path / "depth", "zoedepth")
    off = asdict(Gates.off())
    rows = [{"video": str(videos / f"good{n}.mp4"), "caption": "a red ball rolls to a dog"} for n in (1, 2)]
    (tmp_path / "list.json").write_text(json.dumps(rows), encoding="utf-8")
    store = build(
        [tmp_path / "list.json"],
        tmp_path / "out",
        config(
            labels={"name": "rules"},
            segmenter={"name": "grounded_sam2", "options": {"folder": str(tmp_path / "models"), "box_threshold": 0.0}},
            depth={"name": "transformers", "options": {"folder": str(depth)}},
            gates=off,
        ),
    )
    assert not list(store.rejections())
    sample = Shards(store.out)[0]
    facts = sample.provenance
    assert sample.labels == ("red ball", "dog")
    assert {label for label, _ in facts["objects"]} <= {"red ball", "dog"}
    assert (facts["found_by"], facts["depth_unit"]) == ("labels", "metric")
    assert sample.point_map.mask.any()
    hashed = store.manifest["settings"]["hashes"]
    assert {name.split("/")[0] for name in hashed} == {"segmenter", "depth"}
    assert sum(name.endswith("model.safetensors") for name in hashed) == 3
