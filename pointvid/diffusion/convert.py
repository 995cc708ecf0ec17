"""Published model folders (diffusers layout) -> the initial joint checkpoint, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..errors import PointVidError
from ..files.atomic import atomic_folder, atomic_path
from ..points.point_range import PointRange
from ..progress import Progress, silent
from ..weights.read import read_state_dict
from .bases.base import base_model
from .bases.unet.config import UNetConfig
from .bases.unet.i2vgen import I2VGenXL
from .bases.unet.joint import JointConfig
from .bases.unet.modelscope import ModelScope
from .checkpoint import Checkpoint, CheckpointInfo
from .process import Schedule

_CLASSES = {
    "text_encoder": ("transformers", "CLIPTextModel"),
    "image_encoder": ("transformers", "CLIPVisionModelWithProjection"),
    "tokenizer": ("transformers", "CLIPTokenizer"),
    "feature_extractor": ("transformers", "CLIPImageProcessor"),
    "vae": ("diffusers", "AutoencoderKL"),
}
WHOLE = "whole weights; download them again"
_PIPELINES = {"i2vgen-xl": "I2VGenXLPipeline", "modelscope": "TextToVideoSDPipeline"}
# How files saved before 2023 name the parts of the VAE's attention.
_OLD_VAE_NAMES = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


def from_diffusers(
    folder: str | PathLike,
    *,
    entry_attention: str = "spatial",
    dtype: torch.dtype | None = None,
    all_in_one: bool = True,
    resolution: tuple[int, int] | None = None,
    frames: int | None = None,
    fps: float | None = None,
    point_range: PointRange | None = None,
    progress: Progress = silent,
) -> Checkpoint:
    """The untrained joint checkpoint of a published base model: its video is the base's, its points are noise.

    Args:
        folder: as published, with unet/ and scheduler/ and, for all-in-one files, the encoders.
        entry_attention: see `JointConfig`.
        dtype: of every floating tensor; None keeps the files'. fp16 files are preferred for fp16.
        all_in_one: also take the text encoder, tokenizer, image encoder and VAE.
        resolution, frames, fps: what it will be trained at; None: what PointVid trains this base at.
        point_range: None: depths from 0.1 to 100; training fits it to its data.
    Raises:
        PointVidError: something is missing or not what it should be.
    """
    folder = Path(folder)
    config = UNetConfig.from_diffusers(_json(folder / "unet" / "config.json"))
    adapter = base_model((I2VGenXL if config.image_conditioning else ModelScope).name)
    parts = ["text_encoder", "image_encoder", "vae"] if all_in_one else []
    if not config.image_conditioning and all_in_one:
        parts.remove("image_encoder")
    total = len(parts) + 1
    progress(0, total, "reading unet")
    joint = JointConfig(config, entry_attention)
    unet = adapter.expand(_cast(component_weights(folder / "unet", dtype), dtype), joint)
    schedule = Schedule.from_diffusers(_json(folder / "scheduler" / "scheduler_config.json"))
    weights, configs = {}, {}
    for done, name in enumerate(parts, 1):
        progress(done, total, f"reading {name}")
        weights[name] = _cast(_published_keys(name, component_weights(folder / name, dtype)), dtype)
        configs[name] = _json(folder / name / "config.json")
    if all_in_one:
        weights["tokenizer"] = _files_as_tensors(folder / "tokenizer")
        if config.image_conditioning:
            configs["image_processor"] = _json(folder / "feature_extractor" / "preprocessor_config.json")
    progress(total, total, "read")
    info = CheckpointInfo(
        base=adapter.name,
        config=joint,
        schedule=schedule,
        resolution=resolution or adapter.resolution,
        frames=frames or adapter.frames,
        fps=fps or adapter.fps,
        point_range=point_range or PointRange(0.1, 100.0),
        configs=configs,
    )
    return Checkpoint(info, unet, weights)


def to_diffusers(checkpoint: Checkpoint, folder: str | PathLike) -> None:
    """Write the base part of a joint model, and the encoders it holds, as a folder that diffusers reads.

    diffusers' classes have no place for points: after training, what points told the pixels is lost on this way.

    Raises:
        PointVidError: `folder` is there already, or cannot be written.
    """
    folder = Path(folder)
    if folder.exists():
        raise PointVidError(f"{folder} is there already, expected a new folder's name")
    info = checkpoint.info
    unet = base_model(info.base).extract(checkpoint.unet, info.config)
    index: dict[str, Any] = {"_class_name": _PIPELINES[info.base]}
    with atomic_folder(folder) as temporary:
        _write(temporary / "unet", "diffusion_pytorch_model", unet, info.config.unet.to_diffusers())
        _write_json(temporary / "scheduler" / "scheduler_config.json", info.schedule.to_diffusers())
        index["unet"] = ["diffusers", info.config.unet.to_diffusers()["_class_name"]]
        index["scheduler"] = ["diffusers", "DDIMScheduler"]
        for name, part in checkpoint.parts.items():
            index[name] = list(_CLASSES[name])
            if name == "tokenizer":
                (temporary / name).mkdir(parents=True)
                for file, data in part.items():
                    (temporary / name / Path(file).name).write_bytes(data.numpy().tobytes())
            else:
                stem = "diffusion_pytorch_model" if name == "vae" else "model"
                _write(temporary / name, stem, part, info.configs[name])
        if "image_processor" in info.configs:
            index["feature_extractor"] = list(_CLASSES["feature_extractor"])
            processor = info.configs["image_processor"]
            _write_json(temporary / "feature_extractor" / "preprocessor_config.json", processor)
        _write_json(temporary / "model_index.json", index)


def component_weights(folder: Path, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """The state dict of one component's folder: safetensors, whole or in shards, plain or fp16 variant, else .bin.

    Raises:
        PointVidError: no weights, or they cannot be read.
    """
    variants = (".fp16", "") if dtype == torch.float16 else ("", ".fp16")
    stems = ("diffusion_pytorch_model", "model", "pytorch_model")
    for variant in variants:
        for stem in stems:
            whole = folder / f"{stem}{variant}.safetensors"
            index = folder / f"{stem}.safetensors.index{variant}.json"
            pickled = folder / f"{stem}{variant}.bin"
            if whole.is_file():
                return read_state_dict(whole, WHOLE)
            if index.is_file():
                shards = sorted(set(_json(index)["weight_map"].values()))
                return {key: value for shard in shards for key, value in read_state_dict(folder / shard, WHOLE).items()}
            if pickled.is_file():
                return read_state_dict(pickled, WHOLE)
    raise PointVidError(f"{folder}: holds no weights, expected {stems[0]}.safetensors or {stems[1]}.safetensors")


def _published_keys(part: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Key names as in the published folders, whichever version of the libraries saved them."""
    renamed = {}
    for key, value in weights.items():
        if key.endswith("position_ids"):  # a constant that old files hold
            continue
        if part == "text_encoder" and not key.startswith(("text_model.", "text_projection.")):
            key = f"text_model.{key}"
        if part == "vae" and ".attentions." in key:
            for old, new in _OLD_VAE_NAMES.items():
                key = key.replace(old, new)
        renamed[key] = value
    return renamed


def _cast(weights: Mapping[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    return {key: value.to(dtype) if value.is_floating_point() and dtype else value for key, value in weights.items()}


def _files_as_tensors(folder: Path) -> dict[str, Tensor]:
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    if not files:
        raise PointVidError(f"{folder}: holds no files, expected vocab.json and merges.txt")
    return {path.name: torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8) for path in files}


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PointVidError(
            f"there is no {path}, expected a folder in the published layout (unet/, scheduler/, ...)"
        ) from error
    except (OSError, ValueError) as error:
        raise PointVidError(f"{path}: cannot be read ({error}), expected JSON") from error


def _write(folder: Path, stem: str, weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True)
    with atomic_path(folder / f"{stem}.safetensors") as path:  # for its permissions: the folder is temporary itself
        save_file({k: v.contiguous() for k, v in weights.items()}, path, {"format": "pt"})
    _write_json(folder / "config.json", config)


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")
