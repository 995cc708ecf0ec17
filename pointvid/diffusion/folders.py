"""Folders of published models: one folder a component, weights and a config.json in each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..errors import PointVidError
from ..files.atomic import atomic_path
from ..weights.read import read_state_dict

_WHOLE = "whole weights; download them again"


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
                return read_state_dict(whole, _WHOLE)
            if index.is_file():
                shards = sorted(set(read_json(index)["weight_map"].values()))
                return {
                    key: value for shard in shards for key, value in read_state_dict(folder / shard, _WHOLE).items()
                }
            if pickled.is_file():
                return read_state_dict(pickled, _WHOLE)
    raise PointVidError(f"{folder}: holds no weights, expected {stems[0]}.safetensors or {stems[1]}.safetensors")


def cast(weights: Mapping[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    """Floating tensors in `dtype`; None leaves them."""
    return {key: value.to(dtype) if value.is_floating_point() and dtype else value for key, value in weights.items()}


def files_as_tensors(folder: Path, expected: str) -> dict[str, Tensor]:
    """The files of a folder, a tokenizer's say, as a checkpoint holds them: name -> bytes as uint8."""
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    if not files:
        raise PointVidError(f"{folder}: holds no files, expected {expected}")
    return {path.name: torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8) for path in files}


def read_json(path: Path) -> dict[str, Any]:
    """A file's JSON.

    Raises:
        PointVidError: it is missing, or is none.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PointVidError(f"there is no {path}, expected a folder in the published layout") from error
    except (OSError, ValueError, RecursionError) as error:
        raise PointVidError(f"{path}: cannot be read ({error}), expected JSON") from error


def write_component(folder: Path, stem: str, weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """STEM.safetensors and config.json into a new folder."""
    folder.mkdir(parents=True)
    with atomic_path(folder / f"{stem}.safetensors") as path:  # for its permissions: the folder is temporary itself
        save_file({k: v.contiguous() for k, v in weights.items()}, path, {"format": "pt"})
    write_json(folder / "config.json", config)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Into a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")
