"""Every example workflow, opened and run in the frontend, in both of its renderers.

Screenshots stay in SCREENSHOTS (environment) for eyes to look at, else in pytest's temporary folder.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests import workflows
from tests.browser.frontend import CLASSIC, NODES_2, Frontend

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=[CLASSIC, NODES_2])
def frontend(request, chromium, server):
    frontend = Frontend(chromium, server.url, request.param)
    frontend.renderer = request.param
    yield frontend
    frontend.close()


def test_server_loads_the_pack(server):
    assert "IMPORT FAILED" not in server.log.read_text(encoding="utf-8")
    info = server.get("/object_info")
    assert sum(name.startswith("PointVid_") for name in info) >= 12


def test_templates_are_served_with_thumbnails(server):
    served = server.get("/workflow_templates")["ComfyUI-PointVid"]
    assert sorted(served) == workflows.names()
    assert len(served) == 5
    for name in served:
        assert server.read(f"/api/workflow_templates/ComfyUI-PointVid/{name}.jpg")[:2] == b"\xff\xd8"


@pytest.mark.parametrize("name", [name for name in workflows.names() if not workflows.needs_checkpoint(name)])
def test_workflow_runs(frontend, server, screenshots, name):
    workflow = workflows.load(name)
    used = {node["type"] for node in workflow["nodes"]} - workflows.NOTES
    assert used <= frontend.registered_types()
    frontend.open(workflow)
    ended, message = frontend.run()
    assert ended == "execution_success", message
    frontend.page.wait_for_timeout(2500)  # for viewers to fetch and draw
    page = frontend.picture(screenshots / f"{name}-{frontend.renderer}.png")
    assert coloured(page) > 10_000
    for kind in used & {"PointVid_PointCloudPreview", "Preview3D"}:
        node = frontend.picture(screenshots / f"{name}-{frontend.renderer}-{kind}.png", kind)
        height, width, _ = node.shape
        # Away from tool bars, and from the coloured axes that Preview 3D draws in its lower left corner.
        middle = node[height // 4 : height * 7 // 10, width // 3 :]
        assert coloured(middle) > 100, f"{kind} shows nothing"
    assert not frontend.page_errors


def coloured(picture: np.ndarray) -> int:
    """How many pixels are coloured: a node without content is grey all over."""
    return int((np.ptp(picture.astype(int), axis=-1) > 30).sum())
