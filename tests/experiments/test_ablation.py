"""The ablation: statistics against scipy, figures of known shapes, jobs, and a whole run on the tiny model."""

import dataclasses
import importlib
import json
import math
import os
import sys
import textwrap

import numpy as np
import pytest
import torch
import yaml
from scipy import stats

from experiments.ablate import ablate
from experiments.ablation.jobs import AblationJob, run_jobs
from experiments.ablation.measure import (
    at_pixels,
    followed_queries,
    foreground_queries,
    motion,
    procrustes_change,
    video_figures,
)
from experiments.ablation.plan import AblationPlan, first_config, make_jobs, prepare, second_config
from experiments.ablation.prepare import rewrite_points, sparse_points
from experiments.ablation.report import read_results
from experiments.ablation.statistics import difference, interval
from experiments.ablation.variants import FIRST, VARIANTS, variant
from pointvid.diffusion.bases.unet.joint import extract_base
from pointvid.diffusion.checkpoint import load_checkpoint
from pointvid.errors import PointVidError
from pointvid.files.manifest import verify_shards
from pointvid.point_map import PointMap
from pointvid.trackers.pipeline import track_points
from tests.training.tiny import moving_box
from training.config import Augment, Regularize, load_config
from training.data.shards import Shards
from training.loop import train
from training.stages.augment import AugmentStage


def test_intervals_are_scipys():
    values = np.random.default_rng(0).normal(3, 2, 7)
    found, expected = interval(values), stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.mean == pytest.approx(values.mean())
    single = interval([1.0])
    assert math.isnan(single.low)
    assert not single.excludes_zero


def test_differences_are_paired_over_seeds_and_over_clips():
    random = np.random.default_rng(1)
    clip_level, a = random.normal(0, 10, 6), random.normal(0, 0.1, (3, 6))  # clips differ far more than variants
    full = {(s, c): clip_level[c] + a[s, c] for s in range(3) for c in range(6)}
    other = {cell: value + 1 + 0.05 * cell[1] for cell, value in full.items()}
    found = difference(other, full)
    table = np.array([[other[s, c] - full[s, c] for c in range(6)] for s in range(3)])
    for axis, part in ((1, found.seeds), (0, found.clips)):
        expected = stats.ttest_1samp(table.mean(axis), 0).confidence_interval(0.95)
        assert (part.low, part.high) == pytest.approx((expected.low, expected.high))
    assert found.clear
    assert found.effect == pytest.approx(table.mean() / table.mean(0).std(ddof=1))
    assert not difference(full, full).clear
    assert difference({(0, 0): 1.0}, {(1, 0): 1.0}) is None
    del other[0, 0]  # a cell that one of them lacks is left out of both
    assert difference(other, full).clips.count == 6


def test_known_shapes_have_known_figures():
    square = torch.tensor([[0.0, 0], [0, 2], [2, 0], [2, 2]])
    turn = torch.tensor([[0.6, 0.8], [-0.8, 0.6]])
    moved = torch.stack((square, 1.5 * square @ turn + 3))
    assert procrustes_change(moved) == pytest.approx(0, abs=1e-6)
    # a square squashed to half its height: correlation (1 + 0.5) / sqrt(2) / sqrt(1.25), by hand
    squashed = torch.stack((square, square * torch.tensor([1.0, 0.5])))
    assert procrustes_change(squashed) == pytest.approx(math.sqrt(1 - 1.5**2 / (2 * 1.25)), rel=1e-5)
    mirrored = torch.tensor([[0.0, 0], [4, 0], [0, 1]])
    assert procrustes_change(torch.stack((mirrored, mirrored * torch.tensor([-1.0, 1.0])))) > 0.1
    assert motion(moved) == pytest.approx((moved[1] - moved[0]).norm(dim=-1).quantile(0.5).item())
    assert procrustes_change(torch.stack((square, torch.zeros_like(square)))) == pytest.approx(1)


def test_queries_are_pixels_of_the_mask():
    mask = torch.zeros(20, 30, dtype=torch.bool)
    mask[3:12, 5:25] = True
    queries = foreground_queries(mask, 64)
    assert queries.shape == (64, 2)
    assert mask[queries[:, 1].long(), queries[:, 0].long()].all()


