"""The workflows that need a checkpoint, run on a tiny random one that lies under the name they ask for."""

from __future__ import annotations

import shutil

import pytest

from tests import tiny_models as tiny
from tests import workflows
from tests.browser.frontend import CLASSIC, NODES_2, Frontend
from tests.browser.test_workflows import coloured
from tests.host.test_model_nodes import put_checkpoint

pytestmark = pytest.mark.browser

CHECKPOINT = "pointvid-i2vgen-xl.safetensors"
NAMES = [name for name in workflows.names() if workflows.needs_checkpoint(name)]


@pytest.fixture(scope="module")
def checkpoint(server, comfyui, tmp_path_factory) -> None:
    """A converted tiny model, its new weights moved off zero, and core's example picture."""
    folder = tiny.published_folder(tmp_path_factory.mktemp("published") / "i2vgen-xl", tiny.i2vgen_unet())
    path = put_checkpoint(server, folder)
    path.rename(path.with_name(CHECKPOINT))
    shutil.copy(comfyui / "input" / "example.png", server.base / "input" / "example.png")


@pytest.fixture(scope="module", params=[CLASSIC, NODES_2])
def frontend(request, chromium, server, checkpoint):
    frontend = Frontend(chromium, server.url, request.param)
    frontend.renderer = request.param
    yield frontend
    frontend.close()


def lightened(name: str) -> dict:
    """The workflow at 64x64, 4 frames, 2 steps; all else as shipped."""
    workflow = workflows.load(name)
    changes = {
        "PointVid_ImageToVideo": {0: 64, 1: 64, 2: 4},
        "PointVid_VideoPointSampler": {2: 2},
        "KSampler": {2: 2},
    }
    for node in workflow["nodes"]:
        for index, value in changes.get(node["type"], {}).items():
            node["widgets_values"][index] = value
    return workflow


@pytest.mark.parametrize("name", NAMES)
def test_model_workflow_runs(frontend, server, screenshots, name):
    workflow = lightened(name)
    used = {node["type"] for node in workflow["nodes"]} - workflows.NOTES
    assert used <= frontend.registered_types()
    frontend.open(workflow)
    ended, message = frontend.run()
    # A random model's points may leave no foreground: then only what needs points is stopped, with our reason.
    assert ended == "execution_success" or "no foreground" in message, message
    frontend.page.wait_for_timeout(1500)
    assert coloured(frontend.picture(screenshots / f"{name}-{frontend.renderer}.png")) > 10_000
    assert not frontend.page_errors
