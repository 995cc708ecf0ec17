import math

import numpy as np
import pygltflib
import pytest
import torch

from pointvid.export.glb import encode_glb, write_glb

from .exported import COLOR, VISIBLE, XYZ, Y_UP, hand_made

DTYPES = {pygltflib.FLOAT: "<f4", pygltflib.UNSIGNED_SHORT: "<u2"}
WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}


def array(gltf, index):
    accessor = gltf.accessors[index]
    view = gltf.bufferViews[accessor.bufferView]
    assert view.byteOffset % 4 == 0
    data = gltf.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    found = np.frombuffer(data, DTYPES[accessor.componentType]).reshape(-1, WIDTHS[accessor.type])
    assert len(found) == accessor.count > 0
    return found


def srgb(linear):
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def test_every_frame_holds_its_visible_points(tmp_path):
    write_glb(hand_made(), tmp_path / "tracks.glb")
    gltf = pygltflib.GLTF2().load(str(tmp_path / "tracks.glb"))
    assert [node.name for node in gltf.nodes[:4]] == [f"frame_000{t}" for t in range(4)]
    for t in range(4):
        if not VISIBLE[t].any():
            assert gltf.nodes[t].mesh is None
            continue
        (primitive,) = gltf.meshes[gltf.nodes[t].mesh].primitives
        assert primitive.mode == pygltflib.POINTS
        points = array(gltf, primitive.attributes.POSITION)
        assert np.allclose(points, (XYZ[t] * Y_UP)[VISIBLE[t]], atol=1e-6)
        accessor = gltf.accessors[primitive.attributes.POSITION]
        assert np.allclose(accessor.min, points.min(0))
        assert np.allclose(accessor.max, points.max(0))
        color = array(gltf, primitive.attributes.COLOR_0) / 65535
        assert np.abs(srgb(color[:, :3]) * 255 - COLOR[VISIBLE[t]].numpy()).max() < 0.5


def test_exactly_one_frame_shows_at_any_time():
    gltf = pygltflib.GLTF2.load_from_bytes(encode_glb(hand_made()))
    (animation,) = gltf.animations
    assert [node.scale for node in gltf.nodes[:4]] == [None, [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    shown = np.zeros((5, 4))
    for channel in animation.channels:
        sampler = animation.samplers[channel.sampler]
        assert (channel.target.path, sampler.interpolation) == ("scale", "STEP")
        assert np.allclose(array(gltf, sampler.input)[:, 0], np.arange(5) / 8)
        shown[:, channel.target.node] = array(gltf, sampler.output).min(1)
    assert shown.tolist() == np.eye(4)[[0, 1, 2, 3, 3]].tolist()


def test_hidden_points_on_request():
    gltf = pygltflib.GLTF2.load_from_bytes(encode_glb(hand_made(), hidden=True))
    assert [gltf.accessors[mesh.primitives[0].attributes.POSITION].count for mesh in gltf.meshes] == [3, 3, 3, 3]


def test_one_frame_is_a_still():
    whole = hand_made()
    still = whole.replace(uvd=whole.uvd[:1], visible=whole.visible[:1])
    gltf = pygltflib.GLTF2.load_from_bytes(encode_glb(still))
    assert gltf.animations == []
    assert len(gltf.meshes) == 1


@pytest.mark.parametrize("points", [0, 3])
def test_nothing_to_show_is_still_a_valid_file(points):
    nothing = hand_made(visible=torch.zeros(4, 3, dtype=torch.bool)).select(torch.arange(points))
    gltf = pygltflib.GLTF2.load_from_bytes(encode_glb(nothing))
    assert gltf.meshes == []


def test_camera_sees_what_the_clip_saw():
    gltf = pygltflib.GLTF2.load_from_bytes(encode_glb(hand_made()))
    lens = gltf.cameras[0].perspective
    assert math.tan(lens.yfov / 2) == pytest.approx(24 / 90)
    assert lens.aspectRatio == pytest.approx((64 / 80) / (48 / 90))


def test_trimesh_reads_it(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    write_glb(hand_made(), tmp_path / "tracks.glb")
    scene = trimesh.load(tmp_path / "tracks.glb")
    clouds = [cloud for cloud in scene.geometry.values() if isinstance(cloud, trimesh.PointCloud)]
    assert sorted(len(cloud.vertices) for cloud in clouds) == [2, 2, 3]


def test_points_that_are_nowhere_are_left_out():
    uvd = hand_made().uvd.clone()
    uvd[0, 0] = math.nan
    gltf = pygltflib.GLTF2.load_from_bytes(encode_glb(hand_made(uvd=uvd)))
    assert len(array(gltf, gltf.meshes[0].primitives[0].attributes.POSITION)) == 2


def test_a_rainbow_where_there_are_no_colours():
    gltf = pygltflib.GLTF2.load_from_bytes(encode_glb(hand_made(color=None)))
    color = array(gltf, gltf.meshes[0].primitives[0].attributes.COLOR_0)
    assert len(np.unique(color, axis=0)) == 3
