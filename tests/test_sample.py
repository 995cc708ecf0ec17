import io
import json
import math
import struct
import tarfile
import zlib

import numpy as np
import pytest
import torch

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.files.point_codec import decode_points, encode_points
from pointvid.files.sample import Sample, decode_sample, encode_sample, read_sample, write_sample
from pointvid.point_map import UNKNOWN, PointMap
from pointvid.points.point_range import PointRange

T, H, W = 6, 31, 45  # odd on purpose
PLACES = torch.arange(H * W).view(H, W)


def point_map(far=0.0, frames=T):
    generator = torch.Generator().manual_seed(2)
    v, u = torch.meshgrid(torch.arange(float(H)), torch.arange(float(W)), indexing="ij")
    mask = (u - 20) ** 2 + (v - 15) ** 2 < 150
    t = torch.arange(float(frames)).view(frames, 1, 1)
    noise = torch.randn(frames, H, W, 2, generator=generator) * t[..., None] * 0.3
    uv = torch.stack((u + 3.3 * t, v - 1.7 * t * t), -1) + noise + far * t[..., None]
    d = 0.2 + 40 * torch.rand(frames, H, W, 1, generator=generator)
    points = torch.cat((uv, d), -1) * mask[..., None]
    return PointMap(points, mask, Camera(40.5, 41.0, 22.25, 15.0), "metric", 12.5)


OBJECTS = torch.where(point_map().mask, PLACES % 3 + 1, 0).int()


def sample(**changes):
    t = torch.arange(float(T)).view(T, 1, 1)
    v, u = torch.meshgrid(torch.arange(float(H)), torch.arange(float(W)), indexing="ij")
    video = torch.stack([127 + 120 * torch.sin((u + k * v) / 9 + t / 4) for k in (0.3, 1, -1)], -1).to(torch.uint8)
    fields = {
        "video": video,
        "point_map": point_map().replace(objects=OBJECTS),
        "caption": "Ein Würfel fällt vom Tisch. 箱が落ちる。",
        "labels": ("cube", "table"),
        "point_range": PointRange(0.1, 50, 0.3),
        "provenance": {"tracker": {"name": "lucas_kanade", "window": 21}, "source": "clip.mp4", "score": 0.1},
    }
    return Sample(**{**fields, **changes})


def errors(found, truth, mask):
    """Largest pixel and relative depth errors."""
    found, truth = found[:, mask].double(), truth[:, mask].double()
    return (found - truth)[..., :2].abs().max().item(), (found[..., 2] / truth[..., 2] - 1).abs().max().item()


@pytest.mark.parametrize("far", [0.0, 1e3, -1e6, 1e9])
def test_points_keep_to_their_bounds_everywhere(far):
    truth = point_map(far)
    points, objects = decode_points(encode_points(truth.points, truth.objects))
    assert torch.equal(objects, truth.objects)
    mask = truth.mask
    assert points.dtype == torch.float32
    pixels, depth = errors(points, truth.points, mask)
    assert pixels <= 1 / 128
    assert depth <= 1.001e-4
    assert (points[:, ~mask] == 0).all()


def test_one_wild_point_costs_little_and_spoils_nothing():
    truth = point_map()
    wild = truth.points.clone()
    wild[3, 15, 20, 0] = 3e7
    plain, packed = encode_points(truth.points, truth.objects), encode_points(wild, truth.objects)
    assert len(packed) < len(plain) + 400
    points, objects = decode_points(packed)
    assert errors(points, wild, objects != 0)[0] <= 1 / 128


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_few_frames(frames):
    truth = point_map(frames=frames)
    points, objects = decode_points(encode_points(truth.points, truth.objects))
    assert errors(points, truth.points, objects != 0)[0] <= 1 / 128


def test_empty_mask():
    points, objects = decode_points(encode_points(torch.zeros(3, 5, 7, 3), torch.zeros(5, 7, dtype=torch.int32)))
    assert points.shape == (3, 5, 7, 3)
    assert not objects.any()


def test_format_by_hand():
    # One pixel at (u, v) = (2, 1) of a 2x3 image moves by 1/64 px right a frame at depth 1: second differences 0 1 0.
    points = torch.zeros(3, 2, 3, 3)
    for t in range(3):
        points[t, 1, 2] = torch.tensor([2 + t / 64, 1, 1.0])
    objects = torch.zeros(2, 3, dtype=torch.int32)
    objects[1, 2] = UNKNOWN
    data = encode_points(points, objects)
    assert struct.unpack_from("<8sHIIIBB", data) == (b"PVPOINTS", 1, 3, 2, 3, 1, 0)
    at = 24
    (length,) = struct.unpack_from("<I", data, at)
    assert zlib.decompress(data[at + 4 : at + 4 + length]) == bytes([0b00000100])
    at += 4 + length
    (length,) = struct.unpack_from("<I", data, at)
    assert zlib.decompress(data[at + 4 : at + 4 + length]) == bytes([0, 2, 0, 0, 0, 0, 0, 0, 0])
    assert at + 4 + length == len(data)


