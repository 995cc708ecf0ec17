"""The Point-Cloud Preview node's widget in the real frontend, in both renderers."""

from __future__ import annotations

import pytest

from benchmarks.cube_clip import cube_clip
from pointvid.files.track_file import save_tracks
from tests.browser.frontend import CLASSIC, NODES_2, Frontend
from tests.browser.test_viewer_gestures import Fingers
from tests.conftest import eventually

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
SETTINGS = script("return node.properties.pointvid_viewer")
COLOR = script("return root().querySelector('.top select').value")


@pytest.fixture(params=[CLASSIC, NODES_2])
def frontend(request, chromium, server):
    save_tracks(cube_clip(400, 6)[0], server.base / "input" / "cube.npz")
    save_tracks(cube_clip(300, 6)[0], server.base / "input" / "other.npz")
    frontend = Frontend(chromium, server.url, request.param, touch=True)
    yield frontend
    frontend.close()
    assert frontend.page_errors == []
    assert frontend.console_errors == []


@pytest.mark.slow
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


CAMERA_OF_THE_GRAPH = (
    "() => [app.canvas.ds.scale, ...app.canvas.ds.offset, ...app.graph.nodes.flatMap(({ pos }) => [...pos])]"
)


@pytest.mark.slow
def test_sight_fingers_comparison_and_full_screen(frontend):
    """Out of sight nothing is drawn; fingers move the cloud, never the graph; two sets compare, full screen too."""
    page = frontend.page
    other = {"class_type": "PointVid_LoadTracks", "inputs": {"file": "other.npz"}}
    preview = {**GRAPH["2"], "inputs": {"points": ["1", 0], "compare": ["3", 0]}}
    graph = {**GRAPH, "2": preview, "3": other}
    page.evaluate("async (graph) => { await app.loadApiJson(graph, 'viewer') }", graph)
    assert frontend.run() == ("execution_success", "")
    page.wait_for_function(PLAYING)
    page.evaluate("() => app.extensionManager.command.execute('Comfy.Canvas.FitView')")
    page.wait_for_timeout(1000)

    def frames_seen() -> int:
        counter = script("return root().querySelector('.counter').textContent")
        return len({page.evaluate(counter) for _ in range(10) if page.wait_for_timeout(100) is None})

    for by, plays in ((0, True), (5000, False), (-5000, True)):
        page.evaluate("(by) => { app.canvas.ds.offset[0] += by; app.canvas.setDirty(true, true) }", by)
        eventually(lambda plays=plays: (frames_seen() > 1) == plays)
    page.evaluate(script("root().querySelector('.bar button').click()"))  # stop playing

    canvas = script(
        "const { x, y, width, height } = root().querySelector('.cloud canvas').getBoundingClientRect();"
        "return [x + width / 2, y + height / 2]"
    )
    x, y = page.evaluate(canvas)
    graph_before, pictures = page.evaluate(CAMERA_OF_THE_GRAPH), [page.screenshot()]
    fingers = Fingers(page)
    fingers.drag(((x, y), (x + 60, y + 10)))
    pictures.append(page.screenshot())
    fingers.drag(((x - 30, y), (x - 70, y)), ((x + 30, y), (x + 70, y)))
    page.wait_for_timeout(400)
    pictures.append(page.screenshot())
    assert len(set(pictures)) == 3
    assert page.evaluate(CAMERA_OF_THE_GRAPH) == graph_before

    for mode, names in (("overlay", ["points + compare"]), ("second", ["compare"]), ("side", ["points", "compare"])):
        page.evaluate(
            script("""
              root().querySelector('.menu').hidden = false;
              const choice = root().querySelector(`.menu option[value=${arg}]`).parentElement;
              choice.value = arg;
              choice.dispatchEvent(new Event('change'));
            """),
            mode,
        )
        shown = page.evaluate(
            script("return [...root().querySelectorAll('.name')].filter((e) => !e.hidden).map((e) => e.textContent)")
        )
        assert shown == names
        assert page.evaluate(SETTINGS)["compare"] == mode

    page.evaluate(script("root().querySelector('.top button:last-child').click()"))
    page.wait_for_function(
        "() => document.fullscreenElement?.shadowRoot?.querySelector('.cloud canvas').clientHeight > 700"
    )
    page.evaluate("() => document.exitFullscreen()")
    page.wait_for_function(script("return root().querySelector('.cloud canvas').clientHeight < 700"))
