"""One value of depth, from whoever knows it to the tracks."""

import pytest
import torch

from pointvid import Clip, Depth, TrackSettings, track_clip, track_points
from pointvid.camera import Camera
from pointvid.errors import PointVidError

from .command_line import SIZE, STEP, moving_square

CAMERA = Camera(150.0, 160.0, 60.0, 50.0)


def test_tracks_take_the_depth_its_unit_its_camera_and_the_rate_of_the_clip():
    video = moving_square()
    ramp = torch.linspace(2, 3, SIZE[1]).expand(len(video), *SIZE)
    queries = torch.tensor([[40.0, 40.0], [10.0, 20.0]])
    found = track_points(Clip(video, 12.5), queries, depth=Depth(ramp, "metric", CAMERA))
    assert (found.depth_unit, found.camera, found.fps) == ("metric", CAMERA, 12.5)
    assert torch.equal(found.queries, queries)
    assert torch.allclose(found.uvd[-1, 0, :2] - queries[0], torch.tensor([STEP * 5.0, 0.0]), atol=1)
    expected = 2 + found.uvd[..., 0].double() / (SIZE[1] - 1)
    assert (found.uvd[..., 2] - expected).abs().max() < 1e-3


def test_a_camera_alone_leaves_the_tracks_flat():
    found = track_clip(moving_square(), mask="everything", depth=Depth(camera=CAMERA), settings=TrackSettings(6, 0))
    assert (found.tracks.uvd[..., 2] == 1).all()
    assert (found.tracks.depth_unit, found.tracks.camera, found.tracks.fps) == ("relative", CAMERA, 8)
    assert found.tracks.object_id is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"unit": "feet"}, "depth: unit is 'feet'"),
        ({"unit": "metric"}, "unit is 'metric' without maps"),
        ({"maps": torch.ones(4, 5)}, r"depth is \[4, 5\], expected float32 \[T, H, W\]"),
        ({"maps": torch.ones(3, 4, 5), "cameras": torch.eye(4)[None]}, r"cameras is \[1, 4, 4\].*\[3, 4, 4\]"),
    ],
)
def test_what_is_no_depth_is_named(fields, message):
    with pytest.raises(PointVidError, match=message):
        Depth(**fields)