def test_unusable_points_are_named():
    truth = point_map()
    for value in (float("nan"), float("inf"), 0.0, -2.0):
        spoilt = truth.points.clone()
        spoilt[2, 15, 20, 2] = value
        with pytest.raises(PointVidError, match="1 foreground values that are not finite or have no positive depth"):
            encode_points(spoilt, truth.objects)


@pytest.mark.parametrize("bare", [False, True])
def test_file_round_trip(tmp_path, bare):
    bare_fields = {"point_range": None, "point_map": point_map(), "labels": (), "provenance": {}}
    truth = sample(**(bare_fields if bare else {}))
    path = write_sample(truth, tmp_path / "clip.01")
    assert path.name == "clip.01.pointvid.tar"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    found = read_sample(path)
    for name in ("caption", "labels", "point_range", "provenance"):
        assert getattr(found, name) == getattr(truth, name)
    for name in ("camera", "depth_unit", "fps"):
        assert getattr(found.point_map, name) == getattr(truth.point_map, name)
    assert torch.equal(found.point_map.mask, truth.point_map.mask)
    assert errors(found.point_map.points, truth.point_map.points, truth.point_map.mask)[0] <= 0.01
    assert torch.equal(found.point_map.objects, truth.point_map.objects)
    assert found.point_map.knows_objects != bare
    assert found.video.shape == (T, H, W, 3)
    noise = (found.video.double() - truth.video.double()).square().mean().item()
    assert 10 * math.log10(255**2 / noise) > 40  # dB


def test_file_is_a_webdataset_shard(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    path = write_sample(sample(), tmp_path / "clip.pointvid.tar")
    (entry,) = list(webdataset.WebDataset(str(path), shardshuffle=False))
    assert entry["__key__"].endswith("clip")
    assert decode_sample(entry).caption == sample().caption


def test_equal_samples_are_equal_files(tmp_path):
    first, second = (write_sample(sample(), tmp_path / folder / "a").read_bytes() for folder in "xy")
    assert first == second


def test_any_changed_byte_is_found():
    members = encode_sample(sample())
    rng = np.random.default_rng(0)
    for name, data in members.items():
        for at in rng.integers(0, len(data), 12):
            damaged = bytearray(data)
            damaged[at] ^= 1 + int(rng.integers(255))
            if name == "json" and json.loads(members["json"]) == _parsed(damaged):
                continue
            with pytest.raises(PointVidError) as caught:
                decode_sample({**members, name: bytes(damaged)})
            assert "\n" not in str(caught.value)


def _parsed(data):
    try:
        return json.loads(data)
    except ValueError:
        return None


def test_damaged_points_without_a_hash():
    data = encode_points(point_map().points, point_map().objects)
    for broken in (b"", b"PVPOINTS", b"x" * 40, data[:-5], data[:30]):
        with pytest.raises(PointVidError, match="cannot be read"):
            decode_points(broken)
    newer = bytearray(data)
    newer[8] = 9
    with pytest.raises(PointVidError, match="version 9, this PointVid reads up to 1"):
        decode_points(bytes(newer))


def test_wrong_files_are_named(tmp_path):
    path = write_sample(sample(), tmp_path / "a")
    whole = path.read_bytes()
    for content in (b"", b"no tar", whole[:700], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(PointVidError) as caught:
            read_sample(path)
        assert "a.pointvid.tar" in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(PointVidError, match="does not exist"):
        read_sample(tmp_path / "none.pointvid.tar")
    members = encode_sample(sample())
    with tarfile.open(path, "w") as archive:
        for key in ("a", "b"):
            entry = tarfile.TarInfo(f"{key}.json")
            entry.size = len(members["json"])
            archive.addfile(entry, io.BytesIO(members["json"]))
    with pytest.raises(PointVidError, match="several samples"):
        read_sample(path)
    with pytest.raises(PointVidError, match="lacks points"):
        decode_sample({name: members[name] for name in ("mp4", "json")})
    facts = {**json.loads(members["json"]), "version": 2}
    with pytest.raises(PointVidError, match="version 2, this PointVid reads up to 1"):
        decode_sample({**members, "json": json.dumps(facts).encode()})


def test_wrong_samples_are_named():
    with pytest.raises(PointVidError, match=r"video is torch.uint8 \[6, 31, 44, 3\], its point map is for"):
        sample(video=sample().video[:, :, :44])
    with pytest.raises(PointVidError, match=r"point map: objects is torch.int64"):
        point_map().replace(objects=torch.zeros(H, W, dtype=torch.int64))
    with pytest.raises(PointVidError, match="provenance cannot be written as JSON"):
        encode_sample(sample(provenance={"tracker": object()}))
