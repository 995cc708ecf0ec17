"""The pack as the host loads it, under a foreign name, for tests of its parts that need no host."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent


def pack_module(name: str) -> ModuleType:
    """`pack_module("nodes.images")`: that module, imported relative to the pack's root as in the host."""
    package = "custom_nodes_pointvid"
    if package not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            package, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
        )
        sys.modules[package] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[package])
    return importlib.import_module(f"{package}.{name}")
