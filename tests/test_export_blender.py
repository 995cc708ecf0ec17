"""The Blender script, run twice: in a small stand-in for `bpy` that records what it is told, and in a real Blender.

The stand-in checks the numbers that reach Blender's data (places, colours, camera, frame rate); what Blender makes of
the modifier and the driver only a real one can show. Set BLENDER_PYTHON to a Python with the package `bpy` for that.
"""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

from pointvid.errors import PointVidError
from pointvid.export.blender import write_blender
from pointvid.files.track_file import load_tracks

from .exported import COLOR, VISIBLE, XYZ, hand_made

IN_BLENDER = (XYZ[..., [0, 2, 1]] * torch.tensor([1, 1, -1])).numpy()  # x right, y ahead, z up


class Values:
    """What Blender calls a collection: here, the arrays that were written to it."""

    def __init__(self):
        self.count = 0

    def add(self, count):
        self.count = count

    def foreach_set(self, field, values):
        setattr(self, field, np.array(values))


class Mesh:
    def __init__(self, name):
        self.name, self.vertices, self.materials, self.shape_keys = name, Values(), [], None
        self.found = {}
        self.attributes = SimpleNamespace(new=self.new_attribute)

    def new_attribute(self, name, kind, domain):
        assert domain == "POINT"
        self.found[name] = SimpleNamespace(kind=kind, data=Values())
        return self.found[name]


class Thing:
    def __init__(self, name, data):
        self.name, self.data, self.rotation_euler = name, data, (0, 0, 0)
        self.modifiers = SimpleNamespace(new=lambda name, kind: MagicMock())

    def shape_key_add(self, name, from_mix):
        assert not from_mix
        if self.data.shape_keys is None:
            drivers = SimpleNamespace()
            add = lambda path: drivers.__dict__.setdefault(path, SimpleNamespace(driver=SimpleNamespace()))  # noqa: E731
            self.data.shape_keys = SimpleNamespace(key_blocks=[], driver_add=add, drivers=drivers)
        blocks = self.data.shape_keys.key_blocks
        blocks.append(SimpleNamespace(name=name, data=Values(), frame=10.0 * len(blocks), interpolation="CARDINAL"))
        return blocks[-1]


def run_with_stand_in(script, monkeypatch):
    """The scene after running the script: {object name: object}, and the scene itself."""
    objects = {}
    scene = SimpleNamespace(render=SimpleNamespace(), frame_set=lambda frame: None)
    scene.collection = SimpleNamespace(objects=SimpleNamespace(link=lambda thing: objects.update({thing.name: thing})))
    data = MagicMock()
    data.texts = []
    data.meshes.new = Mesh
    data.cameras.new = lambda name: SimpleNamespace(name=name)
    data.objects.new = Thing
    bpy = SimpleNamespace(data=data, context=SimpleNamespace(scene=scene), path=SimpleNamespace(abspath=str))
    monkeypatch.setitem(sys.modules, "bpy", bpy)
    runpy.run_path(str(script), run_name="__main__")
    return objects, scene


@pytest.fixture
def exported(tmp_path):
    write_blender(hand_made(fps=23.976), tmp_path / "ball")
    return tmp_path / "ball"


def test_script_hands_blender_places_colours_and_visibility(exported, monkeypatch):
    objects, _ = run_with_stand_in(exported / "import_tracks.py", monkeypatch)
    mesh = objects["ball"].data
    assert mesh.vertices.count == 3
    keys = mesh.shape_keys
    places = np.stack([key.data.co.reshape(3, 3) for key in keys.key_blocks])
    assert np.allclose(places, IN_BLENDER, atol=1e-6)
    assert {key.interpolation for key in keys.key_blocks} == {"KEY_LINEAR"}
    assert keys.use_relative is False
    expression = keys.drivers.eval_time.driver.expression
    assert [eval(expression, {"frame": frame}) for frame in (1, 2.5, 4)] == [0, 15, 30]
    assert np.array_equal(mesh.found["Col"].data.color_srgb.reshape(3, 4)[:, :3] * 255, COLOR)
    seen = np.stack([mesh.found[f"visible_{frame}"].data.value for frame in range(4)])
    assert np.array_equal(seen, VISIBLE)
    assert mesh.found["object_id"].data.value.tolist() == [1, 1, 2]


