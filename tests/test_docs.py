"""The documentation's commands parse, its links lead somewhere, and its index names every page and command."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from pointvid.cli import build_parser

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("results/*.md"))]
AT_THE_TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
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


def test_modules_and_configs_named_exist():
    """`python -m training.augment training/configs/x.yaml`: both are there. Nothing is imported but packages."""
    for page in [*PAGES, *AT_THE_TOP]:
        if page.name == "CHANGELOG.md":  # names what is gone
            continue
        text = page.read_text(encoding="utf-8")
        for module in set(re.findall(r"python -m ((?:training|experiments|benchmarks|pointvid)[\w.]*\w)", text)):
            assert find_spec(module) is not None, f"{page.name}: there is no module {module}"
        for config in set(re.findall(r"(?:training|experiments)/configs/[\w/]+\.yaml", text)):
            assert (ROOT / config).is_file(), f"{page.name}: there is no {config}"


def anchors(page: Path) -> set[str]:
    """What a heading is linked to by, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *AT_THE_TOP], ids=lambda page: page.name)
def test_links_and_pictures_exist(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        found = page.parent / name if name else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_the_index_names_every_page():
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    pages = {path.relative_to(DOCS).as_posix() for path in PAGES} - {"README.md"}
    assert pages <= set(re.findall(r"\]\((\S+\.md)\)", index))


def test_the_command_lines_page_names_every_command():
    known = next(action for action in build_parser()._actions if action.choices).choices
    page = (DOCS / "command-line.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", page, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(known)


def test_measured_figures_say_what_they_are_of():
    """Each row of docs/measured.md is of a path that a user takes, or is named as a part."""
    page = (DOCS / "measured.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    figures = [row for row in rows if row[1] not in ("", "measured") and set(row[1]) != {"-"}]
    assert len(figures) >= 30
    for row in figures:
        assert row[-1].split(":")[0].split(";")[0] in ("path", "part"), row[0]
