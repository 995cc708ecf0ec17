"""The example workflows pass the host's own validation; tests/browser opens and runs them."""

from __future__ import annotations

import shutil

import pytest

from tests import tiny_models as tiny
from tests import workflows
from tests.host.test_model_nodes import put_checkpoint

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def files(host, comfyui, tmp_path_factory) -> None:
    """What the workflows of the joint model name: a checkpoint, here a tiny one, and core's example picture."""
    published = tiny.published_folder(tmp_path_factory.mktemp("published") / "i2vgen-xl", tiny.i2vgen_unet())
    path = put_checkpoint(host, published)
    shutil.copy(path, path.with_name("pointvid-i2vgen-xl.safetensors"))
    shutil.copy(comfyui / "input" / "example.png", host.base / "input" / "example.png")


@pytest.mark.parametrize("name", workflows.names())
def test_workflow_is_valid(host, files, name):
    workflow = workflows.load(name)
    types = {node["type"] for node in workflow["nodes"]} - workflows.NOTES
    graph = workflows.to_api(workflow, host.describe(types))
    result = host.run(graph, only_validate=True)
    assert result["ok"], result
    assert len(result["outputs"]) >= (2 if workflows.needs_checkpoint(name) else 4)


@pytest.mark.parametrize("name", workflows.names())
def test_workflow_has_a_thumbnail(name):
    assert (workflows.FOLDER / f"{name}.jpg").stat().st_size < 100_000
