"""No node of a template lies over another, in either renderer: measured in the page, as it is drawn."""

from __future__ import annotations

import pytest

from tests import workflows

pytestmark = pytest.mark.browser

# Every node on the page: title, then left, top, right and bottom in the graph's own units.
BOXES = """() => app.graph.nodes.map((node) => {
  const drawn = document.querySelector(`[data-node-id="${node.id}"]`);
  const scale = app.canvas.ds.scale, title = LiteGraph.NODE_TITLE_HEIGHT;
  let [left, top, width, height] = [node.pos[0], node.pos[1] - title, node.size[0], node.size[1] + title];
  if (drawn) {
    const box = drawn.getBoundingClientRect(), canvas = app.canvas.canvas.getBoundingClientRect();
    left = (box.x - canvas.x) / scale - app.canvas.ds.offset[0];
    top = (box.y - canvas.y) / scale - app.canvas.ds.offset[1];
    [width, height] = [box.width / scale, box.height / scale];
  }
  return [`${node.title} (${node.id})`, left, top, left + width, top + height];
})"""


@pytest.mark.parametrize("name", workflows.names())
def test_nodes_do_not_overlap(frontend, name):
    frontend.open(workflows.load(name))
    boxes = frontend.page.evaluate(BOXES)
    over = []
    for i, (one, *a) in enumerate(boxes):
        for other, *b in boxes[i + 1 :]:
            across = min(a[2], b[2]) - max(a[0], b[0])
            down = min(a[3], b[3]) - max(a[1], b[1])
            if across > 1 and down > 1:
                over.append(f"{one} and {other} by {across:.0f}x{down:.0f}")
    assert not over, "; ".join(over)
