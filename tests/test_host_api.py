"""An older host's `io`, which knows fewer keywords, takes the schemas of today's nodes."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

FILE = Path(__file__).resolve().parents[1] / "nodes" / "host_api.py"


@dataclass
class Schema:
    node_id: str
    inputs: list = field(default_factory=list)


class Int:
    class Input:
        def __init__(self, id: str, default: int = 0):
            self.id, self.default = id, default


class Any:
    class Input:
        def __init__(self, id: str, types: list):
            self.id, self.types = id, types


@pytest.fixture
def io(monkeypatch):
    latest = ModuleType("comfy_api.latest")
    latest.io = SimpleNamespace(Schema=Schema, Int=Int, MultiType=Any, ComfyNode=object, Custom=lambda name: Int)
    monkeypatch.setitem(sys.modules, "comfy_api", ModuleType("comfy_api"))
    monkeypatch.setitem(sys.modules, "comfy_api.latest", latest)
    spec = importlib.util.spec_from_file_location("host_api_of_old", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.io


def test_unknown_keywords_are_left_out_and_known_ones_kept(io):
    number = io.Int.Input("steps", default=3, advanced=True)
    assert (number.id, number.default) == ("steps", 3)
    schema = io.Schema(node_id="A", inputs=[number], search_aliases=["b"])
    assert schema == Schema("A", [number])
    assert io.Custom("MINE").Input("tracks", tooltip="new").id == "tracks"


def test_the_rest_is_the_hosts_own(io):
    assert io.ComfyNode is object
    assert io.MultiType.Input("depth", types=[io.Int, int]).types == [Int, int]
    assert not hasattr(io, "File3DAny")
