"""What the Comfy registry gets of this repository: the pack, all of it, and nothing else."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("nodes", "pointvid", "web", "workflows", "subgraphs", "locales")
KEPT_AT_THE_TOP = {
    "__init__.py",
    "__main__.py",
    "pyproject.toml",
    "requirements.txt",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
}


def listed(*options: str) -> set[str]:
    found = subprocess.run(["git", "ls-files", "-z", *options], cwd=ROOT, capture_output=True, text=True)
    if found.returncode:
        pytest.skip("no git checkout")
    return {name for name in found.stdout.split("\0") if name and (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def packed() -> set[str]:
    """Tracked files less those of .comfyignore, which has .gitignore's syntax: git itself says which they are."""
    return listed() - listed("--cached", "--ignored", "--exclude-from=.comfyignore")


def test_the_pack_is_there_and_nothing_else(packed):
    assert {name.split("/")[0] for name in packed if "/" in name} == set(NEEDED)
    assert {name for name in packed if "/" not in name} == KEPT_AT_THE_TOP
    for folder in NEEDED:
        whole = {name for name in listed() if name.startswith(f"{folder}/") and "/." not in name}
        assert whole <= packed, folder


def test_it_fits_the_registry(packed):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name in packed:
            file.write(ROOT / name, name)
    assert len(archive.getvalue()) < 32e6


def test_nothing_packed_evaluates_text(packed):
    """What the registry's and the Manager's scans look for."""
    for name in (name for name in packed if name.endswith(".py")):
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "compile"), f"{name}:{node.lineno}"


@pytest.mark.parametrize("path", sorted([*(ROOT / "workflows").glob("*.json"), *(ROOT / "subgraphs").glob("*.json")]))
def test_a_template_names_the_pack_it_needs(path):
    """The Manager offers a missing pack by this id, the project's name on the registry."""
    whole = json.loads(path.read_text(encoding="utf-8"))
    inner = [node for graph in whole.get("definitions", {}).get("subgraphs", []) for node in graph["nodes"]]
    ours = [node for node in [*whole["nodes"], *inner] if node["type"].startswith("PointVid_")]
    assert ours
    assert {node["properties"]["cnr_id"] for node in ours} == {"comfyui-pointvid"}
