"""Round trips that hold for whatever is put in: hypothesis looks for what does not. CI tries the same every time."""

import math
import os

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.files.point_codec import LOG_DEPTH_STEP, PIXEL_STEP, decode_points, encode_points
from pointvid.framing import Framing
from pointvid.point_map import UNKNOWN, PointMap
from pointvid.points.point_range import BACKGROUND, NEAREST, PointRange

bounded = settings(deadline=None, max_examples=50, derandomize="CI" in os.environ, database=None)

sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
large_sizes = st.tuples(st.integers(1, 2000), st.integers(1, 2000))
pixels = st.floats(-3000, 3000, width=32, allow_subnormal=False)
depths = st.floats(2.0**-10, 2.0**13, width=32)
lengths = st.floats(0.1, 1e4)


@st.composite
def point_maps(draw, coordinates=pixels, distances=depths):
    """points float32 [T, H, W, 3] and objects int32 [H, W], background 0."""
    frames, (height, width) = draw(st.integers(1, 5)), draw(sizes)
    uv = draw(npst.arrays(np.float32, (frames, height, width, 2), elements=coordinates))
    d = draw(npst.arrays(np.float32, (frames, height, width, 1), elements=distances))
    objects = draw(npst.arrays(np.int32, (height, width), elements=st.sampled_from([0, 0, UNKNOWN, 1, 7, 2**31 - 1])))
    points = np.concatenate((uv, d), -1) * (objects != 0)[..., None]
    return torch.from_numpy(points.astype(np.float32)), torch.from_numpy(objects)


@bounded
@given(point_maps())
def test_the_codec_is_as_exact_as_it_says(value):
    points, objects = value
    read, ids = decode_points(encode_points(points, objects))
    assert torch.equal(ids, objects)
    assert read.shape == points.shape
    assert not read[:, objects == 0].any()
    error = (read - points).double().abs()
    assert (error[..., :2] <= PIXEL_STEP / 2 + 2e-7 * points[..., :2].abs() + 1e-9).all()
    assert (error[..., 2] <= (math.exp(LOG_DEPTH_STEP / 2) - 1 + 3e-7) * points[..., 2]).all()


@bounded
@given(point_maps(), st.data())
def test_what_is_cut_short_is_told(value, data):
    whole = encode_points(*value)
    with pytest.raises(PointVidError, match=r"cut short|damaged"):
        decode_points(whole[: data.draw(st.integers(0, len(whole) - 1))])


@bounded
@given(point_maps(), st.data())
def test_damage_is_told_or_is_a_point_map(value, data):
    """Never another error, and never more than the file could hold."""
    damaged = bytearray(encode_points(*value))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        points, objects = decode_points(bytes(damaged))
    except PointVidError:
        return
    assert points.shape == (len(points), *objects.shape, 3)


def test_a_few_bytes_do_not_ask_for_all_memory():
    nothing = bytearray(encode_points(torch.zeros(2, 4, 4, 3), torch.zeros(4, 4, dtype=torch.int32)))
    nothing[10:14] = (2**32 - 1).to_bytes(4, "little")  # frames
    with pytest.raises(PointVidError, match="claims 4294967295 frames of 4x4"):
        decode_points(bytes(nothing))
    nothing[10:14] = (2**20).to_bytes(4, "little")
    assert decode_points(bytes(nothing))[0].shape == (2**20, 4, 4, 3)


@bounded
@given(large_sizes, large_sizes)
def test_a_frame_is_covered_from_its_middle(source, target):
    left, top, right, bottom = Framing(source, target).box
    (height, width), (new_height, new_width) = source, target
    assert (right - left) / (bottom - top) == pytest.approx(new_width / new_height)
    assert left + right == pytest.approx(width)
    assert top + bottom == pytest.approx(height)
    assert min(left, top) >= -1e-9
    assert min(left, top) == pytest.approx(0, abs=1e-9)


