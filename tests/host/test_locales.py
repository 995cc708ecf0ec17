"""The host shows every node in four languages: what is translated must be all there is, and nothing that is gone.

English is taken from the nodes themselves: after a change of theirs write it anew with
`UPDATE_LOCALES=1 pytest tests/host/test_locales.py`, then translate what its diff shows into the other languages.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.host

LOCALES = Path(__file__).resolve().parents[2] / "locales"
TRANSLATED = ("ko", "zh", "ja")
CORE_TYPES = {"IMAGE", "MASK", "STRING", "INT", "FLOAT", "LATENT", "MODEL", "CLIP", "CLIP_VISION", "VAE"}
CORE_TYPES |= {"CONDITIONING", "TRACKS", "MOGE_GEOMETRY"}
SCRIPT = {"ko": r"[\uac00-\ud7a3]", "zh": r"[\u4e00-\u9fff]", "ja": r"[\u3040-\u30ff]"}


def read(language: str, name: str) -> dict:
    return json.loads((LOCALES / language / name).read_text(encoding="utf-8"))


def in_english(node: dict) -> dict:
    """What the host would show of a node, in the shape of its nodeDefs.json."""
    inputs = {**node["input"].get("required", {}), **node["input"].get("optional", {})}
    return {
        "display_name": node["display_name"],
        "description": node["description"],
        "inputs": {name: {"name": name, "tooltip": options["tooltip"]} for name, (_, options) in inputs.items()},
        "outputs": {
            str(index): {"name": name, "tooltip": tooltip}
            for index, (name, tooltip) in enumerate(zip(node["output_name"], node["output_tooltips"]))
        },
    }


def texts(tree: dict, path: str = "") -> dict[str, str]:
    """The leaves of nested dicts, by their path."""
    found = {}
    for key, value in tree.items():
        here = f"{path}/{key}"
        found |= texts(value, here) if isinstance(value, dict) else {here: value}
    return found


def test_english_is_what_the_nodes_say(host):
    now = {name: in_english(node) for name, node in host.report["nodes"].items()}
    if os.environ.get("UPDATE_LOCALES"):
        text = json.dumps(now, indent=2, ensure_ascii=False) + "\n"
        (LOCALES / "en" / "nodeDefs.json").write_text(text, encoding="utf-8")
    assert read("en", "nodeDefs.json") == now


def test_categories_and_types_have_names(host):
    nodes = host.report["nodes"].values()
    types = {kind for node in nodes for kind in node["output"] if kind not in CORE_TYPES and "FILE_3D" not in kind}
    categories = {part for node in nodes for part in node["category"].split("/")} - {"latent"}  # core names that one
    main = read("en", "main.json")
    assert set(main["dataTypes"]) == types
    assert set(main["nodeCategories"]) == categories


@pytest.mark.parametrize("name", ["main.json", "nodeDefs.json"])
@pytest.mark.parametrize("language", TRANSLATED)
def test_translation_is_complete_and_current(language, name):
    english, translated = texts(read("en", name)), texts(read(language, name))
    assert translated.keys() == english.keys()
    for path, text in translated.items():
        assert text.strip(), path
        if path.endswith(("/tooltip", "/description")):
            assert re.search(SCRIPT[language], text), f"{path} is not translated: {text}"
            # Figures outlive any translation: where they differ, the English has changed since.
            assert set(re.findall(r"\d+", english[path])) <= set(re.findall(r"\d+", text)), path


@pytest.mark.parametrize("language", ["en", *TRANSLATED])
def test_no_text_is_read_as_a_message_template(language):
    for name in ("main.json", "nodeDefs.json"):
        for path, text in texts(read(language, name)).items():
            assert not set(text) & set("{}@|"), f"{path}: the frontend gives these characters a meaning of their own"
