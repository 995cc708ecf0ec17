"""The example workflows, and those of version 0.1, pass the host's own validation; tests/browser opens and runs them.

What a user has saved must keep loading: tests/data/workflows_0.1 holds the examples as that version shipped them and
is never edited.
"""

from __future__ import annotations

import shutil

import pytest

from tests import tiny_models as tiny
from tests import workflows
from tests.host.test_model_nodes import put_checkpoint

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def files(host, comfyui, tmp_path_factory) -> None:
    """What the workflows name: a joint model (here a tiny one), core's example picture, empty files of core models."""
    published = tiny.published_folder(tmp_path_factory.mktemp("published") / "i2vgen-xl", tiny.i2vgen_unet())
    path = put_checkpoint(host, published)
    shutil.copy(path, path.with_name("pointvid-i2vgen-xl.safetensors"))
    shutil.copy(comfyui / "input" / "example.png", host.base / "input" / "example.png")
    for name in workflows.names():
        for file in workflows.model_files(workflows.load(name)):
            place = host.base / "models" / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()


def validate(host, workflow: dict) -> None:
    """Not one output may be invalid: the host drops those without a word where others are left."""
    described = host.describe({node["type"] for node in workflow["nodes"]} - workflows.NOTES)
    result = host.run(workflows.to_api(workflow, described), only_validate=True)
    assert result["ok"], result
    ends = {str(node["id"]) for node in workflow["nodes"] if described.get(node["type"], {}).get("output_node")}
    assert len(ends) >= 2
    assert ends == set(result["outputs"])


@pytest.mark.parametrize("name", workflows.names())
def test_workflow_is_valid(host, files, name):
    validate(host, workflows.load(name))


@pytest.mark.parametrize("name", workflows.names(workflows.SAVED))
def test_workflow_saved_by_version_0_1_is_valid(host, files, name):
    validate(host, workflows.load(name, workflows.SAVED))
    assert name in workflows.names()  # what names the template stays good, too


@pytest.mark.parametrize("name", [name for name in workflows.names() if workflows.model_files(workflows.load(name))])
def test_files_to_get_are_named_in_the_note(name):
    workflow = workflows.load(name)
    notes = "".join(node["widgets_values"][0] for node in workflow["nodes"] if node["type"] in workflows.NOTES)
    for file in workflows.model_files(workflow):
        folder, file = file.split("/")
        assert f"models/{folder}" in notes
        assert file in notes
    loaded = {
        value for node in workflow["nodes"] if node["type"] in workflows.LOADERS for value in node["widgets_values"]
    }
    assert {file.split("/")[1] for file in workflows.model_files(workflow)} <= loaded


@pytest.mark.parametrize("name", workflows.names())
def test_workflow_has_a_thumbnail(name):
    assert (workflows.FOLDER / f"{name}.jpg").stat().st_size < 100_000