def test_the_true_video_goes_where_its_caption_says():
    sample = moving_box(1, frames=4, size=32)
    every = torch.arange(len(foreground_queries(sample.point_map.mask)))
    figures = video_figures(sample.video, sample, every)
    assert figures["direction"] == 1
    assert figures["psnr"] > 60
    still = video_figures(sample.video[:1].expand_as(sample.video), sample, every)
    assert still["motion_px"] < 0.1
    assert still["direction"] == 0
    # of points that do not change their distances, the tracker's own error is all there is
    assert figures["rigidity"] < 5
    grown = video_figures(grow(sample.video), sample, every)
    assert grown["rigidity"] > 3 * figures["rigidity"]
    few = video_figures(sample.video, sample, every[:3])
    assert "rigidity" in figures
    assert "rigidity" not in few  # three points have no shape to speak of
    assert few["direction"] == 1


def grow(video):
    """Each frame a tenth larger about its middle than the one before."""
    frames = video.permute(0, 3, 1, 2).float()
    grid = [
        torch.nn.functional.affine_grid(torch.eye(2, 3)[None] / 1.1**t, (1, 3, *video.shape[1:3]), align_corners=False)
        for t in range(len(video))
    ]
    larger = torch.nn.functional.grid_sample(frames, torch.cat(grid), align_corners=False, padding_mode="border")
    return larger.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def test_points_that_cannot_be_followed_do_not_count():
    sample = moving_box(1, frames=4, size=32)
    queries = foreground_queries(sample.point_map.mask)
    kept = followed_queries(sample)
    assert 8 <= len(kept) <= len(queries)
    truth = at_pixels(sample.point_map.points, queries)
    error = (track_points(sample.video, queries).uvd - truth)[..., :2].norm(dim=-1).amax(0)
    assert set(kept.tolist()) == {i for i, furthest in enumerate(error.tolist()) if furthest <= 2}
    gone = dataclasses.replace(sample, video=sample.video[:1].expand_as(sample.video).contiguous())
    assert len(followed_queries(gone)) == 0  # the box goes 3 px and the video does not show it


def test_sparse_points_are_exact_where_displacement_is_constant():
    point_map = moving_box(0).point_map
    kept = sparse_points(point_map, "displacement", 4)
    assert torch.allclose(kept.points, point_map.points, atol=1e-4)
    absolute = sparse_points(point_map, "absolute", 4)
    assert (absolute.points - point_map.points).abs().max() > 0.5
    assert torch.equal(absolute.mask, point_map.mask)


def test_rewritten_shards_have_other_points_and_the_same_videos(shards_folder, tmp_path):
    rewrite_points(shards_folder, tmp_path / "absolute", "absolute", 4)
    before, after = Shards(shards_folder), Shards(tmp_path / "absolute")
    verify_shards(tmp_path / "absolute")
    assert len(before) == len(after)
    one, two = before[5], after[5]
    assert torch.equal(one.video, two.video)
    assert one.caption == two.caption
    expected = sparse_points(one.point_map, "absolute", 4)
    assert (two.point_map.points - expected.points).abs().max() < 0.01
    assert isinstance(two.point_map, PointMap)


