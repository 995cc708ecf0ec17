"""What the README promises exists: its commands, options, files and snippets."""

import ast
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from pointvid.cli import build_parser
from pointvid.files.video import write_video

from .command_line import STEP, moving_square

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [part.strip() for line in lines for part in line.split("&&")]


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("pointvid ")])
def test_commands_parse(line):
    args = build_parser().parse_args(shlex.split(line)[1:])
    assert callable(args.run)


TEST_COMMAND = re.compile(r"<!-- test-command -->\n```bash\n(.*?)\n```\n<!-- /test-command -->", re.DOTALL)


def test_it_is_short():
    assert len(README.splitlines()) <= 110


def test_the_command_to_try_it_comes_first_and_the_tests_stand_between_their_markers():
    assert blocks("bash")[0].strip() == 'pip install ".[demo]" && pointvid demo --out demo'
    assert TEST_COMMAND.findall(README) == ['pip install -e ".[test]" && python -m pytest']


def test_ci_runs_the_test_command_of_the_readme():
    command = TEST_COMMAND.search(README)[1]
    assert "test-command -->" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    for part in command.split(" && "):
        assert f"- run: {part}\n" in workflow


def test_extras_exist():
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = set(re.findall(r"^(\w+) = \[", pyproject.split("[project.optional-dependencies]")[1], re.MULTILINE))
    assert {"demo", "synthetic", "train", "usd", "ray", "test", "all"} <= extras
    named = set(re.findall(r'"\.\[(\w+)\]"', README)) | set(re.findall(r"extra `(\w+)`", README))
    assert named
    assert named <= extras


def test_links_and_pictures_exist():
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert len(targets) > 3
    for target in targets:
        assert target.startswith("https://") or (ROOT / target.split("#")[0]).is_file(), target


def test_the_first_python_snippet_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "clip.mp4", moving_square(16, (96, 256)), 8)
    names = {}
    exec(blocks("python")[0], names)
    moved = (names["points"].points[-1] - names["points"].points[0])[names["points"].mask][:, :2].median(0).values
    assert (moved[0] - STEP * 15).abs() < 5
    assert moved[1].abs() < 1
    assert (tmp_path / "clip.glb").stat().st_size > 1000


def test_python_snippets_use_what_exists():
    named = []
    for block in blocks("python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names)
                assert node.module == "pointvid", "what a reader imports are the public names"
                named += [alias.name for alias in node.names]
    assert {"read_clip", "track_clip", "densify", "write_glb"} <= set(named)


def test_it_says_plainly_that_there_are_no_weights():
    assert "No official PointVid weights" in README
