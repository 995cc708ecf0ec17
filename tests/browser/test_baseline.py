"""A real ComfyUI as a method of `experiments.compare`: its own nodes make a video of the uploaded image."""

import pytest
import torch
from PIL import Image

from experiments.evaluation.comfyui import ComfyUI, read_workflow
from experiments.evaluation.inputs import Item
from pointvid.errors import PointVidError

pytestmark = pytest.mark.browser

VIDEO = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "%image%"}},
    "2": {"class_type": "RepeatImageBatch", "inputs": {"image": ["1", 0], "amount": 5}},
    "3": {"class_type": "CreateVideo", "inputs": {"images": ["2", 0], "fps": 12.0}},
    "4": {
        "class_type": "SaveVideo",
        "inputs": {"video": ["3", 0], "filename_prefix": "baseline/%seed%", "format": "mp4", "codec": "h264"},
    },
}
IMAGES = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "%image%"}},
    "2": {"class_type": "RepeatImageBatch", "inputs": {"image": ["1", 0], "amount": 2}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "%prompt%"}},
}


@pytest.fixture
def item(tmp_path):
    path = tmp_path / "green.png"
    Image.new("RGB", (64, 48), (20, 180, 40)).save(path)
    return Item("green", "a green wall", path)


def test_a_workflow_that_saves_a_video(server, item):
    clip = ComfyUI(VIDEO, server.url, "video").generate(item, 3)
    assert clip.video.shape == (5, 48, 64, 3)
    assert clip.fps == 12
    color = clip.video.float().mean((0, 1, 2))
    assert torch.allclose(color, torch.tensor([20.0, 180.0, 40.0]), atol=4)
    assert list((server.base / "output" / "baseline").glob("*.mp4"))


def test_a_workflow_that_saves_images(server, item):
    clip = ComfyUI(IMAGES, server.url, "images", fps=7).generate(item, 0)
    assert clip.fps == 7
    assert torch.equal(clip.video, torch.tensor([20, 180, 40], dtype=torch.uint8).expand(2, 48, 64, 3))


def test_a_node_that_the_server_lacks(server, item, tmp_path):
    path = tmp_path / "flow.json"
    path.write_text('{"1": {"class_type": "NoSuchNode", "inputs": {"image": "%image%"}}}', encoding="utf-8")
    with pytest.raises(PointVidError, match=r"refused /prompt \(400\): .*NoSuchNode"):
        ComfyUI(read_workflow(path), server.url, "flow").generate(item, 0)
