"""Every setting of an ablation; experiments/configs/ablation_cpu/ablate.yaml is an example with comments."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator, model_validator

from pointvid.files.manifest import read_manifest
from training.config import Augment, Regularize, Strict, load_config

from .plan import AblationPlan
from .variants import FIRST, REFERENCE, VARIANTS

_CONFIGS = Path(__file__).resolve().parents[2] / "training" / "configs"


class Ablation(Strict):
    """`python -m experiments.ablate`."""

    out: Path = Field(description="folder of results, videos and the report; some MB")
    work: Path | None = Field(None, description="folder of configs, logs, checkpoints; None: out/work; hundreds of MB")
    cache: Path | None = Field(None, description="folder of latents, shared by all runs; None: work/latents")
    shards: Path = Field(description="training clips (training.synthesize)")
    val_shards: Path = Field(description="held-out clips, of the split val or test")

    vae: Path | None = Field(None, description="diffusers folder of train_vae, or an all-in-one checkpoint; or `base`")
    model: Path = Field(_CONFIGS / "tiny_model.yaml", description="YAML of the small model; not with `base`")
    base: Path | None = Field(None, description="checkpoint of `training.augment mode=rgb_only` that all start from")
    first: dict[str, Path] = Field({}, description="stage-1 checkpoints, for all seeds, in place of first runs by name")
    share_first: int | None = Field(None, description="train each first run once, with this seed")

    stage1: Path = Field(_CONFIGS / "tiny_stage1.yaml", description="config of the first run")
    stage2: Path = Field(_CONFIGS / "tiny_stage2.yaml", description="config of the second run")
    set1: list[str] = Field([], description="further settings of the first runs, as key=value")
    set2: list[str] = Field([], description="further settings of the second runs, as key=value")
    steps1: int | None = Field(None, ge=1, description="of the first run; None: as its config has it")
    steps2: int | None = Field(None, ge=1, description="of stage 2, or more of stage 1; None: as its config has it")
    batch: int | None = Field(None, ge=1, description="clips a step; None: as each config has it")
    variants: list[str] | None = Field(None, description="None: all of variants.py")
    seeds: list[int] = Field([0, 1, 2], min_length=1, description="of training; three or more give intervals")

    clips: int = Field(32, ge=1, description="held-out clips to generate")
    sample_steps: int = Field(20, ge=1)
    guidance: float = Field(3.0, ge=0)
    spacing: int = Field(4, ge=1, description="pixels between the tracks of the sparse variants")

    jobs: int = Field(1, ge=1, description="processes side by side, of one thread each; they share the device")
    deadline: float | None = Field(None, ge=0, description="seconds: start no training later, measure what is there")
    end: float | None = Field(None, ge=0, description="seconds: stop trainings that still run then")

    @field_validator("variants")
    @classmethod
    def _known_variants(cls, names: list[str] | None) -> list[str] | None:
        known = [variant.name for variant in VARIANTS]
        for name in names or []:
            if name not in known:
                raise ValueError(f"{name!r} is no variant, expected some of {', '.join(known)}")
        return names

    @field_validator("first")
    @classmethod
    def _first_runs_that_are_there(cls, given: dict[str, Path]) -> dict[str, Path]:
        for name, path in given.items():
            if name not in FIRST or not path.is_file():
                raise ValueError(f"{name}: {path}: expected a file, by one of the names {', '.join(FIRST)}")
        return given

    @model_validator(mode="after")
    def _one_start(self) -> Ablation:
        if (self.vae is None) == (self.base is None):
            raise ValueError("give either vae (first runs from scratch) or base (from a trained model)")
        return self

    def plan(self) -> AblationPlan:
        """With what the stages' own configs say, where this one is silent.

        Raises:
            PointVidError: a stage's config is wrong, or the shards have no manifest.
        """
        chosen = {REFERENCE, *(self.variants or (variant.name for variant in VARIANTS))}
        work = self.work or self.out / "work"
        stage1, stage2 = load_config(Augment, self.stage1), load_config(Regularize, self.stage2)
        return AblationPlan(
            out=self.out,
            work=work,
            cache=self.cache or work / "latents",
            shards=self.shards,
            val_shards=self.val_shards,
            vae=self.vae,
            model=None if self.base else self.model,
            base=self.base,
            stage1=self.stage1,
            stage2=self.stage2,
            variants=tuple(variant for variant in VARIANTS if variant.name in chosen),
            seeds=tuple(self.seeds),
            steps1=self.steps1 or stage1.steps,
            steps2=self.steps2 or stage2.steps,
            batch1=self.batch or stage1.batch_size,
            batch2=self.batch or stage2.batch_size,
            set1=tuple(self.set1),
            set2=tuple(self.set2),
            given=self.first,
            share_first=self.share_first,
            clips=self.clips,
            sample_steps=self.sample_steps,
            guidance=self.guidance,
            spacing=self.spacing,
            encode_jobs=max(1, min(self.jobs, len(read_manifest(self.shards)["shards"]))),
        )
