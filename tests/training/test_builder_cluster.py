"""Builds in worker processes and on Ray: killed all the time, they make what an undisturbed build makes."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pointvid.files.manifest import read_manifest, verify_shards
from pointvid.files.video import write_video
from tests.moving_clips import FPS, FRAMES, SIZE, box_clip
from training.build_dataset import build
from training.builder.config import BuildDataset
from training.data.shards import Shards

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
CLIPS, KILLS = 200, 20


class SlowOracle:
    """Knows the box, and takes its time, so that kills find work under way."""

    def track(self, *args, **kwargs):
        from tests.moving_clips import Oracle

        time.sleep(0.15)
        return Oracle().track(*args, **kwargs)


class Deadly:
    """Takes its process along with every clip whose first pixel is dark."""

    def track(self, video, *args, **kwargs):
        from tests.moving_clips import Oracle

        if video[0][0, 0].float().mean() < 40:
            os.kill(os.getpid(), signal.SIGKILL)
        return Oracle().track(video, *args, **kwargs)


def config(**changes):
    settings = {
        "clip": {"size": SIZE, "frames": FRAMES, "fps": FPS},
        "tracks": {"grid": 16, "extra": 50},
        "tracker": {"name": "tests.training.test_builder_cluster:SlowOracle"},
        "clips_in_shard": 16,
        "labels": None,
        "report_samples": 0,
        "device": "cpu",
        "speed": {"workers": 2},
    }
    return BuildDataset(**{**settings, **changes})


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """200 clips, every tenth without a caption."""
    folder = tmp_path_factory.mktemp("many")
    for n in range(CLIPS):
        write_video(folder / f"clip{n:03d}.mp4", box_clip(n), FPS, crf=10)
        if n % 10:
            (folder / f"clip{n:03d}.txt").write_text(f"box {n} moves to the right", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def undisturbed(videos, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "shards"
    return build([videos], out, config(speed={"workers": 0})).out


def check(out, undisturbed):
    """0 lost, 0 duplicated, 0 damaged; the shards are bit for bit those of the undisturbed build."""
    shards = Shards(out)
    verify_shards(shards.folder)
    keys = [entry.key for entry in shards.entries]
    assert len(keys) == len(set(keys)) == CLIPS - CLIPS // 10
    for index in range(0, len(shards), 17):
        assert shards[index].caption.startswith("box")
    assert read_manifest(out)["shards"] == read_manifest(undisturbed)["shards"]
    rejected = (out / "rejected.jsonl").read_text(encoding="utf-8")
    assert rejected == (undisturbed / "rejected.jsonl").read_text(encoding="utf-8")
    assert len(rejected.splitlines()) == CLIPS // 10


def children(pid):
    """The process ids of the workers of a build."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds workers in /proc")
def test_workers_killed_twenty_times(videos, undisturbed, tmp_path):
    killed, over = 0, threading.Event()

    def kill():
        nonlocal killed
        chance, before = random.Random(0), 0
        while killed < KILLS and not over.wait(0.05):
            if finished(tmp_path) < before + 4:
                continue  # with a worker lost again before it is ready, nothing would ever be done
            time.sleep(chance.uniform(0, 0.5))
            if workers := children(os.getpid()):
                os.kill(chance.choice(workers), signal.SIGKILL)
                killed, before = killed + 1, finished(tmp_path)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        build([videos], tmp_path, config())
    finally:
        over.set()
        killer.join()
    assert killed == KILLS
    check(tmp_path, undisturbed)


def test_the_whole_build_killed_twenty_times(videos, undisturbed, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(config(speed={"workers": 0}).model_dump_json(), encoding="utf-8")
    command = [sys.executable, "-m", "training.build_dataset", str(videos), "--out", str(tmp_path / "o")]
    chance = random.Random(1)
    for _ in range(KILLS):
        before = finished(tmp_path / "o")
        process = subprocess.Popen(
            [*command, "--config", str(path)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        while process.poll() is None and finished(tmp_path / "o") < before + 3:
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 0.5))
        process.kill()
        process.wait()
    assert finished(tmp_path / "o") < CLIPS
    subprocess.run([*command, "--config", str(path)], cwd=ROOT, check=True)
    check(tmp_path / "o", undisturbed)


def finished(out):
    """Clips that a build has an outcome of."""
    if not (out / "manifest.json").is_file():
        return 0
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    waiting = list((out / ".finished").glob("[!.]*")) if (out / ".finished").is_dir() else []
    return manifest["build"]["clips"] + len(waiting)


def test_a_clip_that_kills_its_worker_is_rejected(videos, tmp_path):
    corner = {f"clip{n:03d}": box_clip(n)[0, 0, 0].float().mean() for n in range(1, 60) if n % 10}
    dark = [name for name, level in corner.items() if level < 30][:2]
    bright = [name for name, level in corner.items() if level > 60][:10]
    assert len(dark) == 2
    store = build(
        [videos / f"{name}.mp4" for name in sorted(dark + bright)],
        tmp_path,
        config(tracker={"name": "tests.training.test_builder_cluster:Deadly"}),
    )
    gates = {line["key"].split("-")[0]: line["reasons"][0]["gate"] for line in store.rejections()}
    assert gates == dict.fromkeys(dark, "crash")
    assert store.manifest["build"]["accepted"] == len(bright)


def test_ray_with_two_workers_gives_the_same_shards(videos, undisturbed, tmp_path):
    pytest.importorskip("ray")
    build([videos], tmp_path, config(), ray="")
    check(tmp_path, undisturbed)
