"""Measure Point Tracks: the report, the curves and the figures that leave the node."""

from __future__ import annotations

import json
import math

import pytest

from pointvid.files.track_file import save_tracks
from pointvid.metrics import measure
from tests.host.graphs import Graph
from tests.host.test_track_nodes import some_tracks

pytestmark = pytest.mark.host

NUMBERS = ("rigidity", "shape_change", "jitter", "motion", "agreement", "retracking", "distance")


@pytest.fixture
def graph(host) -> tuple[Graph, str]:
    save_tracks(some_tracks(), host.base / "input" / "measured.npz")
    graph = Graph()
    return graph, graph.add("PointVid_LoadTracks", file="measured.npz")


def figures(host, graph: Graph, node: str) -> tuple[dict, dict]:
    """Run; what came out, and the host's record of the run."""
    names = ("report", "plot", "json", *NUMBERS)
    for index, name in enumerate(names):
        graph.probe(f"measured_{name}", node, index)
    result = host.run(graph)
    assert result["ok"], result
    return {name: host.probed(f"measured_{name}") for name in names}, result


def test_points_alone(host, graph):
    graph, load = graph
    node = graph.add("PointVid_MeasureTracks", points=(load, 0))
    found, result = figures(host, graph, node)
    expected = measure(some_tracks())
    assert found["rigidity"] == pytest.approx(expected.value("rigidity_relative"))
    assert found["jitter"] == pytest.approx(expected.value("jitter"))
    assert found["motion"] == pytest.approx(expected.value("motion"))
    assert all(math.isnan(found[name]) for name in ("agreement", "retracking", "distance"))
    assert json.loads(found["json"])["points"] == 48
    assert "Shape change" in found["report"]
    assert found["plot"].shape[-1] == 3
    assert found["plot"].std() > 0.02
    (shown,) = result["outputs"][node]["images"]
    assert shown["type"] == "temp"


def test_with_a_clip_and_a_reference(host):
    graph = Graph()
    demo = graph.add("PointVid_DemoClip")
    track = graph.add(
        "PointVid_TrackingPreprocessor",
        image=(demo, 0),
        mask=(demo, 1),
        depth=(demo, 2),
        fps=8.0,
        tracker="lucas_kanade",
        grid_size=12,
        random_points=0,
        track_everything=False,
        smooth=False,
    )
    node = graph.add("PointVid_MeasureTracks", points=(track, 0), image=(demo, 0), reference=(track, 1), retrack=False)
    found, _ = figures(host, graph, node)
    assert found["agreement"] > 0.85
    assert found["distance"] < 0.5, "the point map goes through the tracks that it was filled in from"
    assert math.isnan(found["retracking"])
    assert "reference: " in found["report"]


def test_a_clip_of_other_length_is_refused_in_one_line(host, graph):
    graph, load = graph
    demo = graph.add("PointVid_DemoClip")
    graph.add("PointVid_MeasureTracks", points=(load, 0), image=(demo, 0))
    result = host.run(graph)
    assert not result["ok"]
    assert "points are for 6 frames of 24x32" in json.dumps(result)
