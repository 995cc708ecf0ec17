import numpy as np
import pytest
import torch

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.files.track_file import load_tracks, save_tracks
from pointvid.tracks import PointTracks


def tracks(**changes):
    generator = torch.Generator().manual_seed(5)
    fields = {
        "uvd": torch.rand(3, 4, 3, generator=generator) * 50 + 1,
        "visible": torch.rand(3, 4, generator=generator) > 0.3,
        "image_size": (48, 64),
        "camera": Camera(70.25, 71.5, 31.0, 23.125),
        "depth_unit": "metric",
        "fps": 23.976,
        "color": torch.arange(12, dtype=torch.uint8).view(4, 3),
        "object_id": torch.tensor([0, 1, 1, 2], dtype=torch.int32),
    }
    return PointTracks(**{**fields, **changes})


@pytest.mark.parametrize("absent", [(), ("color", "object_id")])
def test_round_trip_is_exact(tmp_path, absent):
    saved = tracks(**dict.fromkeys(absent))
    loaded = load_tracks(save_tracks(saved, tmp_path / "a" / "tracks.npz"))
    for name in ("uvd", "visible", "color", "object_id"):
        left, right = getattr(saved, name), getattr(loaded, name)
        assert (left is None and right is None) or (left.dtype == right.dtype and torch.equal(left, right))
    assert (loaded.image_size, loaded.camera, loaded.depth_unit, loaded.fps) == (
        saved.image_size,
        saved.camera,
        saved.depth_unit,
        saved.fps,
    )


def test_file_is_what_the_specification_says(tmp_path):
    saved = tracks()
    with np.load(save_tracks(saved, tmp_path / "tracks.npz"), allow_pickle=False) as archive:
        found = {name: (str(archive[name].dtype), archive[name].shape) for name in archive.files}
        assert found.pop("depth_unit")[1] == ()
        assert found == {
            "version": ("int32", ()),
            "uvd": ("float32", (3, 4, 3)),
            "visible": ("bool", (3, 4)),
            "image_size": ("int32", (2,)),
            "intrinsics": ("float64", (4,)),
            "fps": ("float64", ()),
            "color": ("uint8", (4, 3)),
            "object_id": ("int32", (4,)),
        }
        u, v, d = np.moveaxis(archive["uvd"], -1, 0)
        fx, fy, cx, cy = archive["intrinsics"]
    xyz = np.stack([(u - cx) / fx * d, (v - cy) / fy * d, d], axis=-1)
    assert np.allclose(xyz, saved.xyz.numpy(), rtol=1e-5)


def test_suffix_is_appended(tmp_path):
    assert save_tracks(tracks(), tmp_path / "clip.v2").name == "clip.v2.npz"
    assert [p.name for p in tmp_path.iterdir()] == ["clip.v2.npz"]


def test_a_track_file_with_extra_arrays_still_loads(tmp_path):
    path = save_tracks(tracks(), tmp_path / "tracks.npz")
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **arrays, confidence=np.ones((3, 4)))
    assert load_tracks(path).num_points == 4


def test_damage_is_one_line(tmp_path):
    path = save_tracks(tracks(), tmp_path / "tracks.npz")
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, uvd=np.array([{"a": 1}], dtype=object))
    for content in (b"", b"PK", b"not a zip at all", whole[: len(whole) // 2], whole[:-10], bytes(damaged)):
        path.write_bytes(content)
        with pytest.raises(PointVidError) as caught:
            load_tracks(path)
        assert "tracks.npz" in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(PointVidError, match="Python objects"):
        load_tracks(pickled)
    with pytest.raises(PointVidError, match="does not exist"):
        load_tracks(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": np.int32(2)}, "version 2, this PointVid reads version 1; update PointVid"),
        ({"version": np.zeros(2, np.int32)}, r"version is int32 \[2\], expected one number"),
        ({"uvd": np.zeros((3, 4, 3))}, "uvd is float64, expected float32"),
        ({"visible": np.zeros((3, 5), bool)}, r"visible is torch.bool \[3, 5\], expected torch.bool \[3, 4\]"),
        ({"intrinsics": np.zeros(3)}, r"intrinsics has shape \(3,\), expected \(4,\)"),
        ({"intrinsics": np.zeros(4)}, "camera has intrinsics"),
        ({"depth_unit": np.asarray("feet")}, "depth_unit is 'feet'"),
        ({"fps": None}, "lacks fps"),
        ({"version": None}, "has no 'version'"),
    ],
)
def test_wrong_content_is_named(tmp_path, change, message):
    path = save_tracks(tracks(), tmp_path / "tracks.npz")
    with np.load(path) as archive:
        arrays = {**archive, **change}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(PointVidError, match=message):
        load_tracks(path)


def test_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = save_tracks(tracks(), tmp_path / "tracks.npz")
    before = path.read_bytes()

    def full_disk(file, **arrays):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(PointVidError, match="No space left"):
        save_tracks(tracks(), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["tracks.npz"]
