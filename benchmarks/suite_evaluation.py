"""Figures about figures: do the metrics say what is known? Each `evaluation_*` module with `figures()` adds its own."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from .figure import Figure


def run() -> list[Figure]:
    """Every figure of every part, in the order of the parts' names."""
    figures: list[Figure] = []
    for name in sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])):
        if name.startswith("evaluation_"):
            figures += importlib.import_module(f".{name}", __package__).figures()
    return figures
