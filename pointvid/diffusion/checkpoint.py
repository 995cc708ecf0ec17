"""The checkpoint file: one safetensors file that says what it is. `docs/checkpoint-format.md` specifies it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from .. import __version__
from ..errors import PointVidError
from ..files.atomic import atomic_path
from ..files.document import Number, Whole, check_shape, parse_document
from ..files.readable import readable, reason
from ..files.revision import git_revision
from ..points.point_range import PointRange
from ..tracks import MOST_FPS
from ..weights.check import check_shapes
from .bases import base_model, base_models
from .bases.base import Sampling
from .latents import LatentSpace
from .process import Process, process_from_diffusers

FORMAT = 1
STAGES = ("initial", "augment", "regularize")
NETWORK_PREFIX = "model.diffusion_model."
PART_PREFIXES = {
    "text_encoder": "cond_stage_model.",
    "image_encoder": "clip_vision.",
    "vae": "first_stage_model.",
    "tokenizer": "tokenizer.",
}
_KEY = "pointvid."
_OPTIONAL = {"latent", "sampling"}
_NETWORK = "network"
_SHAPE = {
    "base": str,
    "resolution": (Whole(8, 16384), Whole(8, 16384)),
    "frames": Whole(1, 10_000),
    "fps": Number(0, MOST_FPS, above=True),
    "stage": str,
    "step": Whole(0),
    "configs": {str: dict},
    "training": dict,
    "version": str,
    "revision": str,
    "config": dict,
    "schedule": {
        "num_train_timesteps?": Whole(1, 100_000),
        "steps_offset?": Whole(0, 100_000),
        "beta_start?": Number(0, 1),
        "beta_end?": Number(0, 1),
        "shift?": Number(0, 1e6),
        "uniform_share?": Number(0, 1),
        "rescale_betas_zero_snr?": bool,
        "set_alpha_to_one?": bool,
    },
    "point_range": dict,
    "latent?": {"channels": Whole(1, 4096), "strides": [Whole(1, 4096)], "multiple?": [Whole(1, 16384)]},
    "sampling?": {"steps?": Whole(1, 100_000), "guidance?": float, "sampler?": str, "scheduler?": str},
}
"""Of the metadata of format 1; the base and its config are checked by their own classes."""
_PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint's metadata says.

    Attributes:
        base: name of the base model's adapter.
        config: of the joint network, of the adapter's `config_type`.
        process: the noise law it was trained with.
        resolution: (H, W) in pixels it was trained at; frames, fps: of its clips.
        point_range: how its point half encodes (u, v, depth).
        stage: "initial" (converted, untrained), "augment" (stage 1) or "regularize" (stage 2); step: of that stage.
        configs: `config.json` of the encoders the file holds, by part name; "image_processor": of the image's CLIP.
        training: what the trainer wants remembered (loss weights, data fingerprint), not interpreted here.
        version, revision: of the pointvid that wrote it.
        latent: the space it works in; None: the adapter's.
        sampling: how it is best sampled; None: as the base is.
    """

    base: str
    config: Any
    process: Process
    resolution: tuple[int, int]
    frames: int
    fps: float
    point_range: PointRange
    stage: str = "initial"
    step: int = 0
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    version: str = __version__
    revision: str = field(default_factory=git_revision)
    latent: LatentSpace = None  # type: ignore[assignment]  # never None once it is made
    sampling: Sampling = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        adapter = base_model(self.base)
        if self.stage not in STAGES:
            raise PointVidError(f"checkpoint: stage is {self.stage!r}, expected one of {STAGES}")
        own = {
            "latent": self.latent or adapter.latent_space(self.config, self.configs),
            "sampling": self.sampling or adapter.sampling,
        }
        for name, value in own.items():
            object.__setattr__(self, name, value)

    def replace(self, **changes: object) -> CheckpointInfo:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def check_resolution(self, height: int, width: int, what: str = "clip") -> None:
        """Raise PointVidError unless `what` has the resolution the model was trained at."""
        if (height, width) != tuple(self.resolution):
            raise PointVidError(
                f"{what} is {height}x{width}, the checkpoint was trained at {self.resolution[0]}x{self.resolution[1]} "
                "(HxW); resize and crop it to that"
            )

    def to_metadata(self) -> dict[str, str]:
        """One JSON value a field, "pointvid.<field>"; `latent` and `sampling` only where they are not the base's."""
        adapter = base_model(self.base)
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        latent, sampling = values.pop("latent"), values.pop("sampling")
        values["config"] = self.config.to_dict()
        values["schedule"] = values.pop("process").to_diffusers()
        values["point_range"] = self.point_range.to_dict()
        if latent != adapter.latent_space(self.config, self.configs):
            values["latent"] = latent.to_dict()
        if sampling != adapter.sampling:
            values["sampling"] = asdict(sampling)
        return {_KEY + "format": str(FORMAT), **{_KEY + name: json.dumps(value) for name, value in values.items()}}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], name: str = "checkpoint") -> CheckpointInfo:
        """Read `to_metadata`'s result; `name` starts the error messages.

        Raises:
            PointVidError: another format version, or keys are missing or unknown: they are listed.
        """
        found = {key.removeprefix(_KEY): value for key, value in metadata.items() if key.startswith(_KEY)}
        if found.pop("format", None) != str(FORMAT):
            raise PointVidError(
                f"{name}: format is {metadata.get(_KEY + 'format')}, this pointvid reads {FORMAT}; update pointvid"
            )
        known = {"schedule" if f.name == "process" else f.name for f in fields(cls)}
        missing, unknown = sorted(known - _OPTIONAL - set(found)), sorted(set(found) - known)
        if missing or unknown:
            raise PointVidError(
                f"{name}: metadata lacks {missing}, has unknown {unknown}; update pointvid or convert again"
            )
        wanted = "what pointvid wrote"
        values = {key: parse_document(value, f"{name}: metadata {key}", wanted) for key, value in found.items()}
        check_shape(values, _SHAPE, f"{name}: metadata", wanted)
        with readable(f"{name}: metadata", wanted):
            adapter = base_model(values["base"])
            values["config"] = adapter.config_type.from_dict(values["config"])
            values["process"] = process_from_diffusers(values.pop("schedule"))
            values["point_range"] = PointRange.from_dict(values["point_range"])
            if "latent" in values:
                values["latent"] = LatentSpace.from_dict(values["latent"])
            elif rows := values["training"].get("latent_rgb_factors"):  # where files up to 0.2 may have them
                latent = adapter.latent_space(values["config"], values["configs"])
                values["latent"] = replace(latent, rgb_factors=tuple(tuple(row) for row in rows))
            if "sampling" in values:
                values["sampling"] = Sampling(**values["sampling"])
            return cls(**{**values, "resolution": tuple(values["resolution"])})


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint in memory.

    Attributes:
        info: its metadata.
        weights: state dict of the joint network, `base_model(info.base).build(info.config)`.
        parts: state dicts of the encoders an all-in-one file holds, by the names of PART_PREFIXES, keys without prefix
            as published; "tokenizer" maps file names to uint8 tensors of their bytes.
    """

    info: CheckpointInfo
    weights: dict[str, Tensor]
    parts: dict[str, dict[str, Tensor]] = field(default_factory=dict)


def save_checkpoint(checkpoint: Checkpoint, path: str | PathLike) -> None:
    """Write the file, whole or not at all. Without parts the network's keys are bare, else every part has its prefix.

    Raises:
        PointVidError: the network's tensors are not those of the config; unknown parts; nothing can be written there.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise PointVidError(f"checkpoint: cannot write {path.name}, expected a name ending in .safetensors")
    info = checkpoint.info
    check_shapes(checkpoint.weights, base_model(info.base).shapes(info.config), "checkpoint")
    unknown = sorted(set(checkpoint.parts) - set(PART_PREFIXES))
    if unknown:
        raise PointVidError(f"checkpoint: parts {unknown} are unknown, expected some of {list(PART_PREFIXES)}")
    tensors = {(NETWORK_PREFIX if checkpoint.parts else "") + key: value for key, value in checkpoint.weights.items()}
    for name, part in checkpoint.parts.items():
        tensors |= {PART_PREFIXES[name] + key: value for key, value in part.items()}
    with atomic_path(path) as temporary:
        plain = {key: value.detach().to("cpu").contiguous() for key, value in tensors.items()}
        save_file(plain, temporary, metadata={"format": "pt", **info.to_metadata()})


