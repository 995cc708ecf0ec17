"""The example workflows pass the host's own validation; tests/browser opens and runs them."""

from __future__ import annotations

import pytest

from tests import workflows

pytestmark = pytest.mark.host


@pytest.mark.parametrize("name", workflows.names())
def test_workflow_is_valid(host, name):
    workflow = workflows.load(name)
    types = {node["type"] for node in workflow["nodes"]} - workflows.NOTES
    graph = workflows.to_api(workflow, host.describe(types))
    result = host.run(graph, only_validate=True)
    assert result["ok"], result
    assert len(result["outputs"]) >= 4


@pytest.mark.parametrize("name", workflows.names())
def test_workflow_has_a_thumbnail(name):
    assert (workflows.FOLDER / f"{name}.jpg").stat().st_size < 100_000
