"""The small model that comes with the pack, through the host's own loaders, sampler and VAE."""

from __future__ import annotations

import pytest

from tests import workflows
from tests.host.graphs import Graph

pytestmark = pytest.mark.host


@pytest.mark.parametrize(
    ("words", "axis", "sign"),
    [("pushed to the left", 0, -1), pytest.param("lifted up", 1, -1, marks=pytest.mark.slow)],
)
def test_it_does_what_the_prompt_says(host, words, axis, sign):
    workflow = workflows.load("image_to_video_and_tracks")
    described = host.describe({node["type"] for node in workflow["nodes"]} - workflows.NOTES)
    graph = Graph(workflows.to_api(workflow, described))
    (sampler,) = (node for node in graph.values() if node["class_type"] == "PointVid_VideoPointSampler")
    sampler["inputs"] |= {"steps": 8, "seed": 0}
    (prompt,) = (node for node in graph.values() if "blue box" in str(node["inputs"].get("text")))
    prompt["inputs"]["text"] = f"the blue box is {words}"
    (decoder,) = (key for key, node in graph.items() if node["class_type"] == "PointVid_TrajectoryDecoder")
    for key in [
        key for key, node in graph.items() if node["class_type"] in ("SaveVideo", "PointVid_PointCloudPreview")
    ]:
        del graph[key]
    graph["probe"] = {"class_type": "Probe", "inputs": {"value": [decoder, 1], "name": "small_tracks"}}
    result = host.run(graph)
    assert result["ok"], result
    uvd = host.probed("small_tracks")["uvd"]
    way = (uvd[-1] - uvd[0])[:, :2].median(0).values
    assert sign * way[axis] > 10
    assert abs(way[1 - axis]) < abs(way[axis])
    start = uvd[0, :, :2].mean(0)
    assert 40 < start[0] < 88  # where the box is in the picture
    assert 40 < start[1] < 100
