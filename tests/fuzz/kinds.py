"""The kinds of files that are fuzzed: a good one, how it is changed, and who reads it."""

import io
import json
import random
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml

from pointvid.camera import Camera
from pointvid.diffusion.checkpoint import CheckpointInfo, load_info
from pointvid.files.depth_file import read_depth
from pointvid.files.manifest import read_manifest
from pointvid.files.point_codec import decode_points
from pointvid.files.sample import decode_sample, encode_sample, read_sample
from pointvid.files.track_file import load_tracks, save_tracks
from pointvid.framing import Framing
from pointvid.points.point_range import PointRange
from pointvid.study.answers import read_answers
from pointvid.study.plan import load_study, plan_study
from pointvid.tracks import PointTracks
from tests.training.tiny import moving_box
from training.builder.inputs import list_jobs
from training.config import Augment, load_config
from training.data.shards import Shards, write_manifest, write_shard

from .mutations import bomb_points, damaged_bytes, strange_json, strange_npz

SHIPPED = Path(__file__).parents[2] / "pointvid" / "assets" / "pointvid-small.safetensors"


@dataclass(frozen=True)
class Kind:
    """`make` writes a good file into a folder; `change` gives other bytes for it; `read` reads it, and raises
    AssertionError where what it gave back is not what was written."""

    make: Callable[[Path], Path]
    change: Callable[[bytes, random.Random], bytes]
    read: Callable[[Path], object]


def _either(*changes: Callable[[bytes, random.Random], bytes]) -> Callable[[bytes, random.Random], bytes]:
    return lambda data, chance: chance.choice(changes)(data, chance)


def _json(data: bytes, chance: random.Random) -> bytes:
    return strange_json(json.loads(data), chance)


def _tracks(folder: Path) -> Path:
    uvd = torch.rand(5, 30, 3, generator=torch.Generator().manual_seed(0)) * 20 + 1
    tracks = PointTracks(uvd, torch.ones(5, 30, dtype=torch.bool), (32, 48), Camera.default((32, 48)))
    return save_tracks(tracks, folder / "tracks.npz")


def _depth(folder: Path) -> Path:
    np.savez_compressed(folder / "depth.npz", depth=np.linspace(1, 9, 5 * 32 * 48, dtype=np.float32).reshape(5, 32, 48))
    return folder / "depth.npz"


def _sample(folder: Path) -> Path:
    members = encode_sample(moving_box(1))
    with tarfile.open(folder / "a.pointvid.tar", "w") as archive:
        for name in ("mp4", "points", "json"):
            entry = tarfile.TarInfo(f"a.{name}")
            entry.size = len(members[name])
            archive.addfile(entry, io.BytesIO(members[name]))
    return folder / "a.pointvid.tar"


def _read_sample(path: Path) -> None:
    found, written = read_sample(path), decode_sample(encode_sample(moving_box(1)))
    assert torch.equal(found.point_map.points, written.point_map.points)
    assert torch.equal(found.video, written.video)
    assert found.caption == written.caption


def _points(folder: Path) -> Path:
    (folder / "points").write_bytes(encode_sample(moving_box(1))["points"])
    return folder / "points"


def _manifest(folder: Path) -> Path:
    sample = moving_box(1)
    rows = iter([("a", encode_sample(sample), tuple(sample.video.shape[:3]))])
    write_manifest(folder, {"version": 1, "shards": {"s.tar": write_shard(folder / "s.tar", rows)}})
    return folder / "manifest.json"


def _key(folder: Path) -> Path:
    study = plan_study(("base", "ours"), ("one", "two"), "Which is better?")
    (folder / "key.json").write_text(json.dumps(study.as_dict()), encoding="utf-8")
    return folder / "key.json"


def _answers(folder: Path) -> Path:
    study = load_study(_key(folder).parent)
    rows = ["study,rater,trial,question,choice,left,right,seconds,time"]
    for trial in study.trials:
        for question in study.questions:
            cells = (study.id, "ann", trial.id, question.id, "left", *trial.clips, "2.5", "2026-01-01T00:00:00Z")
            rows.append(",".join(cells))
    (folder / "answers.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "answers.csv"


def _config(folder: Path) -> Path:
    settings = {"out": "o", "steps": 5, "data": {"shards": "s"}, "model": {"checkpoint": "c"}, "optimizer": {"lr": 0.1}}
    (folder / "c.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder / "c.yaml"


def _metadata(folder: Path) -> Path:
    metadata = load_info(SHIPPED).to_metadata()
    values = {key: json.loads(value) for key, value in metadata.items() if key != "pointvid.format"}
    (folder / "metadata.json").write_text(json.dumps(values), encoding="utf-8")
    return folder / "metadata.json"


def _read_metadata(path: Path) -> None:
    try:
        values = json.loads(path.read_bytes())
        assert isinstance(values, dict)
    except (ValueError, AssertionError, RecursionError):
        values = {"pointvid.config": None}  # safetensors itself refuses what is no object of texts
    metadata = {key: json.dumps(value) for key, value in values.items()}
    info = CheckpointInfo.from_metadata({"pointvid.format": "1", **metadata})
    assert isinstance(info.point_range, PointRange)
    assert min(info.resolution) > 0
    assert info.frames > 0


def _list(folder: Path) -> Path:
    (folder / "a.mp4").touch()
    rows = [
        {"video": "a.mp4", "caption": "a dog", "timestamp": [[0, 1], [2, 3]], "score": [0.5, 0.6], "labels": ["dog"]}
    ]
    (folder / "l.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder / "l.json"


def _read_depth(path: Path) -> None:
    maps = read_depth(path, 5, Framing((32, 48), (32, 48))).maps
    assert torch.isfinite(maps).all()
    assert (maps > 0).all()


KINDS = {
    "tracks": Kind(_tracks, _either(damaged_bytes, strange_npz), load_tracks),
    "depth": Kind(_depth, _either(damaged_bytes, strange_npz), _read_depth),
    "sample": Kind(_sample, damaged_bytes, _read_sample),
    "points": Kind(
        _points,
        _either(damaged_bytes, lambda data, chance: bomb_points(data[:24], chance)),
        lambda path: decode_points(path.read_bytes()),
    ),
    "manifest": Kind(_manifest, _json, lambda path: (read_manifest(path.parent), Shards(path.parent).members(0))),
    "study key": Kind(_key, _json, lambda path: load_study(path.parent).public()),
    "answers": Kind(_answers, damaged_bytes, lambda path: read_answers([path], load_study(path.parent))),
    "config": Kind(_config, damaged_bytes, lambda path: load_config(Augment, path)),
    "checkpoint": Kind(_metadata, _json, _read_metadata),
    "list": Kind(_list, _json, lambda path: list_jobs([path])),
}
