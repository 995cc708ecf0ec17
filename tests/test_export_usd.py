import sys

import numpy as np
import pytest
import torch

from pointvid.errors import PointVidError
from pointvid.export.usd import write_usd

from .exported import VISIBLE, XYZ, Y_UP, hand_made


@pytest.mark.parametrize("suffix", [".usda", ".usdc", ".usdz"])
def test_usd_reads_it_back(tmp_path, suffix):
    pxr = pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom

    assert pxr
    path = tmp_path / f"tracks{suffix}"
    write_usd(hand_made(), path, point_width=0.05)
    assert list(tmp_path.iterdir()) == [path]
    stage = Usd.Stage.Open(str(path))
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode(), stage.GetTimeCodesPerSecond()) == (0, 3, 8)
    points = UsdGeom.Points(stage.GetPrimAtPath("/PointVid/tracks"))
    assert list(points.GetIdsAttr().Get()) == [0, 1, 2]
    assert points.GetPointsAttr().GetTimeSamples() == [0, 1, 2, 3]
    primvars = UsdGeom.PrimvarsAPI(points)
    assert np.allclose(primvars.GetPrimvar("displayColor").Get()[0], (1, 0, 0))
    assert np.allclose(primvars.GetPrimvar("displayColor").Get()[1], (0, 0.2158605, 1), atol=1e-6)
    assert primvars.GetPrimvar("displayColor").GetInterpolation() == "vertex"
    assert list(primvars.GetPrimvar("object_id").Get()) == [1, 1, 2]
    for t in range(4):
        wanted = (XYZ[t] * Y_UP).numpy()
        assert np.allclose(points.GetPointsAttr().Get(t), wanted, atol=1e-6)
        assert np.allclose(points.GetWidthsAttr().Get(t), 0.05 * VISIBLE[t])
        assert [bool(v) for v in primvars.GetPrimvar("visible").Get(t)] == VISIBLE[t].tolist()
        assert np.allclose(points.GetExtentAttr().Get(t), [wanted.min(0) - 0.025, wanted.max(0) + 0.025], atol=1e-6)


def test_camera_projects_points_to_their_pixels(tmp_path):
    pytest.importorskip("pxr")
    from pxr import Gf, Usd, UsdGeom

    tracks = hand_made()
    write_usd(tracks, tmp_path / "tracks.usda")
    stage = Usd.Stage.Open(str(tmp_path / "tracks.usda"))
    frustum = UsdGeom.Camera(stage.GetPrimAtPath("/PointVid/clip_camera")).GetCamera(0).frustum
    matrix = frustum.ComputeViewMatrix() * frustum.ComputeProjectionMatrix()
    height, width = tracks.image_size
    for point, (u, v, _) in zip((XYZ[1] * Y_UP).tolist(), tracks.uvd[1].tolist()):
        screen = matrix.Transform(Gf.Vec3d(*point))
        assert (screen[0] + 1) / 2 * width - 0.5 == pytest.approx(u, abs=1e-3)
        assert (1 - screen[1]) / 2 * height - 0.5 == pytest.approx(v, abs=1e-3)


def test_text_needs_no_package_and_binary_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pxr", None)
    write_usd(hand_made(), tmp_path / "tracks.usda")
    assert (tmp_path / "tracks.usda").read_text(encoding="ascii").startswith("#usda 1.0")
    with pytest.raises(PointVidError, match=r'needs usd-core, .*pip install "comfyui-pointvid\[usd\]"'):
        write_usd(hand_made(), tmp_path / "tracks.usdc")
    assert [path.name for path in tmp_path.iterdir()] == ["tracks.usda"]


def test_no_points_at_all(tmp_path):
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom

    write_usd(hand_made().select(torch.arange(0)), tmp_path / "none.usda")
    stage = Usd.Stage.Open(str(tmp_path / "none.usda"))
    assert len(UsdGeom.Points(stage.GetPrimAtPath("/PointVid/tracks")).GetPointsAttr().Get(0)) == 0


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(PointVidError, match=r"ends in \.obj, expected one of \.usda"):
        write_usd(hand_made(), tmp_path / "tracks.obj")
