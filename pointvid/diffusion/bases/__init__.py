"""The base models that a joint checkpoint can be made of. A new one is a folder here, its host half in
`nodes/native/bases/`, and its line in `BASES`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from ...errors import PointVidError

if TYPE_CHECKING:
    from .base import BaseModel

BASES = {
    "i2vgen-xl": ".unet.i2vgen:I2VGenXL",
    "modelscope": ".unet.modelscope:ModelScope",
}
"""Name, as checkpoints have it -> "module:Class", imported when it is asked for."""


def base_model(name: str) -> BaseModel:
    """The adapter that a checkpoint names.

    Raises:
        PointVidError: no such base.
    """
    if name not in BASES:
        raise PointVidError(f"base is {name!r}, expected one of {sorted(BASES)}")
    return _made(BASES[name])


def base_models() -> list[BaseModel]:
    """All of them."""
    return [base_model(name) for name in BASES]


@cache
def _made(where: str) -> BaseModel:
    module, _, kind = where.partition(":")
    return getattr(import_module(module, __name__), kind)()
