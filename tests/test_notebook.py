"""The notebooks in notebooks/ run from top to bottom, as plain Python, and hold no outputs."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def cells(notebook: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


def run(notebook: Path, folder: Path) -> str:
    """What its code cells print, one after another in one fresh process that works in `folder`."""
    sources = ["".join(cell["source"]) for cell in cells(notebook, "code")]
    program = "import json, sys\nnames = {'__name__': '__main__'}\n"
    program += "for source in json.load(sys.stdin):\n    exec(source, names)\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(sources),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_is_one():
    assert [notebook.name for notebook in NOTEBOOKS] == ["clip_to_glb.ipynb"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(notebook):
    for cell in cells(notebook, "code"):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_exist(notebook):
    text = "".join("".join(cell["source"]) for cell in cells(notebook, "markdown"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        assert (notebook.parent / target).is_file(), target


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_only_public_names_are_used(notebook):
    import pointvid

    for cell in cells(notebook, "code"):
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "pointvid":
                assert node.module == "pointvid"
                assert {alias.name for alias in node.names} <= set(pointvid.__all__)


@pytest.mark.slow
def test_clip_to_glb(tmp_path):
    printed = run(ROOT / "notebooks" / "clip_to_glb.ipynb", tmp_path)
    assert re.search(r"\d+ points, \d+% still visible in the last frame", printed)
    assert "metric" in printed
    moved = float(re.search(r"the median one moves ([\d.]+) px", printed)[1])
    assert 100 < moved < 160  # the true tracks: 130
    glb = (tmp_path / "clip_to_glb" / "clip.glb").read_bytes()
    assert glb[:4] == b"glTF"
    assert len(glb) > 100_000
    assert {path.name for path in (tmp_path / "clip_to_glb").iterdir()} == {"tracks.npz", "clip.glb", "clip.html"}