def load_info(path: str | PathLike) -> CheckpointInfo:
    """The metadata alone; reads no weights. Raises as `load_checkpoint`."""
    return _opened(path, lambda file: _info(Path(path).name, file))


def wants_float32(weights: Mapping[str, Tensor]) -> bool:
    """Whether a part keeps some weights in float32 beside shorter ones: half precision would show in what it makes."""
    dtypes = {value.dtype for value in weights.values() if value.is_floating_point()}
    return torch.float32 in dtypes and len(dtypes) > 1


def load_checkpoint(
    path: str | PathLike, dtype: torch.dtype | None = None, device: torch.device | str = "cpu"
) -> Checkpoint:
    """Read a checkpoint, checked against its own config.

    Args:
        dtype: floating tensors are converted to it; None keeps the file's.
    Raises:
        PointVidError: the file is missing, truncated, a pickle, fp8, a base model without points, or its keys are not
            those that its metadata promises.
    """
    name = Path(path).name

    def read(file: Any) -> Checkpoint:
        info = _info(name, file)
        keys = list(file.keys())
        _refuse_fp8(name, file, keys)
        prefixes = {_NETWORK: NETWORK_PREFIX, **PART_PREFIXES}
        if not any(key.startswith(NETWORK_PREFIX) for key in keys):
            prefixes = {_NETWORK: ""}
        groups: dict[str, dict[str, Tensor]] = {part: {} for part in prefixes}
        unknown = []
        for key in keys:
            part = next((part for part, prefix in prefixes.items() if key.startswith(prefix)), None)
            if part is None:
                unknown.append(key)
                continue
            value = file.get_tensor(key)
            wanted = dtype if value.is_floating_point() else None
            groups[part][key.removeprefix(prefixes[part])] = value.to(device, wanted)
        if unknown:
            raise PointVidError(f"{name}: {len(unknown)} unknown: {', '.join(sorted(unknown)[:8])}")
        weights = groups.pop(_NETWORK)
        check_shapes(weights, base_model(info.base).shapes(info.config), name)
        return Checkpoint(info, weights, {part: group for part, group in groups.items() if group})

    return _opened(path, read)


