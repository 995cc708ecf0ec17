"""Every example workflow, opened and run in the frontend, in both of its renderers.

Screenshots stay in SCREENSHOTS (environment) for eyes to look at, else in pytest's temporary folder.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests import workflows
from tests.browser.frontend import CLASSIC

pytestmark = pytest.mark.browser

OUTPUTS = {"PointVid_PointCloudPreview", "SaveVideo"}


def test_server_loads_the_pack(server):
    assert "IMPORT FAILED" not in server.log.read_text(encoding="utf-8")
    info = server.get("/object_info")
    assert sum(name.startswith("PointVid_") for name in info) >= 12


def test_templates_are_served_with_thumbnails(server):
    served = server.get("/workflow_templates")["ComfyUI-PointVid"]
    assert sorted(served) == workflows.names()
    for name in served:
        assert server.read(f"/api/workflow_templates/ComfyUI-PointVid/{name}.jpg")[:2] == b"\xff\xd8"


@pytest.mark.slow
@pytest.mark.parametrize("frontend", [CLASSIC], indirect=True)
@pytest.mark.parametrize("folder", [workflows.FOLDER, workflows.SAVED], ids=["now", "version_0_1"])
def test_every_widget_gets_the_value_that_was_saved_for_it(frontend, server, folder):
    """What the frontend would send is what the host tests validate, input by input; also of workflows of old."""
    described = server.get("/object_info")
    for name in workflows.names(folder):
        workflow = workflows.load(name, folder)
        frontend.open(workflow)
        sent = frontend.page.evaluate("async () => (await app.graphToPrompt()).output")
        expected = workflows.to_api(workflow, described)
        assert sent.keys() == expected.keys(), name
        for id, node in expected.items():
            assert node["class_type"] == sent[id]["class_type"]
            inputs = sent[id]["inputs"]
            if not node["class_type"].startswith("PointVid_"):  # core's viewers add inputs of their own
                inputs = {key: inputs.get(key) for key in node["inputs"]}
            assert inputs == node["inputs"], (name, node["class_type"])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in workflows.names() if not workflows.needs_checkpoint(name)])
def test_workflow_runs(frontend, server, screenshots, name):
    """Without what needs files that users must get; where nothing else is left, it opens."""
    whole = workflows.load(name)
    assert {node["type"] for node in whole["nodes"]} - workflows.NOTES <= frontend.registered_types()
    workflow = lightened(workflows.without_models(whole))
    used = {node["type"] for node in workflow["nodes"]} - workflows.NOTES
    frontend.open(workflow)
    if used & OUTPUTS:
        ended, message = frontend.run()
        assert ended == "execution_success", message
        frontend.page.wait_for_timeout(2500)  # for viewers to fetch and draw
    else:
        frontend.open(whole)
    page = frontend.picture(screenshots / f"{name}-{frontend.renderer}.png")
    assert coloured(page) > (10_000 if used & OUTPUTS else 500)
    for kind in used & {"PointVid_PointCloudPreview", "Preview3D"}:
        node = frontend.picture(screenshots / f"{name}-{frontend.renderer}-{kind}.png", kind)
        height, width, _ = node.shape
        # Away from tool bars, and from the coloured axes that Preview 3D draws in its lower left corner.
        middle = node[height // 4 : height * 7 // 10, width // 3 :]
        assert coloured(middle) > 100, f"{kind} shows nothing"
    assert not frontend.page_errors


def lightened(workflow: dict) -> dict:
    """The workflow with videos of 416x240 to be made; all else as shipped."""
    for node in workflow["nodes"]:
        if node["type"] == "ImageScale":
            node["widgets_values"][1:3] = 416, 240
    return workflow


def coloured(picture: np.ndarray) -> int:
    """How many pixels are coloured: a node without content is grey all over."""
    return int((np.ptp(picture.astype(int), axis=-1) > 30).sum())
