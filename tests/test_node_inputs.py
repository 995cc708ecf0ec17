"""What nodes make of the host's IMAGE, MASK and depth, without a host."""

from __future__ import annotations

import math

import pytest
import torch

from tests.pack import pack_module

images = pack_module("nodes.images")
masks = pack_module("nodes.masks")
depth_input = pack_module("nodes.depth_input")
PointVidError = pack_module("pointvid.errors").PointVidError


def test_frames_become_uint8_rgb_by_rounding():
    image = torch.tensor([0.0, 0.5, 1.0, 0.1]).view(1, 1, 1, 4).expand(2, 3, 5, 4)  # the fourth is alpha
    frames = images.ImageFrames(image)
    assert frames.shape == (2, 3, 5, 3)
    assert len(frames) == 2
    assert frames[1].dtype == torch.uint8
    assert frames[1][2, 4].tolist() == [0, 128, 255]


def test_grey_becomes_rgb():
    assert images.to_uint8(torch.full((2, 2, 1), 1 / 255)).tolist() == [[[1, 1, 1]] * 2] * 2


def test_uint8_survives_the_way_to_the_host_and_back():
    frames = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(1, 16, 16, 3)
    assert torch.equal(images.to_uint8(images.to_image(frames)), frames)


def test_masks_of_a_batch_are_objects_and_the_first_has_what_two_share():
    mask = torch.zeros(3, 4, 6)
    mask[0, 1, 2] = 1
    mask[1] = 1
    objects = masks.mask_from_host(mask, (4, 6), 16).objects
    assert (objects == 1).nonzero().tolist() == [[1, 2]]
    assert (objects == 2).sum() == 23
    assert masks.mask_from_host(None, (4, 6), 16).objects is None


def test_a_mask_a_frame_counts_by_its_first():
    mask = torch.zeros(3, 4, 6)
    mask[0, 1:3, 2:5] = 1
    mask[1:] = 1
    assert torch.equal(masks.mask_from_host(mask, (4, 6), 3, split=False).objects, mask[0].int())


def test_mask_of_another_size_is_resized_and_said():
    mask = torch.zeros(1, 480, 640)
    mask[:, :240, :320] = 1
    marked = masks.mask_from_host(mask, (256, 448), 16)
    assert marked.objects[:128, :224].all()
    assert marked.objects.sum() == 128 * 224
    assert "480x640" in marked.notes[0]
    assert "256x448" in marked.notes[0]


def test_empty_mask_is_refused_but_for_load_images():
    with pytest.raises(PointVidError, match="selects no pixel"):
        masks.mask_from_host(torch.zeros(1, 4, 6), (4, 6), 16)
    assert masks.mask_from_host(torch.zeros(1, 64, 64), (4, 6), 16).objects is None
    with pytest.raises(PointVidError, match="Load Image gives such a mask"):
        masks.require_mask(torch.zeros(1, 64, 64), (4, 6), 16)


@pytest.mark.parametrize(
    ("mapping", "expected"),
    # near 2, far 8: the middle of disparity is 1 / ((1/2 + 1/8) / 2) = 3.2, the middle of depth 5
    [("disparity", [8.0, 3.2, 2.0]), ("depth", [2.0, 5.0, 8.0]), ("inverted depth", [8.0, 5.0, 2.0])],
)
def test_depth_image_mappings(mapping, expected):
    grey = torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 3, 1).expand(1, 1, 3, 3)
    depth, _ = depth_input.depth_from_host(grey, (1, 1, 3), mapping, 2.0, 8.0, "metric")
    assert depth.maps.flatten().tolist() == pytest.approx(expected)
    assert depth.camera is None
    assert depth.unit == "metric"


def test_near_and_far_must_be_in_order():
    with pytest.raises(PointVidError, match="depth_near is 5 and depth_far 2"):
        depth_input.depth_from_image(torch.zeros(1, 2, 2, 3), 5.0, 2.0, "depth")


