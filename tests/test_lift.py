import math

import pytest
import torch

from pointvid.errors import PointVidError
from pointvid.trackers.lift import lift_tracks


def test_no_depth_is_flat():
    uv = torch.rand(3, 2, 2)
    uvd = lift_tracks(uv, torch.ones(3, 2, dtype=torch.bool), None)
    assert torch.equal(uvd[..., :2], uv)
    assert uvd[..., 2].eq(1).all()


def test_between_pixels_of_a_slanted_surface():
    v, u = torch.meshgrid(torch.arange(20.0), torch.arange(30.0), indexing="ij")
    depth = torch.exp(0.01 * u + 0.02 * v + 0.3)[None]
    uv = torch.tensor([[[10.3, 7.6], [20.0, 3.4]]])
    uvd = lift_tracks(uv, torch.ones(1, 2, dtype=torch.bool), depth)
    expected = torch.exp(0.01 * uv[..., 0] + 0.02 * uv[..., 1] + 0.3)
    # Frame 0 takes the query pixel's own value, within half a pixel of slope.
    assert (uvd[..., 2].log() - expected.log()).abs().max() < 0.015
    again = lift_tracks(uv.expand(3, 2, 2), torch.ones(3, 2, dtype=torch.bool), depth.expand(3, 20, 30))
    assert torch.allclose(again[1:, :, 2], expected.expand(2, 2), rtol=1e-5)


def test_the_occluder_is_not_sampled():
    # A point at depth 4 receding to 8; in frames 1 and 2 something at depth 1 stands before it.
    depth = torch.stack([torch.full((9, 9), d) for d in (4.0, 1.0, 1.0, 8.0)])
    visible = torch.tensor([[True], [False], [False], [True]])
    uvd = lift_tracks(torch.full((4, 1, 2), 4.0), visible, depth)
    expected = [4 * 2 ** (t / 3) for t in range(4)]
    assert uvd[:, 0, 2].tolist()[:3] == pytest.approx([4, expected[1], expected[2]])


def test_a_jump_is_not_believed_even_where_the_track_seems_visible():
    depth = torch.stack([torch.full((9, 9), d) for d in (4.0, 4.0, 4.0, 4.0, 4.0)])
    uv = torch.tensor([[2.0, 2.0], [6.0, 2.0], [2.0, 6.0], [6.0, 6.0]]).expand(5, 4, 2)
    depth[2, :4, :4] = 1.0  # something passes before the first point only
    uvd = lift_tracks(uv, torch.ones(5, 4, dtype=torch.bool), depth)
    assert torch.allclose(uvd[..., 2], torch.full((5, 4), 4.0))


def test_at_an_edge_the_side_of_the_track_is_kept():
    # The tracked surface, at 2, ends at column 5; beyond is 6. Rounding puts the point on column 6, half a pixel off.
    depth = torch.full((4, 12, 12), 6.0)
    depth[:, :, :6] = 2.0
    uv = torch.tensor([[5.0, 5.0], [5.4, 5.0], [5.6, 5.0], [5.7, 5.0]])[:, None]
    uvd = lift_tracks(uv, torch.ones(4, 1, dtype=torch.bool), depth)
    assert torch.allclose(uvd[:, 0, 2], torch.full((4,), 2.0))


def test_depth_that_flickers_as_a_whole_is_followed():
    level = (1.0, 1.3, 0.9, 1.2)
    depth = torch.stack([torch.full((20, 20), 3.0 * s) for s in level])
    uv = (torch.rand(30, 2) * 15 + 2).expand(4, 30, 2)
    uvd = lift_tracks(uv, torch.ones(4, 30, dtype=torch.bool), depth)
    assert torch.allclose(uvd[..., 2].log(), torch.tensor([math.log(3 * s) for s in level])[:, None], atol=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -1.0])
def test_values_that_are_no_depth_are_skipped(bad):
    depth = torch.full((4, 9, 9), 2.0)
    depth[1:3] = bad
    depth[:, :, 8] = bad
    uv = torch.tensor([[3.0, 3.0], [8.0, 3.0]]).expand(4, 2, 2)
    uvd = lift_tracks(uv, torch.ones(4, 2, dtype=torch.bool), depth)
    assert torch.allclose(uvd[..., 2], torch.full((4, 2), 2.0))


def test_depth_without_any_value():
    with pytest.raises(PointVidError, match="depth has no usable value"):
        lift_tracks(torch.full((2, 1, 2), 3.0), torch.ones(2, 1, dtype=torch.bool), torch.zeros(2, 9, 9))


def test_depth_may_be_given_frame_by_frame():
    class Stream:
        shape, asked = (3, 9, 9), []

        def __getitem__(self, t):
            self.asked.append(t)
            return torch.full((9, 9), 2.0)

    stream = Stream()
    uvd = lift_tracks(torch.full((3, 1, 2), 3.0), torch.ones(3, 1, dtype=torch.bool), stream)
    assert uvd[:, 0, 2].tolist() == pytest.approx([2, 2, 2])
    assert stream.asked == [0, 1, 2]
