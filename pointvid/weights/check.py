"""Whether a state dict is the one that a network wants: names and shapes, before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..errors import PointVidError


def check_keys(state_dict: Mapping[str, Tensor], model: nn.Module, name: str) -> None:
    """Raise PointVidError listing the keys and shapes in which a state dict differs from a model's."""
    check_shapes(state_dict, {key: value.shape for key, value in model.state_dict().items()}, name)


def check_shapes(state_dict: Mapping[str, Tensor], expected: Mapping[str, torch.Size], name: str) -> None:
    """Raise PointVidError listing the keys and shapes in which a state dict differs from what is expected."""
    missing, unknown = sorted(set(expected) - set(state_dict)), sorted(set(state_dict) - set(expected))
    shapes = [
        f"{key} is {list(state_dict[key].shape)}, expected {list(expected[key])}"
        for key in sorted(set(expected) & set(state_dict))
        if state_dict[key].shape != expected[key]
    ]
    parts = [("missing", missing), ("unknown", unknown), ("wrong shape", shapes)]
    if any(found for _, found in parts):
        words = "; ".join(f"{len(found)} {what}: {_shortened(found)}" for what, found in parts if found)
        raise PointVidError(f"{name}: {words}")


def _shortened(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
