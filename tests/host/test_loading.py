"""The pack as the host sees it after loading."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.host

HEAVY = ("scipy", "torchvision", "transformers", "av", "mujoco", "diffusers", "einops", "safetensors")


def test_pack_loads(host):
    assert host.report["loaded"]
    assert host.report["nodes"]


def test_loading_imports_nothing_heavy(host):
    """torch is there already; the pack's library and what it stands on wait for the first run."""
    new = [name for name in host.report["new_modules"] if name.split(".")[0] in HEAVY or ".pointvid" in name]
    assert not new


def test_every_node_explains_itself(host):
    for name, node in host.report["nodes"].items():
        assert name.startswith("PointVid_"), name
        assert node["category"].startswith("PointVid/"), name
        assert node["description"], name
        assert node["search_aliases"], name
        assert not node["essentials_category"], f"{name}: the frontend would file it under ComfyUI's own nodes"
        for key, (_, options) in {**node["input"].get("required", {}), **node["input"].get("optional", {})}.items():
            assert options.get("tooltip"), f"{name}.{key} has no tooltip"
        assert all(node["output_tooltips"]), f"{name} has an output without tooltip"
