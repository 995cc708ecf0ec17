"""Nuke and After Effects: read back by other readers than our own, in their own pixels."""

import csv

import numpy as np
import pytest
import torch

from pointvid.errors import PointVidError
from pointvid.export.after_effects import write_after_effects
from pointvid.export.nuke import COLUMNS, write_nuke
from pointvid.export.paths_2d import paths_2d

from .exported import VISIBLE, hand_made

tkinter = pytest.importorskip("tkinter", reason="Nuke scripts are Tcl, and this Python has none")

UV = hand_made().uvd[..., :2].numpy()


def read_nuke(path):
    """The node's knobs as Tcl reads the script, and {track name: {column: cell}} of its table."""
    tcl = tkinter.Tcl()
    tcl.eval("proc push args {}; set saved {}; proc stack args {}; proc Tracker4 body {global saved; set saved $body}")
    tcl.eval(path.read_text(encoding="ascii"))
    words = tcl.splitlist(tcl.getvar("saved"))
    knobs = dict(zip(words[::2], words[1::2]))
    size, columns, rows = tcl.splitlist(knobs["tracks"])
    columns, rows = ([tcl.splitlist(line) for line in tcl.splitlist(part)] for part in (columns, rows))
    assert [int(word) for word in tcl.splitlist(size)] == [1, len(columns), len(rows)]
    assert {len(row) for row in rows} == {31}
    return knobs, {row[1]: dict(zip([column[3] for column in columns], row)) for row in rows}


def keys(cell):
    """{frame: value} of a curve."""
    words = [word for word in cell.split()[1:] if word != "K"]
    return {int(frame[1:]): float(value) for frame, value in zip(words[::2], words[1::2])}


def test_nuke_counts_from_the_lower_left_corner(tmp_path):
    write_nuke(hand_made(), tmp_path / "t.nk")
    knobs, tracks = read_nuke(tmp_path / "t.nk")
    assert list(tracks) == ["track 0", "track 1", "track 2"]
    assert knobs["reference_frame"] == "1"
    for number, cells in enumerate(tracks.values()):
        x, y = keys(cells["track_x"]), keys(cells["track_y"])
        assert list(x) == list(y) == [1, 2, 3, 4]
        assert np.allclose(list(x.values()), UV[:, number, 0] + 0.5, atol=1e-4)
        assert np.allclose(list(y.values()), 48 - (UV[:, number, 1] + 0.5), atol=1e-4)
        assert (cells["T"], cells["R"], cells["S"]) == ("1", "0", "0")


def test_nuke_turns_a_track_off_where_it_is_hidden(tmp_path):
    write_nuke(hand_made(), tmp_path / "t.nk", first_frame=1001)
    _, tracks = read_nuke(tmp_path / "t.nk")
    for number, cells in enumerate(tracks.values()):
        assert cells["enable"].startswith("curve K ")
        held, now = keys(cells["enable"]), None
        for frame in range(4):
            now = held.get(1001 + frame, now)
            assert now == float(VISIBLE[frame, number]), (number, frame)


def test_nuke_table_has_the_columns_of_a_tracker():
    """As Nuke 8 to 16 write them: 31, the first that matter by name and place."""
    assert len(COLUMNS) == 31
    names = [name for _, name, *_ in COLUMNS]
    assert names[:10] == ["enable", "name", "track_x", "track_y", "offset_x", "offset_y", "T", "R", "S", "error"]
    assert names[-2:] == ["key_centre_offset_x", "key_centre_offset_y"]


def read_after_effects(path):
    """Header and {property: rows of numbers} of keyframe data."""
    assert path.read_bytes().count(b"\r\n") == path.read_bytes().count(b"\n")
    with path.open(encoding="ascii", newline="") as file:
        lines = list(csv.reader(file, delimiter="\t"))
    assert lines[0] == ["Adobe After Effects 8.0 Keyframe Data"]
    assert lines[-1] == ["End of Keyframe Data"]
    header, found, current = {}, {}, None
    for line in filter(None, lines[1:-1]):
        if line[0]:
            current = found.setdefault(line[-1], [])
        elif current is None:
            header[line[1]] = float(line[2])
        elif line[1] != "Frame":
            current.append([float(word) for word in line[1:]])
    return header, {name: np.array(rows) for name, rows in found.items()}


def test_after_effects_counts_from_the_upper_left_corner(tmp_path):
    write_after_effects(hand_made(fps=23.976), tmp_path)
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["track_0000.txt", "track_0001.txt", "track_0002.txt"]
    for number, path in enumerate(files):
        header, found = read_after_effects(path)
        assert header["Units Per Second"] == 23.976
        assert (header["Source Width"], header["Source Height"]) == (64, 48)
        assert found["Position"][:, 0].tolist() == [0, 1, 2, 3]
        assert np.allclose(found["Position"][:, 1:3], UV[:, number] + 0.5, atol=1e-4)
        assert found["Opacity"][:, 1].tolist() == [100.0 * seen for seen in VISIBLE[:, number].tolist()]


def test_positions_follow_the_size_of_the_plate(tmp_path):
    write_nuke(hand_made(), tmp_path / "t.nk", image_size=(480, 1280))
    knobs, tracks = read_nuke(tmp_path / "t.nk")
    assert knobs["center"] == "640 240"
    assert keys(tracks["track 1"]["track_x"])[1] == pytest.approx((UV[0, 1, 0] + 0.5) * 20, abs=1e-3)
    assert keys(tracks["track 1"]["track_y"])[4] == pytest.approx(480 - (UV[3, 1, 1] + 0.5) * 10, abs=1e-3)


def test_few_tracks_keep_their_numbers_and_nan_is_no_key(tmp_path):
    tracks = hand_made()
    uvd = tracks.uvd.clone()
    uvd[2, 0] = float("nan")
    uvd[0, 2] = float("nan")  # no query: left out
    write_nuke(tracks.replace(uvd=uvd), tmp_path / "t.nk")
    _, found = read_nuke(tmp_path / "t.nk")
    assert list(found) == ["track 0", "track 1"]
    assert list(keys(found["track 0"]["track_x"])) == [1, 2, 4]
    some = paths_2d(tracks, max_tracks=1)
    assert some.index.tolist() == [int(VISIBLE.sum(0).argmax())]


def test_an_earlier_longer_export_leaves_nothing(tmp_path):
    (tmp_path / "track_0999.txt").write_text("old", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    write_after_effects(hand_made(), tmp_path, max_tracks=1)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left[0] == "notes.txt"
    assert len(left) == 2
    assert left[1] != "track_0999.txt"


@pytest.mark.parametrize("writer", [write_nuke, write_after_effects])
def test_nothing_visible_is_refused(writer, tmp_path):
    nothing = hand_made(visible=torch.zeros_like(VISIBLE))
    with pytest.raises(PointVidError, match="3 points of which none is ever visible"):
        writer(nothing, tmp_path / "out.nk")
    with pytest.raises(PointVidError, match="max_tracks is 0"):
        writer(hand_made(), tmp_path / "out.nk", max_tracks=0)
    assert not list(tmp_path.iterdir())
