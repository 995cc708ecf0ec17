"""The subgraph blueprints, found in the frontend's search as an artist finds them, and run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.browser.frontend import NODES_2, Frontend

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in (ROOT / "subgraphs").glob("*.json"))
TRACK = "Track Video in 3D (PointVid)"

FOUND = "(title) => app.graph.nodes.some((node) => node.title === title)"
# Wire a clip into the blueprint and look at two of its outputs; a coarse grid, so that it takes seconds.
FINISH = """([title, file]) => {
  const node = app.graph.nodes.find((node) => node.title === title);
  const add = (type) => app.graph.add(LiteGraph.createNode(type)) && app.graph.nodes.at(-1);
  const load = add("LoadVideo"), report = add("PreviewAny"), save = add("SaveVideo");
  load.widgets[0].value = file;
  const set = (name, value) => { node.widgets.find((widget) => widget.name === name).value = value };
  set("grid_size", 12);
  set("random_points", 0);
  load.connect(0, node, "video");
  node.connect(node.findOutputSlot("report"), report, 0);
  node.connect(node.findOutputSlot("overlay"), save, 0);
}"""


@pytest.fixture
def frontend(chromium, server):
    shutil.copy(ROOT / "pointvid" / "assets" / "demo.mp4", server.base / "input" / "demo.mp4")
    frontend = Frontend(chromium, server.url, NODES_2)
    frontend.page.evaluate("() => app.extensionManager.command.execute('Comfy.NewBlankWorkflow')")
    frontend.page.wait_for_function("() => app.graph.nodes.length === 0")
    yield frontend
    frontend.close()
    assert frontend.page_errors == []


def insert(frontend, name: str) -> None:
    """Double-click the canvas, type the name, click on what is found."""
    page = frontend.page
    page.mouse.dblclick(800, 500)
    # On a machine that has just started, the search opens late: what is typed before is lost, or a shortcut.
    page.wait_for_function("() => document.activeElement?.tagName === 'INPUT'")
    page.keyboard.type(name)
    page.get_by_text(name, exact=True).first.click()
    page.wait_for_function(FOUND, arg=name)
    page.mouse.click(800, 500)  # until then the new node follows the pointer


def test_the_host_lists_the_blueprints(server):
    listed = server.get("/global_subgraphs").values()
    mine = {entry["name"] for entry in listed if entry["info"]["node_pack"].endswith("ComfyUI-PointVid")}
    assert mine == set(NAMES)
    assert TRACK in mine


@pytest.mark.parametrize("name", NAMES)
def test_every_node_inside_is_known(server, name):
    known = server.get("/object_info")
    blueprint = json.loads((ROOT / "subgraphs" / f"{name}.json").read_text(encoding="utf-8"))
    (inside,) = blueprint["definitions"]["subgraphs"]
    assert [node["type"] for node in blueprint["nodes"]] == [inside["id"]]
    assert inside["description"]
    for node in inside["nodes"]:
        info = known[node["type"]]
        there = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
        assert [item["name"] for item in node["outputs"]] == info["output_name"]
        assert {item["name"] for item in node["inputs"]} == set(there), node["type"]


@pytest.mark.slow
def test_tracking_blueprint_runs(frontend, screenshots):
    insert(frontend, TRACK)
    frontend.page.evaluate(FINISH, [TRACK, "demo.mp4"])
    ended, message = frontend.run()
    assert ended == "execution_success", message
    text = frontend.page.evaluate(
        "() => app.graph.nodes.find((node) => node.type === 'PreviewAny').widgets.map((widget) => widget.value).join()"
    )
    assert "found by its motion" in text
    frontend.picture(screenshots / "blueprint.png")