@bounded
@given(large_sizes, large_sizes, st.tuples(lengths, lengths, pixels, pixels), st.tuples(pixels, pixels, depths))
def test_a_framed_camera_sees_the_same_point_at_its_new_place(source, target, intrinsics, uvd):
    framing = Framing(source, target)
    camera = Camera(*intrinsics)
    left, top, right, bottom = framing.box
    u, v, d = uvd
    moved = (
        (u + 0.5 - left) * target[1] / (right - left) - 0.5,
        (v + 0.5 - top) * target[0] / (bottom - top) - 0.5,
        d,
    )
    space = camera.unproject(torch.tensor(uvd, dtype=torch.float64))
    found = framing.camera(camera).unproject(torch.tensor(moved, dtype=torch.float64))
    scale = 1e-9 * (1 + max(map(abs, (*intrinsics, *moved, *uvd)))) * d
    torch.testing.assert_close(found, space, rtol=1e-6, atol=max(scale, 1e-9))


@bounded
@given(sizes, sizes)
def test_nearest_takes_the_pixel_below_each_centre(source, target):
    framing = Framing(source, target)
    left, top, right, bottom = framing.box
    rows = framing.nearest(torch.arange(source[0])[:, None].expand(source))
    columns = framing.nearest(torch.arange(source[1])[None].expand(source))
    for (i, j), row in np.ndenumerate(rows.numpy()):
        y = top + (i + 0.5) * (bottom - top) / target[0]
        x = left + (j + 0.5) * (right - left) / target[1]
        assert row <= y + 1e-9
        assert y <= row + 1 + 1e-9
        assert columns[i, j] <= x + 1e-9
        assert x <= columns[i, j] + 1 + 1e-9
    assert torch.equal(Framing(source, source).nearest(rows), rows)


@bounded
@given(st.tuples(lengths, lengths, pixels, pixels), st.tuples(pixels, pixels, depths))
def test_what_is_unprojected_is_projected_back(intrinsics, uvd):
    camera = Camera(*intrinsics)
    value = torch.tensor(uvd, dtype=torch.float64)
    torch.testing.assert_close(camera.project(camera.unproject(value)), value, rtol=1e-9, atol=1e-6)


ranges = st.builds(
    lambda near, ratio, margin: PointRange(near, near * ratio, margin),
    st.floats(1e-2, 1e2),
    st.floats(1.1, 1e3),
    st.floats(0, 2),
)


@bounded
@given(ranges)
def test_a_range_survives_its_metadata(found):
    assert PointRange.from_dict(found.to_dict()) == found
    assert PointRange.from_dict({name: str(value) for name, value in found.to_dict().items()}) == found


@bounded
@given(ranges, point_maps(st.floats(-20, 20, width=32, allow_subnormal=False)))
def test_points_in_range_come_back_and_others_are_clamped(found, value):
    points, objects = value
    mask = objects != 0
    height, width = mask.shape
    frames = found.encode_uvd(points, mask)
    assert frames.abs().max() <= 1
    assert (frames.movedim(1, -1)[:, ~mask] == BACKGROUND).all()
    # The nearest depth is well above the background's.
    assert (frames[:, 2][:, mask] >= NEAREST - 1e-5).all()
    expected = torch.stack(
        (
            points[..., 0].clamp(-0.5 - found.margin * width, width - 0.5 + found.margin * width),
            points[..., 1].clamp(-0.5 - found.margin * height, height - 0.5 + found.margin * height),
            points[..., 2].clamp(found.near, found.far),
        ),
        -1,
    )
    back = found.decode_uvd(frames)
    torch.testing.assert_close(back[:, mask], expected[:, mask], rtol=2e-5, atol=2e-5)


@bounded
@given(ranges, point_maps(st.floats(-20, 20, width=32, allow_subnormal=False)))
def test_the_mask_comes_back_of_flat_points(found, value):
    points, objects = value
    assume((objects != 0).any())
    points[..., 2] = (found.near * found.far) ** 0.5
    point_map = PointMap(points, objects != 0, Camera.default(tuple(objects.shape)))
    assert torch.equal(found.decode_mask(found.encode(point_map)), objects != 0)


@bounded
@given(point_maps())
def test_a_fitted_range_holds_what_it_was_fitted_to(value):
    points, objects = value
    assume((objects != 0).any())
    found = PointRange.fit([PointMap(points, objects, Camera.default(tuple(objects.shape)))], tail=0)
    depth = points[:, objects != 0][..., 2]
    assert found.near < depth.min()
    assert found.far > depth.max()
    assert found.far / found.near >= 1.5**2 * (1 - 1e-6)