def _script(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return [str(path)]


def test_jobs_wait_for_each_other_and_go_on(tmp_path):
    order = tmp_path / "order"
    write = """
        import sys, pathlib
        path = pathlib.Path(sys.argv[1])
        path.write_text("x")
        with open(sys.argv[2], "a") as file:
            file.write(path.name + " ")
    """
    script = _script(tmp_path, "write.py", write)
    bad = _script(tmp_path, "bad.py", "raise SystemExit('error: it broke')")

    def job(name, needs=(), command=None, **more):
        command = command or [*script, str(tmp_path / name), str(order)]
        return AblationJob(name, command, tmp_path / name, tmp_path / "logs" / name, needs, **more)

    lines = []
    jobs = [job("c", ("b",)), job("b", ("a",)), job("a"), job("bad", command=bad), job("after", ("bad",))]
    outcome = run_jobs(jobs, 2, report=lines.append)
    assert order.read_text().split() == ["a", "b", "c"]
    assert set(outcome.done) == {"a", "b", "c"}
    assert list(outcome.failed) == ["bad"]
    assert outcome.missing == ["after"]
    assert any("it broke" in line for line in lines)
    (tmp_path / "b").unlink()
    run_jobs(jobs[:3], 2, report=lines.append)
    assert order.read_text().split() == ["a", "b", "c", "b"]


def test_after_the_deadline_only_late_jobs_start(tmp_path):
    script = _script(tmp_path, "write.py", "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('x')")
    jobs = [
        AblationJob(name, [*script, str(tmp_path / name)], tmp_path / name, tmp_path / f"{name}.log", needs, late)
        for name, needs, late in (("train", (), False), ("other", (), False), ("measure", ("train",), True))
    ]
    times = iter([0.0, 1.0, 1.0])  # started; then before the deadline, and ever after it
    outcome = run_jobs(jobs, 1, deadline=5, report=lambda line: None, clock=lambda: next(times, 10.0))
    assert set(outcome.done) == {"train", "measure"}
    assert outcome.missing == ["other"]


def test_jobs_that_run_too_long_are_stopped_and_measuring_goes_on(tmp_path):
    script = _script(tmp_path, "write.py", "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('x')")
    slow = _script(tmp_path, "slow.py", "import time; time.sleep(600)")
    jobs = [
        AblationJob("slow", slow, tmp_path / "slow", tmp_path / "slow.log"),
        AblationJob(
            "measure", [*script, str(tmp_path / "measure")], tmp_path / "measure", tmp_path / "m.log", late=True
        ),
    ]
    outcome = run_jobs(jobs, 2, end=0.5, report=lambda line: None)
    assert set(outcome.done) == {"measure"}
    assert outcome.missing == ["slow"]
    assert not outcome.failed


@pytest.mark.skipif(os.name != "posix", reason="asks POSIX whether a process is alive")
def test_an_interrupt_takes_the_jobs_along(tmp_path):
    script = _script(tmp_path, "slow.py", "import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    log = tmp_path / "slow.log"

    def interrupt():
        if log.is_file() and log.read_text().strip():
            raise KeyboardInterrupt
        return 0.0

    with pytest.raises(KeyboardInterrupt):
        run_jobs([AblationJob("slow", script, tmp_path / "slow", log)], 1, report=lambda line: None, clock=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)


@pytest.fixture
def plan(tmp_path, shards_folder, vae_folder, small_model_file):
    shared = {"precision": "fp32", "ema_decay": 0.5, "optimizer": {"lr": 1e-3}, "steps": 9, "out": "unused"}
    model = {"checkpoint": "unused"}
    stage1, stage2 = tmp_path / "s1.yaml", tmp_path / "s2.yaml"
    stage1.write_text(yaml.safe_dump({**shared, "data": {"shards": "unused"}, "model": model}), encoding="utf-8")
    stage2.write_text(
        yaml.safe_dump({**shared, "data": {"shards": "unused"}, "model": model, "neighbours": 4}), encoding="utf-8"
    )
    work = tmp_path / "work"
    folders = {"out": tmp_path / "out", "work": work, "cache": work / "latents", "model": small_model_file}
    data = {"shards": shards_folder, "val_shards": shards_folder, "vae": vae_folder, "stage1": stage1, "stage2": stage2}
    numbers = {
        "steps1": 2,
        "steps2": 2,
        "batch1": 2,
        "batch2": 2,
        "clips": 2,
        "sample_steps": 2,
        "guidance": 2.0,
        "spacing": 4,
    }
    return AblationPlan(variants=VARIANTS, seeds=(0, 1), **folders, **data, **numbers)


def test_variants_differ_in_what_they_say_and_nothing_else(plan):
    full = second_config(plan, variant("full"), 0)
    assert isinstance(full, Regularize)
    continued = second_config(plan, variant("no_regularization"), 0)
    assert type(continued) is Augment
    assert continued.mode == "joint"
    for name in ("optimizer", "steps", "batch_size", "conditioning", "data", "model", "seed"):
        assert getattr(continued, name) == getattr(full, name), name
    for item in VARIANTS:
        config = second_config(plan, item, 1)
        assert config.steps == plan.steps2
        assert config.seed == 1
        assert config.model.checkpoint == plan.first(item.first, 1)
    assert second_config(plan, variant("no_diffusion_loss"), 0).weights.ddim == 0
    assert second_config(plan, variant("grad_last"), 0).grad_step == "last"
    assert first_config(plan, "rgb_only", 0).mode == second_config(plan, variant("rgb_only"), 0).mode == "rgb_only"


def test_model_files_differ_in_the_entry_attention(plan):
    prepare(plan)
    for name, first in FIRST.items():
        config = first_config(plan, name, 0)
        model = yaml.safe_load(config.model.tiny.read_text(encoding="utf-8"))
        assert model["entry_attention"] == first.entry_attention


def test_a_given_checkpoint_takes_the_place_of_first_runs(plan, tmp_path):
    given = AblationPlan(**{**plan.__dict__, "given": {"joint": tmp_path / "stage1.safetensors"}})
    names = {job.name: job for job in make_jobs(given)}
    assert "first-joint-0" not in names
    assert all(set(job.needs) <= set(names) for job in names.values())
    assert "first-entry_none-0" in names
    assert names["full-1"].needs == ("latents-exact-0",)
    assert second_config(given, variant("full"), 1).model.checkpoint == tmp_path / "stage1.safetensors"
    assert given.settings()["given"] == {"joint": str(tmp_path / "stage1.safetensors")}


def test_published_settings_hold_no_path_of_the_machine(plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert plan.settings()["stage1"] == "s1.yaml"
    assert not {"out", "work", "cache"} & set(plan.settings())


def test_a_first_run_can_be_shared_by_all_seeds(plan):
    shared = AblationPlan(**{**plan.__dict__, "share_first": 7})
    names = {job.name: job for job in make_jobs(shared)}
    assert "first-joint-7" in names
    assert not {"first-joint-0", "first-joint-1"} & set(names)
    assert names["full-1"].needs == ("first-joint-7",)
    config = second_config(shared, variant("full"), 1)
    assert config.seed == 1
    assert config.model.checkpoint == shared.first("joint", 0) == shared.first("joint", 1)
    # going on with other seeds goes on from the same first run
    assert AblationPlan(**{**shared.__dict__, "seeds": (5, 6)}).first("joint", 5) == shared.first("joint", 0)


def test_other_settings_do_not_go_into_the_same_folder(plan):
    prepare(plan)
    changed = AblationPlan(**{**plan.__dict__, "steps1": 3})
    with pytest.raises(PointVidError, match="steps1 is 3, was 2"):
        prepare(changed)


def test_jobs_come_in_an_order_that_can_run(plan):
    seen = set()
    jobs = make_jobs(plan)
    names = [job.name for job in jobs]
    assert len(names) == len(set(names))
    assert names.index("full-1") < names.index("rgb_only-0") < names.index("sparse_absolute-0")
    for job in jobs:
        assert set(job.needs) <= set(names)
        seen.add(job.name)
    assert {f"measure-{item.name}-{seed}" for item in VARIANTS for seed in (0, 1)} <= seen


def run_here(plan, monkeypatch):
    """Every job in this process, where libraries are loaded already."""
    prepare(plan)
    for job in make_jobs(plan):
        module, arguments = job.command[1], job.command[2:]
        monkeypatch.setattr(sys, "argv", [module, *arguments])
        importlib.import_module(module).main()
        assert job.mark.exists(), job.name


@pytest.mark.slow
def test_a_whole_ablation_and_its_report(plan, monkeypatch):
    chosen = tuple(variant(name) for name in ("full", "rgb_only", "sparse_absolute"))
    plan = AblationPlan(**{**plan.__dict__, "variants": chosen})
    jobs = {job.name: job for job in make_jobs(plan)}
    order = [job for job in jobs.values() if job.name != "measure-codec"] + [jobs["measure-codec"]]
    monkeypatch.setattr("tests.experiments.test_ablation.make_jobs", lambda plan: order)
    run_here(plan, monkeypatch)
    outcome = ablate(plan, jobs=1)  # finds everything done, and reports
    assert set(outcome.done.values()) == {0.0}
    assert not outcome.failed
    assert not outcome.missing
    results = json.loads((plan.out / "report.json").read_text(encoding="utf-8"))
    assert results["missing"] == []
    assert set(results["raw"]) == {"full", "rgb_only", "sparse_absolute", "truth", "codec"}
    assert results["means"]["full"]["rigidity"]["cells"] == 4
    assert not any(name.startswith("point_") for name in results["means"]["rgb_only"])
    rows = results["raw"]
    expected = np.mean([[rows["rgb_only"][s][c]["psnr"] - rows["full"][s][c]["psnr"] for c in (0, 1)] for s in "01"])
    assert results["differences"]["rgb_only"]["psnr"]["seeds"]["mean"] == pytest.approx(expected, rel=1e-3)
    page = (plan.out / "report.html").read_text(encoding="utf-8")
    assert page.count("<video") == 2 * 5
    assert "http:" not in page
    assert len(list(plan.cache.iterdir())) == 2  # one cache for every run on the exact points, one for the others
    (plan.out / "results" / "rgb_only-1.json").unlink()
    assert read_results(plan.out)["missing"] == ["rgb_only, seed 1"]


def trained(config, *changes):
    """What `python -m training.augment CONFIG ...` makes."""
    settings = load_config(Augment, config, changes)
    return train(AugmentStage(settings))


@pytest.mark.slow
def test_an_ablation_from_a_base_without_points(plan, stage1_config, tmp_path, monkeypatch):
    base = trained(stage1_config(mode="rgb_only", out=str(tmp_path / "base")))
    plan = AblationPlan(**{**plan.__dict__, "vae": None, "base": base, "seeds": (0,)})
    plan = AblationPlan(
        **{**plan.__dict__, "variants": tuple(variant(n) for n in ("full", "rgb_only", "no_cross_attention"))}
    )
    jobs = [job for job in make_jobs(plan) if job.name != "measure-codec"]  # comes before the model that it reads
    monkeypatch.setattr("tests.experiments.test_ablation.make_jobs", lambda plan: jobs)
    run_here(plan, monkeypatch)
    assert len(list(plan.cache.iterdir())) == 1  # the base brings the one autoencoder that all use
    assert not plan.settings()["vae"]
    whole = load_checkpoint(base)
    for kind in ("spatial", "none"):
        start = load_checkpoint(plan.work / "models" / f"{kind}.safetensors")
        assert start.info.stage == "initial"
        assert start.info.config.entry_attention == kind
        video = extract_base(start.weights, start.info.config)
        expected = extract_base(whole.weights, whole.info.config)
        assert all(torch.equal(video[key], value) for key, value in expected.items())
        assert not start.weights["conv_out.weight"][4:].any()  # no points yet
        assert start.weights["conv_out.weight"][:4].any()
    made = load_checkpoint(plan.first("joint", 0))
    assert made.weights["conv_out.weight"][4:].any()


def test_a_base_that_knows_points_is_refused(plan, stage1_config):
    joint = trained(stage1_config())
    with pytest.raises(PointVidError, match="was trained with mode joint, expected rgb_only"):
        prepare(AblationPlan(**{**plan.__dict__, "vae": None, "base": joint}))


@pytest.mark.slow
def test_an_ablation_in_processes_of_its_own(plan, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    plan = AblationPlan(**{**plan.__dict__, "variants": (variant("full"), variant("rgb_only"))})
    outcome = ablate(plan, jobs=2)
    assert {name: log.read_text(encoding="utf-8")[-2000:] for name, log in outcome.failed.items()} == {}
    assert not outcome.missing
    assert not list((plan.work / "runs").glob("*/states"))  # not needed once a run is done
    assert len(list(plan.cache.iterdir())) == 1
    assert set(ablate(plan, jobs=2).done.values()) == {0.0}


def test_nothing_measured_is_an_error(plan, tmp_path):
    with pytest.raises(PointVidError, match="holds no ablation"):
        read_results(tmp_path / "nothing")
    prepare(plan)
    with pytest.raises(PointVidError, match="nothing was measured"):
        read_results(plan.out)
