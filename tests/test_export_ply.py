import numpy as np
from plyfile import PlyData

from pointvid.export.ply import write_ply_sequence

from .exported import COLOR, VISIBLE, XYZ, Y_UP, hand_made


def columns(data, *names):
    return np.stack([data["vertex"][name] for name in names], -1)


def test_one_frame(tmp_path):
    write_ply_sequence(hand_made(), tmp_path)
    data = PlyData.read(tmp_path / "frame_0001.ply")
    assert (data.text, data.byte_order) == (False, "<")
    assert np.allclose(columns(data, "x", "y", "z"), (XYZ[1] * Y_UP)[VISIBLE[1]])
    assert (columns(data, "red", "green", "blue") == COLOR[VISIBLE[1]].numpy()).all()
    assert data["vertex"]["track"].tolist() == [0, 2]


def test_sequence(tmp_path):
    done = []
    write_ply_sequence(hand_made(), tmp_path, hidden=True, progress=lambda *report: done.append(report[:2]))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"frame_000{t}.ply" for t in range(4)]
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for t in range(4):
        data = PlyData.read(tmp_path / f"frame_000{t}.ply")
        assert np.allclose(columns(data, "x", "y", "z"), XYZ[t] * Y_UP)
        assert data["vertex"]["visible"].tolist() == VISIBLE[t].int().tolist()


def test_a_frame_without_points_is_an_empty_cloud(tmp_path):
    write_ply_sequence(hand_made(), tmp_path)
    assert PlyData.read(tmp_path / "frame_0002.ply")["vertex"].count == 0


def test_a_shorter_sequence_replaces_a_longer_one(tmp_path):
    (tmp_path / "frame_0009.ply").write_text("old", encoding="ascii")
    (tmp_path / "frame_notes.ply").write_text("someone's own", encoding="ascii")
    write_ply_sequence(hand_made(), tmp_path)
    names = [path.name for path in tmp_path.iterdir()]
    assert "frame_0009.ply" not in names
    assert "frame_notes.ply" in names
