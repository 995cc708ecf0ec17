"""From the settings of an ablation to configs and jobs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pointvid.errors import PointVidError
from pointvid.files.atomic import atomic_path
from pointvid.files.manifest import MANIFEST
from training.config import Augment, Regularize, Run, load_config, save_config

from .jobs import AblationJob
from .prepare import prepare_model, prepare_start, prepare_vae
from .variants import FIRST, Variant

REFERENCES = ("truth", "codec")
# What may change when an ablation goes on; everything else decides its numbers.
_FREE = {"out", "work", "cache", "variants", "seeds", "jobs", "encode_jobs"}


@dataclass(frozen=True)
class AblationPlan:
    """Settings of one ablation, resolved; `config.Ablation` is what a user writes.

    Attributes:
        out: results, videos and the report: small. work: configs, checkpoints, logs: large.
        cache: latents; variants: those to run; seeds: of training.
        steps1, steps2: of the first and the second run of every variant; batch1, batch2: clips a step of each.
        clips, sample_steps, guidance: what is generated and how.
        spacing: pixels between the tracks of the sparse variants.
        set1, set2: further `key=value` of the two runs.
        given: checkpoints that stand in for first runs, by name in `FIRST`, the same for all seeds.
        share_first: train each first run once, with this seed; all seeds go on from it. None: one per seed.
        base: a checkpoint of `mode: rgb_only` from which every first run starts, as the paper's do from a published
            model; it brings its autoencoder and shape. None: from scratch, with `vae` and `model`.
    """

    out: Path
    work: Path
    cache: Path
    shards: Path
    val_shards: Path
    vae: Path | None
    model: Path | None
    stage1: Path
    stage2: Path
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    steps1: int
    steps2: int
    batch1: int
    batch2: int
    clips: int
    sample_steps: int
    guidance: float
    spacing: int
    set1: tuple[str, ...] = ()
    set2: tuple[str, ...] = ()
    given: Mapping[str, Path] = field(default_factory=dict)
    share_first: int | None = None
    base: Path | None = None
    encode_jobs: int = 1

    def settings(self) -> dict[str, Any]:
        """What decides the numbers, as JSON; paths as seen from the working folder, as the report is published."""
        plain = {key: value for key, value in asdict(self).items() if key not in _FREE}
        return json.loads(json.dumps(plain, default=_shown))

    def result(self, name: str, seed: int | None = None) -> Path:
        """Where the figures of a variant, or of a reference, are."""
        return self.out / "results" / (f"{name}.json" if seed is None else f"{name}-{seed}.json")

    def videos(self, name: str) -> Path:
        """Where its first seed's videos are."""
        return self.out / "videos" / name

    def first(self, name: str, seed: int) -> Path:
        """What a first run makes, or what was given in its place."""
        return self.given.get(name) or self.checkpoint(f"first-{name}", self.first_seed(seed))

    def first_seed(self, seed: int) -> int:
        """The seed of the first run that this seed's second run goes on from."""
        return seed if self.share_first is None else self.share_first

    def checkpoint(self, run: str, seed: int) -> Path:
        """What a training run makes."""
        return self.work / "runs" / f"{run}-{seed}" / "model.safetensors"


def prepare(plan: AblationPlan) -> None:
    """Everything the jobs read that takes no time: the autoencoder and model files; and the settings they belong to.

    Raises:
        PointVidError: the folder holds an ablation with other settings.
    """
    path = plan.out / "settings.json"
    if path.is_file():
        before, now = json.loads(path.read_text(encoding="utf-8")), plan.settings()
        changed = [key for key in now if before.get(key) != now[key]]
        if changed:
            key = changed[0]
            raise PointVidError(
                f"{plan.out} holds an ablation with other settings ({key} is {now[key]}, was {before.get(key)}); "
                "give the same ones to go on, or another out"
            )
    if plan.base is None and not (plan.work / "vae" / "config.json").is_file():
        prepare_vae(plan.vae, plan.work / "vae")
    for name in {FIRST[variant.first].entry_attention for variant in plan.variants}:
        if plan.base is None:
            prepare_model(plan.model, name, _model(plan, name))
        elif not _start(plan, name).is_file():
            prepare_start(plan.base, name, _start(plan, name))
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(plan.settings(), indent=1), encoding="utf-8")


def make_jobs(plan: AblationPlan) -> list[AblationJob]:
    """All jobs, the important ones first; writes the configs that they read."""
    jobs: dict[str, AblationJob] = {}
    for job in _references(plan):
        jobs[job.name] = job
    for variant in plan.variants:
        for seed in plan.seeds:
            for job in _variant_jobs(plan, variant, seed):
                jobs.setdefault(job.name, job)
    return list(jobs.values())


def first_config(plan: AblationPlan, name: str, seed: int) -> Augment:
    """Stage 1, from scratch or from the base."""
    first = FIRST[name]
    if plan.base is None:
        start = [f"model.tiny={_model(plan, first.entry_attention)}", f"model.vae={plan.work / 'vae'}"]
    else:
        start = [f"model.checkpoint={_start(plan, first.entry_attention)}", "model.tiny=null", "model.vae=null"]
    return load_config(
        Augment,
        plan.stage1,
        [
            "model.checkpoint=null",
            *start,
            f"steps={plan.steps1}",
            f"batch_size={plan.batch1}",
            *_shared(plan, f"first-{name}", first.points, seed),
            *plan.set1,
            *_assignments(first.changes),
        ],
    )


