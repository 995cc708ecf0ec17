"""The workflows that generate, run in the browser with the model that comes with the pack."""

from __future__ import annotations

import pytest

from tests import workflows
from tests.browser.test_workflows import coloured

pytestmark = [pytest.mark.browser, pytest.mark.slow]  # a minute and a half

NAMES = [name for name in workflows.names() if workflows.needs_checkpoint(name)]


def lightened(name: str) -> dict:
    """The workflow with 4 steps; all else as shipped."""
    workflow = workflows.load(name)
    for node in workflow["nodes"]:
        if node["type"] in ("PointVid_VideoPointSampler", "KSampler"):
            node["widgets_values"][2] = 4
    return workflow


@pytest.mark.parametrize("name", NAMES)
def test_model_workflow_runs(frontend, server, screenshots, name):
    workflow = lightened(name)
    used = {node["type"] for node in workflow["nodes"]} - workflows.NOTES
    assert used <= frontend.registered_types()
    frontend.open(workflow)
    ended, message = frontend.run()
    assert ended == "execution_success", message
    frontend.page.wait_for_timeout(1500)
    assert coloured(frontend.picture(screenshots / f"{name}-{frontend.renderer}.png")) > 10_000
    assert not frontend.page_errors