def test_script_sets_the_camera_so_that_points_fall_on_their_pixels(exported, monkeypatch):
    """Blender's pinhole, written out by hand for a camera with fx != fy and an axis beside the middle."""
    objects, scene = run_with_stand_in(exported / "import_tracks.py", monkeypatch)
    camera, render = objects["ball camera"].data, scene.render
    assert objects["ball camera"].rotation_euler == (np.pi / 2, 0, 0)
    assert scene.camera is objects["ball camera"]
    width, height = render.resolution_x, render.resolution_y
    pixel = render.pixel_aspect_y / render.pixel_aspect_x
    x, y, z = np.moveaxis(IN_BLENDER.astype(np.float64), -1, 0)
    u = (0.5 + x / y * camera.lens / camera.sensor_width - camera.shift_x) * width - 0.5
    v = (0.5 - (z / y * camera.lens / camera.sensor_width - camera.shift_y) * width / (height * pixel)) * height - 0.5
    wanted = hand_made().uvd[..., :2].numpy()
    assert np.allclose(np.stack((u, v), -1), wanted, atol=1e-4)
    assert (camera.sensor_fit, width, height) == ("HORIZONTAL", 64, 48)
    assert render.fps / render.fps_base == pytest.approx(23.976)
    assert (scene.frame_start, scene.frame_end) == (1, 4)


def test_one_frame_has_no_shape_keys_and_nan_is_hidden(tmp_path, monkeypatch):
    tracks = hand_made()
    uvd = tracks.uvd[:1].clone()
    uvd[0, 1] = float("nan")
    write_blender(tracks.replace(uvd=uvd, visible=tracks.visible[:1], color=None), tmp_path / "still", hidden=True)
    assert "SHOW_HIDDEN = True" in (tmp_path / "still" / "import_tracks.py").read_text(encoding="utf-8")
    objects, scene = run_with_stand_in(tmp_path / "still" / "import_tracks.py", monkeypatch)
    mesh = objects["still"].data
    assert mesh.shape_keys is None
    assert mesh.found["visible_0"].data.value.tolist() == [True, False, True]
    assert np.isfinite(mesh.vertices.co).all()
    assert scene.frame_end == 1


def test_script_without_its_data_says_so(exported, monkeypatch):
    (exported / "tracks.npz").unlink()
    with pytest.raises(FileNotFoundError, match="keep both in one folder"):
        run_with_stand_in(exported / "import_tracks.py", monkeypatch)


def test_data_is_the_public_track_file(exported):
    assert torch.equal(load_tracks(exported / "tracks.npz").uvd, hand_made().uvd)


def test_no_tracks_are_refused(tmp_path):
    with pytest.raises(PointVidError, match="0 points"):
        write_blender(hand_made().select(torch.arange(0)), tmp_path / "none")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif("BLENDER_PYTHON" not in os.environ, reason="BLENDER_PYTHON names no Python with bpy")
def test_in_a_real_blender(exported):
    reader = Path(__file__).with_name("blender_readback.py")
    command = [os.environ["BLENDER_PYTHON"], str(reader), str(exported / "import_tracks.py")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
    assert found["fps"] == pytest.approx(23.976)
    uv = hand_made().uvd[..., :2].numpy()
    for frame, shown in enumerate(found["frames"]):
        index = np.flatnonzero(VISIBLE[frame])
        assert [track for (track,) in shown["track"]] == index.tolist()
        assert np.allclose(np.reshape(shown["position"], (-1, 3)), IN_BLENDER[frame, index], atol=1e-5)
        view = np.reshape(shown["view"], (-1, 3))
        pixels = np.stack((view[:, 0] * 64 - 0.5, (1 - view[:, 1]) * 48 - 0.5), -1)
        assert np.allclose(pixels, uv[frame, index], atol=1e-3)
        assert np.allclose(np.reshape(shown["Col"], (-1, 4))[:, :3] * 255, COLOR[index], atol=0.6)
    for index, (u, v) in enumerate(uv[0, :2]):  # the third is outside the picture
        assert np.abs(found["rendered"][round(v)][round(u)] - COLOR[index].numpy()).max() < 12
    halfway = (IN_BLENDER[0] + IN_BLENDER[1]) / 2
    assert np.allclose(found["between"]["position"], halfway, atol=1e-5)
