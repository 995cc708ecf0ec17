"""The Point-Cloud Preview node's widget in the real frontend, in both renderers."""

from __future__ import annotations

import pytest

from benchmarks.cube_clip import cube_clip
from pointvid.track_file import save_tracks
from tests.browser.frontend import CLASSIC, NODES_2, Frontend

pytestmark = pytest.mark.browser

GRAPH = {
    "1": {"class_type": "PointVid_LoadTracks", "inputs": {"file": "cube.npz"}},
    "2": {"class_type": "PointVid_PointCloudPreview", "inputs": {"points": ["1", 0]}},
}


def script(body: str) -> str:
    """JavaScript in which `node` is the preview and root() its widget's shadow root, undefined until it has loaded."""
    return f"""(arg) => {{
      const node = app.graph.nodes.find((node) => node.type === "PointVid_PointCloudPreview");
      const root = () => node?.widgets.find(({{ name }}) => name === "viewer").element.firstElementChild?.shadowRoot;
      {body}
    }}"""


PLAYING = script("return root()?.querySelector('.counter').textContent.endsWith('/ 6')")
SAYS = script("return root()?.querySelector('.message').textContent.includes(arg)")
COLOR = script("return root().querySelector('.top select').value")


@pytest.fixture(params=[CLASSIC, NODES_2])
def frontend(request, chromium, server):
    save_tracks(cube_clip(400, 6)[0], server.base / "input" / "cube.npz")
    frontend = Frontend(chromium, server.url, request.param)
    yield frontend
    frontend.close()
    assert frontend.page_errors == []


def test_life_of_the_widget(frontend):
    """Loaded lazily, explains what is missing, plays, outlives tab switch and reload, leaves nothing behind."""
    page = frontend.page
    fetched = page.evaluate("() => performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert any(name.endswith("/pointvid.js") for name in fetched)
    assert not any(name.endswith(".mjs") for name in fetched)

    page.evaluate("async (graph) => { await app.loadApiJson(graph, 'viewer') }", GRAPH)
    page.wait_for_function(SAYS, arg="Run the graph")
    page.evaluate(script("node.onExecuted({ pointvid: [{ filename: 'gone.pvt', subfolder: '', type: 'temp' }] })"))
    page.wait_for_function(SAYS, arg="(404)")
    assert frontend.run() == ("execution_success", "")
    page.wait_for_function(PLAYING)
    page.evaluate(
        script("""
          const select = root().querySelector('.top select');
          select.value = arg;
          select.dispatchEvent(new Event('change'));
        """),
        "depth",
    )

    page.evaluate("() => app.extensionManager.command.execute('Comfy.NewBlankWorkflow')")
    page.wait_for_function("() => app.graph.nodes.length === 0")
    page.evaluate("() => app.extensionManager.command.execute('Workspace.PreviousOpenedWorkflow')")
    page.wait_for_function(PLAYING)
    assert page.evaluate(COLOR) == "depth"

    page.wait_for_timeout(1500)  # the frontend keeps drafts of open workflows, a moment after they change
    page.reload()
    page.wait_for_function("() => window.app?.graph?.nodes?.length === 2", timeout=60_000)
    page.wait_for_function(PLAYING)
    assert page.evaluate(COLOR) == "depth"

    lost_and_connected = page.evaluate(
        script("""
          const canvas = root().querySelector('.cloud canvas'), gl = canvas.getContext('webgl2');
          app.graph.remove(node);
          return [gl.isContextLost(), canvas.isConnected];
        """)
    )
    assert lost_and_connected == [True, False]