def test_depth_of_another_length_is_refused_and_one_frame_stands_for_all():
    with pytest.raises(PointVidError, match="depth has 3 frames, the clip has 16"):
        depth_input.depth_from_host(torch.zeros(3, 4, 6, 3), (16, 4, 6))
    depth, notes = depth_input.depth_from_host(torch.zeros(1, 8, 12, 3), (16, 4, 6))
    assert depth.maps.shape == (16, 4, 6)
    assert "resized from 8x12" in notes[0]
    assert "one frame for all 16" in notes[1]


def moge(frames=2, height=4, width=6, fov_x=90.0):
    """A packet as core's MoGe node makes it: intrinsics as shares of width and height."""
    f = 0.5 / math.tan(math.radians(fov_x) / 2)
    k = torch.tensor([[f, 0, 0.5], [0, f * width / height, 0.5], [0, 0, 1.0]]).expand(frames, 3, 3)
    image = torch.zeros(frames, height, width, 3)
    return {"depth": torch.full((frames, height, width), 3.0), "intrinsics": k, "image": image}


def test_moge_intrinsics_are_shares_of_the_image():
    depth, _ = depth_input.depth_from_host(moge(), (2, 4, 6))
    assert torch.equal(depth.maps, torch.full((2, 4, 6), 3.0))
    # 90 degrees across 6 pixels: f = 3; the middle of pixels 0..5 is 2.5, of 0..3 is 1.5
    assert depth.camera.intrinsics == pytest.approx((3.0, 3.0, 2.5, 1.5))


def test_a_given_field_of_view_overrules_the_geometry():
    camera = depth_input.depth_from_host(moge(), (2, 4, 6), fov=90.0)[0].camera
    assert camera.intrinsics == pytest.approx((2.0, 2.0, 2.5, 1.5))  # 90 degrees across 4 rows


def test_without_depth_the_unit_is_relative():
    depth, _ = depth_input.depth_from_host(None, (2, 4, 6), unit="metric")
    assert (depth.maps, depth.camera, depth.unit) == (None, None, "relative")


def test_moge_sky_goes_behind_everything():
    packet = moge()
    packet["depth"][0, 0, 0] = torch.inf
    packet["depth"][1, 0, 0] = torch.nan
    packet["depth"][1, 1, 1] = 7.0
    depth, _ = depth_input.depth_from_geometry(packet)
    assert depth[0, 0, 0] == 3.0
    assert depth[1, 0, 0] == 7.0
    assert depth.isfinite().all()


def test_depth_anything_intrinsics_are_pixels_of_its_own_size():
    # The network ran at 28x42 (HxW); the clip is 4x6: everything shrinks by 7.
    k = torch.tensor([[35.0, 0, 21], [0, 42.0, 14], [0, 0, 1]]).expand(1, 2, 3, 3)
    packet = {"depth": torch.ones(2, 4, 6), "image": torch.zeros(2, 4, 6, 3), "mode": "multiview", "intrinsics": k}
    _, camera = depth_input.depth_from_geometry(packet)
    assert camera.intrinsics == pytest.approx((5.0, 6.0, 2.5, 1.5))


def test_depth_anything_mono_knows_no_camera():
    packet = {"depth": torch.ones(2, 4, 6), "image": torch.zeros(2, 4, 6, 3), "mode": "mono"}
    assert depth_input.depth_from_geometry(packet)[1] is None


def test_a_frame_without_depth_is_named():
    packet = moge()
    packet["depth"][1] = torch.inf
    with pytest.raises(PointVidError, match="no finite positive value in frame 1"):
        depth_input.depth_from_geometry(packet)


def test_a_dict_without_depth_is_named():
    with pytest.raises(PointVidError, match="no 'depth' among its keys"):
        depth_input.depth_from_geometry({"points": torch.zeros(1, 2, 2, 3)})
