"""Every node has a help page that names each of its inputs and outputs, and shows only pictures that exist."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "web" / "docs"
NODES = json.loads((ROOT / "tests" / "data" / "node_schema.json").read_text(encoding="utf-8"))
HEADINGS = {"en": ("Inputs", "Outputs"), "zh": ("输入", "输出")}
ENGLISH = [(node, "en", PAGES / f"{node}.md") for node in NODES]
TRANSLATED = [(page.parent.name, page.stem, page) for page in sorted(PAGES.glob("*/*.md"))]


def section(page: str, title: str) -> str:
    """What stands below a second-level heading."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


@pytest.mark.parametrize(("node", "language", "path"), ENGLISH + TRANSLATED, ids=lambda value: str(value)[-40:])
def test_page_names_every_input_and_output(node, language, path):
    page = path.read_text(encoding="utf-8")
    assert re.match(r"# \S.*\n\n\S", page), "a title, then what the node is for"
    for title, group in zip(HEADINGS[language], ("inputs", "outputs")):
        names = {item["name"] for item in NODES[node][group]}
        told = set(re.findall(r"\*\*(\w+)\*\*", section(page, title)))
        assert names <= told, f"{title} lack {names - told}"


def test_no_page_is_left_of_a_node_that_is_gone():
    assert {path.stem for path in PAGES.glob("*.md")} == set(NODES)
    assert {path.name for path in PAGES.iterdir() if path.is_dir()} <= {"images", *NODES}


def test_pictures_exist_and_are_small():
    used = set()
    for page in PAGES.rglob("*.md"):
        # The frontend looks for pictures from web/docs on, whichever folder the page is in.
        used |= set(re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8")))
    there = {f"images/{path.name}" for path in (PAGES / "images").iterdir()}
    assert used == there
    assert sum(path.stat().st_size for path in (PAGES / "images").iterdir()) < 600_000
