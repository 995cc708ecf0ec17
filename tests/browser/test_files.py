"""Saved files are named on the node that saved them; a file is uploaded on the node that loads it."""

from __future__ import annotations

import pytest

from tests.browser.frontend import CLASSIC

pytestmark = pytest.mark.browser

SHOW = """async () => {
  const node = LiteGraph.createNode("PointVid_SaveTracks"); app.graph.add(node);
  node.onExecuted({files: [{filename: "tracks_00001_.npz", subfolder: "pointvid", type: "output"}]});
  return [node.pointvidSaved.textContent, node.pointvidSaved.querySelector("a").href];
}"""
UPLOAD = """async () => {
  const node = LiteGraph.createNode("PointVid_LoadTracks"); app.graph.add(node);
  const chosen = new DataTransfer(); chosen.items.add(new File(["x"], "mine.npz"));
  HTMLInputElement.prototype.click = function () {
    this.files = chosen.files; this.onchange(); };
  node.widgets.find((widget) => widget.name === "upload").callback();
  const file = node.widgets.find((widget) => widget.name === "file");
  for (let i = 0; i < 100 && file.value !== "pointvid/mine.npz"; i++)
    await new Promise((done) => setTimeout(done, 100));
  return [file.value, node.serialize().widgets_values[0]];
}"""


@pytest.mark.parametrize("frontend", [CLASSIC], indirect=True)
def test_saved_and_uploaded(frontend, server):
    text, href = frontend.page.evaluate(SHOW)
    assert text == "output/pointvid/tracks_00001_.npz"
    assert "filename=tracks_00001_.npz&subfolder=pointvid&type=output" in href
    assert frontend.page.evaluate(UPLOAD) == ["pointvid/mine.npz"] * 2
    assert server.read("/view?filename=mine.npz&subfolder=pointvid&type=input") == b"x"
