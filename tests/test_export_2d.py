import csv
import json

import numpy as np
import pytest
import torch

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.export.coordinates import tracks_to_coordinate_json, write_coordinate_json
from pointvid.export.csv import write_csv
from pointvid.tracks import PointTracks

from .exported import VISIBLE, XYZ, hand_made


def test_csv(tmp_path):
    tracks = hand_made()
    write_csv(tracks, tmp_path / "tracks.csv")
    with (tmp_path / "tracks.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["frame"]), int(row["track"])) for row in rows] == [(t, n) for t in range(4) for n in range(3)]
    found = np.array([[float(row[name]) for name in ("u", "v", "depth", "x", "y", "z")] for row in rows])
    assert np.allclose(found, torch.cat((tracks.uvd, XYZ), -1).view(-1, 6), rtol=1e-6, atol=1e-6)
    assert [row["visible"] == "1" for row in rows] == VISIBLE.flatten().tolist()
    assert [int(row["object"]) for row in rows] == [1, 1, 2] * 4
    write_csv(hand_made(object_id=None), tmp_path / "tracks.csv")
    assert (tmp_path / "tracks.csv").read_text(encoding="utf-8").splitlines()[1].endswith(",1,")


def test_coordinates_are_pixels_a_frame_per_track():
    tracks = hand_made()
    paths = json.loads(tracks_to_coordinate_json(tracks))
    found = np.array([[(point["x"], point["y"]) for point in path] for path in paths])
    assert found.shape == (3, 4, 2)
    assert np.abs(found - tracks.uvd[..., :2].transpose(0, 1).numpy()).max() <= 0.005 + 1e-5


def test_coordinates_are_stretched_in_time_and_scaled_in_space():
    tracks = hand_made()
    paths = json.loads(tracks_to_coordinate_json(tracks, num_frames=7, image_size=(96, 128)))
    u = (tracks.uvd[:, 1, 0].numpy() + 0.5) * 2 - 0.5
    wanted = np.interp(np.linspace(0, 3, 7), np.arange(4), u)
    assert np.allclose([point["x"] for point in paths[1]], wanted, atol=0.0051)


def test_one_frame_can_be_stretched():
    whole = hand_made()
    still = whole.replace(uvd=whole.uvd[:1], visible=whole.visible[:1])
    (first, *_) = json.loads(tracks_to_coordinate_json(still, num_frames=5))
    assert len({(point["x"], point["y"]) for point in first}) == 1


def test_few_tracks_are_spread_and_visible_longest():
    v, u = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    uvd = torch.stack((u.flatten(), v.flatten(), torch.ones(1024)), -1).expand(8, -1, -1).clone()
    visible = torch.ones(8, 1024, dtype=torch.bool)
    visible[1:, (u % 2 == 1).flatten()] = False
    tracks = PointTracks(uvd, visible, (32, 32), Camera.default((32, 32)))
    paths = json.loads(tracks_to_coordinate_json(tracks, max_points=16))
    starts = np.array([(path[0]["x"], path[0]["y"]) for path in paths])
    assert 9 <= len(starts) <= 16
    assert (starts[:, 0] % 2 == 0).all()
    cells = {(int(x // 16), int(y // 16)) for x, y in starts}
    assert len(cells) == 4


def test_coordinates_of_nothing(tmp_path):
    with pytest.raises(PointVidError, match="0 points"):
        write_coordinate_json(hand_made().select(torch.arange(0)), tmp_path / "c.json")
    assert not list(tmp_path.iterdir())
