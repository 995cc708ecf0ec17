"""Published weight files of trackers: read without running code, loaded only when every tensor fits."""

from __future__ import annotations

import pickle
from collections.abc import Collection
from os import PathLike
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import PointVidError
from .check import check_keys


def read_weights(path: str | PathLike | None, tracker: str, source: str) -> dict[str, Tensor]:
    """The state dict in a `.safetensors` file, or in a pickle that holds tensors alone.

    Args:
        path: the file; a pickle may hold the state dict itself or a dict with it under "model".
        tracker: name of the tracker, starts the error messages.
        source: which file is needed and which project publishes it, for the error message.
    Raises:
        PointVidError: no path, no file, or one that holds no state dict.
    """
    if path is None:
        raise PointVidError(f"{tracker}: weights is not given, expected the path of {source}")
    path = Path(path)
    if not path.is_file():
        raise PointVidError(f"{tracker}: weights: there is no file {path}, expected {source}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise PointVidError(f"{tracker}: {path.name} cannot be read ({reason}), expected {source}") from error
    if isinstance(found, dict) and isinstance(found.get("model"), dict):
        found = found["model"]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise PointVidError(f"{tracker}: {path.name} holds no state dict, expected {source}")
    return found


def load_weights(model: nn.Module, state: dict[str, Tensor], tracker: str, unused: Collection[str] = ()) -> None:
    """Load `state` into `model`, in place.

    Args:
        unused: beginnings of keys that the published file holds and the model has no use for.
    Raises:
        PointVidError: missing or unknown keys, or wrong shapes; they are listed.
    """
    state = {key: value for key, value in state.items() if not key.startswith(tuple(unused))}
    check_keys(state, model, tracker)
    model.load_state_dict(state)
