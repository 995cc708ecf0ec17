"""The documentation's commands parse, its links lead somewhere, and its index names every page."""

import re
import shlex
from pathlib import Path

import pytest

from pointvid.cli import build_parser

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
EVERYWHERE = [*PAGES, *sorted((ROOT / "web" / "docs").rglob("*.md"))]


def commands(page: Path) -> list[str]:
    """Lines of code blocks that start pointvid; placeholders in capitals stand for files."""
    text = page.read_text(encoding="utf-8")
    fenced = re.findall(r"```(?:bash)?\n(.*?)```", text, re.DOTALL)
    lines = [line for block in fenced for line in block.splitlines()] + re.findall(r"^ {4}(.*)$", text, re.MULTILINE)
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return [part.split("#")[0].strip() for part in parts if part.startswith("pointvid ") and not part.endswith("\\")]


@pytest.mark.parametrize(
    "line", [pytest.param(line, id=f"{page.stem}: {line}") for page in EVERYWHERE for line in commands(page)]
)
def test_commands_parse(line):
    assert callable(build_parser().parse_args(shlex.split(line)[1:]).run)


def test_commands_named_in_passing_exist():
    parser = build_parser()
    known = set(next(action for action in parser._actions if action.choices).choices)
    for page in EVERYWHERE:
        named = set(re.findall(r"`pointvid ([a-z]+)", page.read_text(encoding="utf-8")))
        assert named <= known, f"{page.name}: there is no pointvid {', '.join(named - known)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (DOCS / target.split("#")[0]).exists(), target


def test_the_index_names_every_page():
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in PAGES} - {"README.md"} <= set(re.findall(r"\]\((\S+\.md)\)", index))
