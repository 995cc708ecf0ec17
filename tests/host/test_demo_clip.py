"""The shipped clip, as the first node that a newcomer sees."""

from __future__ import annotations

import pytest
import torch

from pointvid.commands.demo import ASSETS
from pointvid.files.track_file import load_tracks
from tests.host.graphs import Graph

pytestmark = pytest.mark.host


def test_parts_agree_with_each_other_and_with_the_truth(host):
    graph = Graph()
    clip = graph.add("PointVid_DemoClip")
    for output, name in enumerate(("image", "mask", "depth", "fps")):
        graph.probe(f"demo_{name}", clip, output)
    points = graph.add("MoGeRender", moge_geometry=(clip, 2), output="depth")
    graph.probe("demo_drawn", points)
    result = host.run(graph)
    assert result["ok"], result
    image, mask, geometry = (host.probed(f"demo_{name}") for name in ("image", "mask", "depth"))
    truth = load_tracks(ASSETS / "demo_tracks.npz")
    frames, height, width = geometry["depth"].shape
    assert image.shape == (frames, height, width, 3)
    assert (frames, (height, width)) == (truth.num_frames, truth.image_size)
    assert host.probed("demo_fps") == pytest.approx(truth.fps)
    u, v = truth.queries.long().unbind(-1)
    assert mask.shape == (1, height, width)
    assert mask[0, v, u].all()
    assert torch.allclose(geometry["depth"][0, v, u], truth.uvd[0, :, 2], rtol=2e-3)  # stored as float16
    assert host.probed("demo_drawn").shape[:3] == (frames, height, width)  # core's own node reads it
    # The camera, through the reader that the other nodes use.
    size = torch.tensor([[width], [height], [1]])
    k = geometry["intrinsics"][0] * size
    assert k[0, 0].item() == pytest.approx(truth.camera.fx, rel=1e-5)
    assert k[1, 2].item() - 0.5 == pytest.approx(truth.camera.cy, rel=1e-5)
