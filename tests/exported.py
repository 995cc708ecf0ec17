"""Hand-made tracks for the export tests: 3 points, 4 frames, known positions."""

import torch

from pointvid.camera import Camera
from pointvid.tracks import PointTracks

XYZ = torch.tensor(
    [[[0.1 * t, -0.2, 2.0 + t], [1.0, 0.5 + 0.25 * t, 3.0], [-1.0, 0.25, 1.5]] for t in range(4)], dtype=torch.float32
)
VISIBLE = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 0, 0], [1, 1, 0]]).bool()
COLOR = torch.tensor([[255, 0, 0], [0, 128, 255], [12, 200, 13]], dtype=torch.uint8)
Y_UP = torch.tensor([1.0, -1.0, -1.0])


def hand_made(**changes):
    camera = Camera(80.0, 90.0, 31.0, 25.0)
    fields = {
        "uvd": camera.project(XYZ),
        "visible": VISIBLE,
        "image_size": (48, 64),
        "camera": camera,
        "depth_unit": "metric",
        "fps": 8.0,
        "color": COLOR,
        "object_id": torch.tensor([1, 1, 2], dtype=torch.int32),
    }
    return PointTracks(**{**fields, **changes})