def inspect_file(path: str | PathLike) -> tuple[dict[str, str], dict[str, tuple[str, list[int]]]]:
    """Metadata, and dtype and shape of every tensor, of any safetensors file; reads no weights."""

    def read(file: Any) -> tuple[dict[str, str], dict[str, tuple[str, list[int]]]]:
        slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        return file.metadata() or {}, {key: (part.get_dtype(), part.get_shape()) for key, part in slices.items()}

    return _opened(path, read)


def _opened(path: str | PathLike, read: Callable[[Any], Any]) -> Any:
    path = Path(path)
    if not path.is_file():
        raise PointVidError(f"checkpoint: there is no file {path}")
    if path.suffix.lower() in _PICKLES:
        raise PointVidError(f"{path.name}: is a pickle, which can run code when loaded; expected a .safetensors file")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return read(file)
    except PointVidError:
        raise
    except Exception as error:  # safetensors' own, or of a tensor that the memory does not hold
        with path.open("rb") as file:
            pickled = file.read(2) in (b"PK", b"\x80\x02")
        what = (
            "is a pickle, which can run code when loaded" if pickled else f"is damaged or truncated ({reason(error)})"
        )
        raise PointVidError(
            f"{path.name}: {what}; expected a .safetensors file, download or convert it again"
        ) from error


def _info(name: str, file: Any) -> CheckpointInfo:
    metadata = file.metadata() or {}
    if _KEY + "format" in metadata:
        return CheckpointInfo.from_metadata(metadata, name)
    if any(adapter.recognises(list(file.keys())) for adapter in base_models()):
        raise PointVidError(
            f"{name}: is a model without points, expected a joint checkpoint: one that the trainer wrote, or that "
            "`pointvid convert` made of the folder of a published base model"
        )
    raise PointVidError(f"{name}: has no pointvid metadata, expected a file that `pointvid convert` or training wrote")


def _refuse_fp8(name: str, file: Any, keys: list[str]) -> None:
    narrow = [key for key in keys if file.get_slice(key).get_dtype().startswith("F8")]
    if narrow:
        raise PointVidError(
            f"{name}: {len(narrow)} tensors are fp8 ({narrow[0]}), expected fp32, bf16 or fp16; "
            "convert with --dtype bf16 and choose fp8 when loading, if at all"
        )