def second_config(plan: AblationPlan, variant: Variant, seed: int) -> Run:
    """Stage 2, or stage 1 continued with every setting that the two stages share as in stage 2."""
    points = FIRST[variant.first].points
    changes = variant.changes if variant.stage == "regularize" else {}
    stage2 = load_config(
        Regularize,
        plan.stage2,
        [
            f"model.checkpoint={plan.first(variant.first, seed)}",
            f"steps={plan.steps2}",
            f"batch_size={plan.batch2}",
            *_shared(plan, variant.name, points, seed),
            *plan.set2,
            *_assignments(changes),
        ],
    )
    if variant.stage == "regularize":
        return stage2
    shared = {name: getattr(stage2, name) for name in Run.model_fields}
    return Augment(**shared, **variant.changes)


def _shared(plan: AblationPlan, run: str, points: str, seed: int) -> list[str]:
    return [
        f"out={plan.work / 'runs' / f'{run}-{seed}'}",
        f"data.shards={_shards(plan, points)}",
        "data.val_shards=null",
        f"data.cache={plan.cache}",
        "data.workers=0",
        # also in stage 2: then the latents of all runs are the same, and one cache serves them
        "model.train_encoders=true",
        f"seed={seed}",
        "validation.every=0",
        "save_every=500",
        "keep=1",
        "log_every=20",
        "trackers=[]",
    ]


def _variant_jobs(plan: AblationPlan, variant: Variant, seed: int) -> Iterator[AblationJob]:
    data = list(_data_jobs(plan, FIRST[variant.first].points))
    yield from data
    first_seed = plan.first_seed(seed)
    first, name = f"first-{variant.first}-{first_seed}", f"{variant.name}-{seed}"
    needs = tuple(job.name for job in data)
    if variant.first not in plan.given:
        yield _training(plan, first, first_config(plan, variant.first, first_seed), "augment", needs)
        needs = (first,)
    yield _training(plan, name, second_config(plan, variant, seed), variant.stage, needs)
    source = "joint" if variant.has_points else "video"
    videos = plan.videos(variant.name) if seed == plan.seeds[0] else None
    checkpoint = plan.checkpoint(variant.name, seed)
    yield _measuring(
        plan, f"measure-{name}", source, checkpoint, plan.result(variant.name, seed), videos, (name, "measure-truth")
    )


def _references(plan: AblationPlan) -> Iterator[AblationJob]:
    yield _measuring(plan, "measure-truth", "truth", None, plan.result("truth"), plan.videos("truth"), ())
    variant, seed = plan.variants[0], plan.seeds[0]
    checkpoint, needs = plan.first(variant.first, seed), ("measure-truth",)
    if variant.first not in plan.given:
        needs += (f"first-{variant.first}-{seed}",)
    yield _measuring(plan, "measure-codec", "codec", checkpoint, plan.result("codec"), plan.videos("codec"), needs)


def _data_jobs(plan: AblationPlan, points: str) -> Iterator[AblationJob]:
    """Other points where they are wanted, then latents, shared among some processes."""
    shards, needs = _shards(plan, points), ()
    if points != "exact":
        command = ["-m", "experiments.ablation.prepare", "points", "--shards", str(plan.shards), "--out", str(shards)]
        command += ["--interpolation", points, "--spacing", str(plan.spacing)]
        yield AblationJob(f"points-{points}", command, shards / MANIFEST, _log(plan, f"points-{points}"))
        needs = (f"points-{points}",)
    for rank in range(plan.encode_jobs):
        name = f"latents-{points}-{rank}"
        mark = plan.work / "marks" / f"{name}-of-{plan.encode_jobs}"
        command = ["-m", "experiments.ablation.prepare", "latents", "--shards", str(shards)]
        if plan.base is None:
            command += ["--vae", str(plan.work / "vae"), "--model", str(plan.model)]
        else:
            command += ["--checkpoint", str(plan.base)]
        command += ["--cache", str(plan.cache), "--rank", str(rank), "--ranks", str(plan.encode_jobs)]
        command += ["--mark", str(mark)]
        yield AblationJob(name, command, mark, _log(plan, name), needs)


def _training(plan: AblationPlan, name: str, config: Run, stage: str, needs: tuple[str, ...]) -> AblationJob:
    path = plan.work / "configs" / f"{name}.yaml"
    save_config(config, path)
    done = config.out / "model.safetensors"
    # a state holds the optimizer too and is not needed once the run is done
    finish = partial(shutil.rmtree, config.out / "states", ignore_errors=True)
    return AblationJob(name, ["-m", f"training.{stage}", str(path)], done, _log(plan, name), needs, finish=finish)


def _measuring(
    plan: AblationPlan,
    name: str,
    source: str,
    checkpoint: Path | None,
    out: Path,
    videos: Path | None,
    needs: tuple[str, ...],
) -> AblationJob:
    command = ["-m", "experiments.ablation.measure", source, "--shards", str(plan.val_shards), "--out", str(out)]
    command += ["--clips", str(plan.clips), "--steps", str(plan.sample_steps), "--guidance", str(plan.guidance)]
    command += ["--checkpoint", str(checkpoint)] if checkpoint else []
    command += ["--videos", str(videos)] if videos else []
    command += ["--followed", str(plan.result("truth"))] if source != "truth" else []
    return AblationJob(name, command, out, _log(plan, name), needs, late=True)


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _assignments(changes: dict[str, Any]) -> list[str]:
    return [f"{key}={json.dumps(value)}" for key, value in changes.items()]


def _shards(plan: AblationPlan, points: str) -> Path:
    return plan.shards if points == "exact" else plan.work / "data" / points


def _model(plan: AblationPlan, entry_attention: str) -> Path:
    return plan.work / "models" / f"{entry_attention}.yaml"


def _start(plan: AblationPlan, entry_attention: str) -> Path:
    return plan.work / "models" / f"{entry_attention}.safetensors"


def _log(plan: AblationPlan, name: str) -> Path:
    return plan.work / "logs" / f"{name}.log"
