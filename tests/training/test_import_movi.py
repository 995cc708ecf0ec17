"""A scene in MOVi's layout made by hand: one square that slides right and turns, seen by a camera at rest."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from pointvid.errors import PointVidError
from training.import_movi import read_scene, rotation

SIZE, FOCAL, SENSOR, DEPTH = 16, 35.0, 32.0, 4.0


@pytest.fixture
def scene(tmp_path):
    """Camera at the origin looking along -z of the world (Blender's rest pose); the square at z = -4."""
    folder = tmp_path / "scene"
    folder.mkdir()
    focal = FOCAL / SENSOR * SIZE
    v, u = np.mgrid[:SIZE, :SIZE].astype(float)
    c = (SIZE - 1) / 2
    distance = DEPTH * np.sqrt(((u - c) / focal) ** 2 + ((v - c) / focal) ** 2 + 1)
    objects = np.zeros((SIZE, SIZE), np.uint8)
    objects[6:10, 6:10] = 1
    for t in range(3):
        rgba = np.full((SIZE, SIZE, 4), 40 * t, np.uint8)
        Image.fromarray(rgba).save(folder / f"rgba_{t:05d}.png")
        Image.fromarray(distance.astype(np.float32)).save(folder / f"depth_{t:05d}.tiff")
        Image.fromarray(objects).save(folder / f"segmentation_{t:05d}.png")
    half = math.pi / 4  # a quarter turn about the view, by the last frame
    metadata = {
        "camera": {
            "focal_length": FOCAL,
            "sensor_width": SENSOR,
            "positions": [[0, 0, 0]] * 3,
            "quaternions": [[1, 0, 0, 0]] * 3,
        },
        "instances": [
            {
                "asset_id": "square",
                "positions": [[0, 0, -DEPTH], [0.5, 0, -DEPTH], [0, 0, -DEPTH]],
                "quaternions": [[1, 0, 0, 0], [1, 0, 0, 0], [math.cos(half), 0, 0, math.sin(half)]],
            }
        ],
    }
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder


def test_points_follow_the_object(scene):
    sample = read_scene(scene)
    points, mask, c = sample.point_map.points.numpy(), sample.point_map.mask.numpy(), (SIZE - 1) / 2
    v, u = np.nonzero(mask)
    assert mask.sum() == 16
    # frame 0: every pixel is where it is, at the depth along the axis
    np.testing.assert_allclose(points[0][mask], np.stack((u, v, np.full(16, DEPTH)), 1), atol=1e-4)
    # frame 1: half a metre to the right is focal / depth / 2 pixels
    shift = FOCAL / SENSOR * SIZE * 0.5 / DEPTH
    np.testing.assert_allclose(points[1][mask], np.stack((u + shift, v, np.full(16, DEPTH)), 1), atol=1e-4)
    # frame 2: a quarter turn counter-clockwise seen from +z, which is from the camera: (right, up) -> (-up, right)
    expected = np.stack((c + (v - c), c - (u - c), np.full(16, DEPTH)), 1)
    np.testing.assert_allclose(points[2][mask], expected, atol=1e-4)
    assert (points[:, ~mask] == 0).all()
    assert sample.caption == "objects move: square"


def test_rotations_are_scipys():
    from scipy.spatial.transform import Rotation

    q = np.array([0.3, -0.5, 0.2, 0.9])
    np.testing.assert_allclose(rotation(list(q)), Rotation.from_quat(q[[1, 2, 3, 0]]).as_matrix(), atol=1e-12)


def test_missing_and_misfitting_files_are_named(scene):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(scene / "segmentation_00000.png")
    with pytest.raises(PointVidError, match=r"segmentation is \(4, 4\), frames are \(16, 16\)"):
        read_scene(scene)
    (scene / "depth_00000.tiff").unlink()
    with pytest.raises(PointVidError, match="depth_00000"):
        read_scene(scene)
