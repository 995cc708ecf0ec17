"""What a YAML file may say. Unknown keys, wrong types and impossible combinations are errors before any work starts."""

from __future__ import annotations

import difflib
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pointvid.errors import PointVidError
from pointvid.files.atomic import atomic_path
from pointvid.files.readable import readable

MOST_VALUES = 100_000
"""Of a config, aliases written out."""


class Strict(BaseModel):
    """A group of settings: every key is declared here, nothing else is accepted."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class Data(Strict):
    """Where samples come from. `shards` holds manifest.json and *.tar, as `training.synthesize` writes them."""

    shards: Path
    val_shards: Path | None = None
    cache: Path | None = Field(None, description="folder of latents encoded once; None: <out>/latents")
    skip_damaged: bool = Field(
        False, description="check every sample first and leave out what is damaged, by name; false: stop at it"
    )
    workers: int = Field(2, ge=0, le=1024, description="loader processes a rank")
    shards_in_window: int = Field(8, ge=1, description="samples are shuffled among this many shards at a time")


class Model(Strict):
    """Which weights to start from, and which parts are trained."""

    checkpoint: Path | None = Field(None, description="all-in-one or joint checkpoint; stage 2: stage 1's")
    tiny: Path | None = Field(None, description="YAML of a small model to make from scratch instead")
    vae: Path | None = Field(None, description="diffusers folder of a trained VAE, with `tiny`")
    train_encoders: bool = Field(False, description="also train the text and image encoders")
    lora_rank: int | None = Field(None, ge=1, description="train low-rank additions instead of the weights")
    lora_alpha: float | None = Field(None, gt=0, description="None: the rank")
    gradient_checkpointing: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> Model:
        if (self.checkpoint is None) == (self.tiny is None):
            raise ValueError("give either model.checkpoint (weights to go on from) or model.tiny (a model to make)")
        if self.lora_rank and self.train_encoders:
            raise ValueError(
                "model.lora_rank trains additions to the denoiser only, expected model.train_encoders: false"
            )
        return self


_Beta = Annotated[float, Field(ge=0, lt=1)]


class Optimizer(Strict):
    """AdamW and its schedule."""

    lr: float = Field(3e-5, gt=0, description="peak; VGen's 3e-5 for full fine-tuning")
    betas: tuple[_Beta, _Beta] = (0.9, 0.999)
    eps: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    kind: Literal["adamw", "adamw_8bit"] = "adamw"
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = Field(0, ge=0)
    final_lr: float = Field(0.0, ge=0, le=1, description="share of `lr` at which a cosine ends")


class Conditioning(Strict):
    """What is left out at random, so that guidance has something to compare with; and the shape of the noise."""

    drop_text: float = Field(0.1, ge=0, le=1)
    drop_image: float = Field(0.1, ge=0, le=1, description="zeroes the image embedding; the image latent stays")
    drop_points: float = Field(0.1, ge=0, le=1, description="zeroes the point half's input, for inner guidance")
    offset_noise: float = Field(0.1, ge=0, description="a share of noise that is constant over a channel; VGen's 0.1")


class Validation(Strict):
    """The held-out loss, at fixed timesteps and noise, and samples to look at."""

    every: int = Field(500, ge=0, description="steps; 0: never")
    batches: int = Field(8, ge=1)
    samples: int = Field(2, ge=0, description="videos and point clouds to make each time")
    sample_steps: int = Field(20, ge=1)
    guidance: float = Field(4.0, ge=0)


class Run(Strict):
    """One training run: the settings both stages share."""

    out: Path
    data: Data
    model: Model
    optimizer: Optimizer = Optimizer()
    conditioning: Conditioning = Conditioning()
    validation: Validation = Validation()
    steps: int = Field(ge=1, description="optimizer steps")
    batch_size: int = Field(4, ge=1, description="clips a rank and micro step")
    accumulate: int = Field(1, ge=1, description="micro steps an optimizer step")
    precision: Literal["fp32", "bf16", "fp16"] = "bf16"
    ema_decay: float = Field(0.9999, ge=0, lt=1, description="0: no average is kept")
    seed: int = Field(0, ge=0)
    save_every: int = Field(500, ge=1)
    keep: int = Field(3, ge=1, description="how many of the last states are kept")
    log_every: int = Field(10, ge=1)
    trackers: list[str] = Field(["tensorboard"], description="names accelerate knows: tensorboard, wandb, ...")


class Augment(Run):
    """Stage 1: the joint denoising loss (paper section 3.2)."""

    mode: Literal["joint", "rgb_only"] = Field("joint", description="rgb_only: the ablation's baseline")
    point_weight: float = Field(1.0, ge=0, description="weight of the point half's loss against the video half's")
    min_snr_gamma: float | None = Field(None, gt=0, description="weigh timesteps as arXiv 2303.09556 does; None: alike")


class Weights(Strict):
    """Weights of the regularisation's terms; those left None are calibrated on the first batches and stored."""

    ddim: float = Field(1.0, ge=0, description="0 reproduces the paper's failing ablation")
    recon: float | None = Field(None, ge=0)
    rigid: float | None = Field(None, ge=0)
    position: float | None = Field(None, ge=0, description="c0 of equation 1")
    velocity: float | None = Field(None, ge=0, description="c1")
    acceleration: float | None = Field(None, ge=0, description="c2")
    background: float | None = Field(None, ge=0, description="of equation 1 where the true P has no foreground")
    calibrate_by: Literal["value", "gradient"] = "value"
    calibration_batches: int = Field(4, ge=1)
    share: float = Field(1.0, gt=0, description="scale of L_recon and L_rigid against L_ddim after calibration")


