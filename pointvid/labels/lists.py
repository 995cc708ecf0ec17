"""english.txt: the words that the rules know. `[section]`, then words, or lines of `word = what stands for it`."""

from __future__ import annotations

from pathlib import Path


def _sections() -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in Path(__file__).with_name("english.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            lines = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            lines.append(line)
    return sections


_SECTIONS = _sections()


def words(section: str) -> frozenset[str]:
    """The words of a section."""
    return frozenset(" ".join(_SECTIONS[section]).split())


def table(section: str) -> dict[str, str]:
    """The left sides of a section's lines -> their right sides."""
    return dict(line.split(" = ") for line in _SECTIONS[section])
