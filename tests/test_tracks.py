import math

import pytest
import torch

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.point_map import UNKNOWN, PointMap
from pointvid.tracks import PointTracks


def tracks(frames=3, points=4, **changes):
    uvd = torch.rand(frames, points, 3) + 1
    fields = {
        "uvd": uvd,
        "visible": torch.ones(frames, points, dtype=torch.bool),
        "image_size": (48, 64),
        "camera": Camera.default((48, 64)),
    }
    return PointTracks(**{**fields, **changes})


def test_unproject_by_hand():
    camera = Camera(100.0, 50.0, 32.0, 24.0)
    xyz = camera.unproject(torch.tensor([132.0, 74.0, 2.0]))
    assert xyz.tolist() == [2.0, 2.0, 2.0]


def test_project_inverts_unproject():
    camera = Camera(90.0, 110.0, 31.0, 25.0)
    uvd = torch.rand(5, 7, 3, dtype=torch.float64) * 50 + 1
    assert torch.allclose(camera.project(camera.unproject(uvd)), uvd, atol=1e-10)


@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 4, 6, 7, 3)])
def test_a_camera_of_tensors_is_a_camera_for_each_clip(shape):
    values = torch.tensor([[90.0, 110.0, 31.0, 25.0], [50.0, 51.0, 12.5, 8.0]])
    many, uvd = Camera(*values.unbind(-1)), torch.rand(shape) * 50 + 1
    for b, one in enumerate(Camera(*row) for row in values.tolist()):
        assert torch.equal(many.unproject(uvd)[b], one.unproject(uvd[b]))
        assert torch.equal(many.project(uvd)[b], one.project(uvd[b]))
    with pytest.raises(PointVidError, match="expected finite"):
        Camera(torch.tensor([1.0, -1.0]), 1.0, 0.0, 0.0)


def test_resized_camera_sees_the_same_ray():
    # Pixel (0, 0) of a 2x downscale covers source pixels 0 and 1, so its centre lies at source 0.5.
    camera = Camera(100.0, 100.0, 31.5, 23.5)
    small = camera.resized((48, 64), (24, 32))
    ray = camera.unproject(torch.tensor([0.5, 0.5, 1.0]))
    assert torch.allclose(small.unproject(torch.tensor([0.0, 0.0, 1.0])), ray)


def test_field_of_view():
    camera = Camera.from_fov((101, 201), 90.0)
    top = camera.unproject(torch.tensor([100.0, -0.5, 1.0]))
    assert math.isclose(-top[1].item(), 1.0, rel_tol=1e-6)


@pytest.mark.parametrize("size", [(48, 64), (33, 21)])
def test_the_default_camera_looks_through_the_middle_of_the_image(size):
    height, width = size
    camera = Camera.default(size)
    corners = torch.tensor([[-0.5, -0.5, 1.0], [width - 0.5, height - 0.5, 1.0]])
    left_top, right_bottom = camera.unproject(corners)
    assert torch.equal(left_top[:2], -right_bottom[:2])
    assert right_bottom[0] == 0.5
    assert camera.resized(size, (2 * height, 2 * width)) == Camera.default((2 * height, 2 * width))


def test_shape_errors_name_both_sides():
    with pytest.raises(PointVidError, match=r"visible is torch.bool \[3, 5\], expected torch.bool \[3, 4\]"):
        tracks(visible=torch.ones(3, 5, dtype=torch.bool))
    with pytest.raises(PointVidError, match="depth_unit is 'feet'"):
        tracks(depth_unit="feet")


def test_select_keeps_fields_together():
    whole = tracks(object_id=torch.arange(4, dtype=torch.int32), color=torch.arange(12).view(4, 3).to(torch.uint8))
    part = whole.select(torch.tensor([2, 0]))
    assert torch.equal(part.uvd, whole.uvd[:, [2, 0]])
    assert part.object_id.tolist() == [2, 0]
    assert part.color.tolist() == [[6, 7, 8], [0, 1, 2]]


def test_point_map_to_tracks_starts_at_its_own_pixel():
    v, u = torch.meshgrid(torch.arange(6.0), torch.arange(8.0), indexing="ij")
    still = torch.stack((u, v, torch.full_like(u, 2.0)), -1).expand(3, 6, 8, 3).clone()
    mask = (u > 2) & (v > 1)
    point_map = PointMap(still * mask[..., None], mask, Camera.default((6, 8)))
    found = point_map.to_tracks(stride=2)
    assert found.queries.tolist() == [[4, 2], [6, 2], [4, 4], [6, 4]]
    assert found.visible.all()


def test_point_map_of_a_mask_knows_no_objects_and_of_ids_it_does():
    mask = torch.rand(6, 8, generator=torch.Generator().manual_seed(0)) > 0.4
    points = torch.rand(3, 6, 8, 3) + 1
    plain = PointMap(points, mask, Camera.default((6, 8)))
    assert torch.equal(plain.objects, torch.where(mask, UNKNOWN, 0).int())
    assert torch.equal(plain.mask, mask)
    assert not plain.knows_objects
    assert plain.to_tracks().object_id is None
    ids = (torch.arange(48, dtype=torch.int32).view(6, 8) % 3) * mask
    hidden = torch.rand(3, 6, 8, generator=torch.Generator().manual_seed(1)) > 0.5
    known = plain.replace(objects=ids, visible=hidden)
    assert torch.equal(known.to_tracks().object_id, ids[ids != 0])
    assert not (known.to_tracks().visible & ~hidden[:, ids != 0]).any()
    assert torch.equal(known.restricted(ids == 2).objects, torch.where(ids == 2, ids, 0))
    with pytest.raises(PointVidError, match=r"visible is torch.bool \[2, 6, 8\], expected torch.bool \[3, 6, 8\]"):
        known.replace(visible=hidden[:2])