class Regularize(Run):
    """Stage 2: the losses on the decoded points (paper section 3.3)."""

    weights: Weights = Weights()
    grad_step: Literal["last", "random", "x0_at_t"] = "x0_at_t"
    ddim_steps: int = Field(20, ge=1, description="of the whole schedule; the rollout starts at `start` of it")
    start: tuple[float, float] = Field(
        (0.1, 0.6), description="where z_t lies: a share of the schedule, of flow a share of noise; drawn evenly"
    )
    space: Literal["xyz", "uvd"] = "xyz"
    neighbours: int = Field(8, ge=1, description="k of the rigidity graph")
    max_points: int = Field(4096, ge=16, description="foreground pixels that the geometric losses look at, a clip")
    decode_chunk: int = Field(
        2, ge=1, description="frames decoded at a time, recomputed in the backward pass if the batch has more"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Regularize:
        if not 0 < self.start[0] <= self.start[1] <= 1:
            raise ValueError(f"start is {list(self.start)}, expected 0 < first <= second <= 1")
        return self


class Vae(Strict):
    """`training.train_vae`: a small AutoencoderKL on RGB frames and point frames."""

    out: Path
    data: Data
    model: Path = Field(description="YAML of the small model")
    start_from: Path | None = Field(None, description="diffusers folder of weights to go on from")
    optimizer: Optimizer = Optimizer()
    steps: int = Field(ge=1)
    batch_size: int = Field(8, ge=1, description="clips")
    frames_a_clip: int = Field(2, ge=1, description="frames of each clip and half that a step looks at")
    accumulate: int = Field(1, ge=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    ema_decay: float = Field(0.995, ge=0, lt=1)
    kl_weight: float = Field(1e-6, ge=0)
    square_weight: float = Field(4.0, ge=0, description="of the squared error, which small, saturated things need")
    gradient_weight: float = Field(0.5, ge=0, description="L1 between image gradients: sharp edges without a network")
    foreground_weight: float = Field(4.0, ge=1, description="how much more a foreground pixel of a point frame counts")
    seed: int = Field(0, ge=0)
    save_every: int = Field(200, ge=1)
    keep: int = Field(2, ge=1)
    log_every: int = Field(20, ge=1)
    trackers: list[str] = ["tensorboard"]


def load_config(kind: type[Strict], path: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Any:
    """Read YAML, apply `key.sub=value` overrides, check everything.

    Args:
        overrides: as on the command line; values are YAML, so `lr=1e-4` is a number and `a=[1,2]` a list.
    Raises:
        PointVidError: not YAML, or a key or value is wrong; an unknown key is answered with the nearest one.
    """
    path = Path(path)
    with readable(f"config {path}", "a YAML file of settings"):
        settings = _from_yaml(path.read_text(encoding="utf-8-sig"))
    if not isinstance(settings, dict):
        raise PointVidError(f"config {path}: is a {type(settings).__name__}, expected keys and values")
    for override in overrides:
        _override(settings, override)
    wrong = [key for key in settings if not isinstance(key, str)]
    if wrong:
        raise PointVidError(f"config {path}: has the key {wrong[0]!r}, expected names of settings")
    try:
        return kind(**settings)
    except PointVidError as error:  # of a dataclass of the library, which names the key itself
        raise PointVidError(f"config {path}: {error}") from error
    except ValidationError as error:
        raise PointVidError(f"config {path}: " + "; ".join(_explain(kind, item) for item in error.errors())) from error


def save_config(config: Strict, path: Path) -> None:
    """Write the resolved config, every default spelled out, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), encoding="utf-8")


def _override(settings: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise PointVidError(f"override {override!r}: expected key=value, as in optimizer.lr=1e-4")
    *groups, last = key.split(".")
    for group in groups:
        if settings.get(group) is None:
            settings[group] = {}  # also where the file switches the group off
        settings = settings[group]
        if not isinstance(settings, dict):
            raise PointVidError(f"override {override!r}: {group} is a value, not a group of settings")
    with readable(f"override {override[:80]!r}", "key=value, as in optimizer.lr=1e-4"):
        settings[last] = _from_yaml(value)


def _explain(kind: type[BaseModel], error: dict[str, Any]) -> str:
    """One problem pydantic found, in our words."""
    *groups, last = [str(part) for part in error["loc"]] or [""]
    name = ".".join([*groups, last])
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        for group in groups:
            kind = _group(get_type_hints(kind)[group])
        nearest = difflib.get_close_matches(last, _keys(kind), 1, 0.0)
        return f"unknown key {name}, did you mean {'.'.join([*groups, *nearest])}?"
    if error["type"] == "missing":
        return f"{name} is missing"
    message = error["msg"].removeprefix("Value error, ")
    found = f" (found {repr(error['input'])[:80]})" if not isinstance(error["input"], dict) else ""
    return f"{name}: {message}{found}" if name else message


def _group(annotation: Any) -> type:
    """The settings in `Group` or `Group | None`."""
    return next(
        kind for kind in (annotation, *get_args(annotation)) if hasattr(kind, "model_fields") or is_dataclass(kind)
    )


def _keys(kind: Any) -> list[str]:
    """Of a model, or of a dataclass of the library."""
    return [item.name for item in fields(kind)] if is_dataclass(kind) else list(kind.model_fields)


def _from_yaml(text: str) -> Any:
    """The value, once its size is known: aliases let nine lines be a billion values."""
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    if _size(value, {}) > MOST_VALUES:
        raise ValueError(f"its aliases stand for more than {MOST_VALUES} values")
    return value


def _size(value: Any, known: dict[int, int]) -> int:
    """How many values there are, each counted as often as an alias repeats it."""
    if not isinstance(value, dict | list | tuple | set):
        return 1
    if id(value) not in known:
        items = [*value, *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(item, known) for item in items)
    return known[id(value)]


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 1e-4 as a string; people mean the number. A key that stands twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise yaml.YAMLError(f"the key {sorted(twice)[0]!r} stands twice{node.start_mark}")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+0123456789."),
)
