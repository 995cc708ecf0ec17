"""State dicts from files: read without running code, and loaded only when every tensor fits."""

from __future__ import annotations

from collections.abc import Collection
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from ..errors import PointVidError
from ..files.readable import readable
from .check import check_keys


def read_state_dict(path: str | PathLike | None, expected: str, name: str = "") -> dict[str, Tensor]:
    """The state dict in a `.safetensors` file, or in a pickle that holds tensors alone. Nothing in it is executed.

    Args:
        path: the file; a pickle may hold the state dict itself or a dict with it under "model".
        expected: which file is needed and who publishes it, for the error messages.
        name: whose weights these are to be; starts the error messages.
    Raises:
        PointVidError: no path, no file, or one that holds no state dict.
    """
    start = f"{name}: " if name else ""
    if path is None:
        raise PointVidError(f"{start}weights is not given, expected the path of {expected}")
    path = Path(path)
    if not path.is_file():
        raise PointVidError(f"{start}there is no file {path}, expected {expected}")
    with readable(f"{start}{path.name}", expected):
        if path.suffix.lower() == ".safetensors":
            with safe_open(path, "pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        found = _unwrapped(torch.load(path, map_location="cpu", weights_only=True))
    if not isinstance(found, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in found.items()
    ):
        raise PointVidError(f"{start}{path.name} holds no state dict, expected {expected}")
    return found


def state_dict_keys(path: str | PathLike, expected: str) -> list[str]:
    """The keys of a state dict without its tensors; empty where the file holds something else.

    Raises:
        PointVidError: the file cannot be read.
    """
    path = Path(path)
    with readable(path.name, expected):
        if path.suffix.lower() == ".safetensors":
            with safe_open(path, "pt") as file:
                return list(file.keys())
        found = _unwrapped(torch.load(path, map_location="meta", weights_only=True))
    return [key for key in found if isinstance(key, str)] if isinstance(found, dict) else []


def load_weights(model: nn.Module, state: dict[str, Tensor], name: str, unused: Collection[str] = ()) -> None:
    """Load `state` into `model`, in place.

    Args:
        unused: beginnings of keys that the published file holds and the model has no use for.
    Raises:
        PointVidError: missing or unknown keys, or wrong shapes; they are listed.
    """
    state = {key: value for key, value in state.items() if not key.startswith(tuple(unused))}
    check_keys(state, model, name)
    model.load_state_dict(state)


def _unwrapped(found: Any) -> Any:
    return found["model"] if isinstance(found, dict) and isinstance(found.get("model"), dict) else found
