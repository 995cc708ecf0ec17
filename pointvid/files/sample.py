"""A training example: clip, point map, caption. One file each, or one entry of a WebDataset shard.

`docs/sample-format.md` specifies the members `mp4`, `points` and `json`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..camera import Camera
from ..errors import PointVidError
from ..point_map import PointMap
from ..points.point_range import PointRange
from ..tracks import MOST_FPS
from .atomic import atomic_path
from .document import Maybe, Number, Whole, check_shape, parse_document
from .point_codec import decode_points, encode_points
from .tar import read_member, tar_members
from .video import decode_mp4, encode_mp4

VERSION = 1
SUFFIX = ".pointvid.tar"
MEMBERS = ("mp4", "points", "json")

_SHAPE = {
    "caption": str,
    "labels": [str],
    "frames": Whole(1),
    "image_size": (Whole(1), Whole(1)),
    "fps": Number(0, MOST_FPS, above=True),
    "camera": (float, float, float, float),
    "depth_unit": str,
    "range": Maybe({"near": float, "far": float, "margin": float}),
    "provenance": dict,
    "hash": str,
}

# Near-lossless for training: 4:4:4 keeps the colour of every pixel and allows odd sizes, which 4:2:0 does not.
_CRF, _PIXELS = 12, "yuv444p"


@dataclass(frozen=True, eq=False)
class Sample:
    """What the model learns from.

    Attributes:
        video: uint8 [T, H, W, 3], RGB.
        point_map: of the same T, H and W; its camera, depth unit and fps are the sample's. Files keep what its objects
            are, not what is visible.
        caption: what happens in the clip.
        labels: the nouns its objects were found by.
        point_range: the range the data set was made for; None where that is left to training.
        provenance: source, tracker and its settings, depth, smoothing, versions: anything JSON can hold.
    """

    video: Tensor
    point_map: PointMap
    caption: str = ""
    labels: tuple[str, ...] = ()
    point_range: PointRange | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = tuple(self.point_map.points.shape)
        if tuple(self.video.shape) != expected or self.video.dtype != torch.uint8:
            raise PointVidError(
                f"sample: video is {self.video.dtype} {list(self.video.shape)}, "
                f"its point map is for torch.uint8 {list(expected)}; expected the same [T, H, W, 3]"
            )


def encode_sample(sample: Sample) -> dict[str, bytes]:
    """The members {"mp4", "points", "json"} of a sample, as a WebDataset writer takes them.

    Raises:
        PointVidError: a foreground point is not finite or has no depth, or provenance is not JSON.
    """
    point_map = sample.point_map
    members = {
        "mp4": encode_mp4(sample.video, point_map.fps, _CRF, _PIXELS, repeatable=True),  # equal samples are equal files
        "points": encode_points(point_map.points, point_map.objects),
    }
    frames, height, width, _ = sample.video.shape
    facts: dict[str, Any] = {
        "version": VERSION,
        "caption": sample.caption,
        "labels": list(sample.labels),
        "frames": frames,
        "image_size": [height, width],
        "fps": point_map.fps,
        "camera": list(point_map.camera.intrinsics),
        "depth_unit": point_map.depth_unit,
        "range": None if sample.point_range is None else sample.point_range.to_dict(),
        "provenance": dict(sample.provenance),
    }
    try:
        facts["hash"] = _digest(facts, members)
        members["json"] = json.dumps(facts, ensure_ascii=False, indent=1, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise PointVidError(f"sample: provenance cannot be written as JSON ({error}); expected plain values") from error
    return members


def decode_sample(members: Mapping[str, Any], name: str = "sample") -> Sample:
    """The sample in `members`, checked against its content hash; other keys (a WebDataset's) are ignored.

    Args:
        name: how error messages call it.
    Raises:
        PointVidError: a member is missing, damaged or of a newer version, or the hash differs.
    """
    facts = _facts(members, name)
    point_map = _points(facts, members, name)
    return Sample(
        video=decode_mp4(members["mp4"], point_map.image_size).frames,
        point_map=point_map,
        caption=facts["caption"],
        labels=tuple(facts["labels"]),
        point_range=None if facts["range"] is None else PointRange.from_dict(facts["range"]),
        provenance=facts["provenance"],
    )


def decode_point_map(members: Mapping[str, Any], name: str = "sample") -> PointMap:
    """The point map alone, 70 times faster than with the video; as `decode_sample` otherwise."""
    return _points(_facts(members, name), members, name)


def replace_points(members: Mapping[str, Any], point_map: PointMap) -> dict[str, bytes]:
    """The members of the same sample with other points of the same size; video and facts stay.

    Raises:
        PointVidError: the sample is damaged, or the points cannot be written.
    """
    facts = _facts(members, "sample")
    found, expected = list(point_map.points.shape[:3]), [facts["frames"], *facts["image_size"]]
    if found != expected:
        raise PointVidError(f"points are {found}, the sample is {expected} [T, H, W]; expected the same")
    changed = {"mp4": members["mp4"], "points": encode_points(point_map.points, point_map.objects)}
    facts.pop("hash")
    facts["hash"] = _digest(facts, changed)
    return {**changed, "json": json.dumps(facts, ensure_ascii=False, indent=1, allow_nan=False).encode()}


def _facts(members: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The sample's JSON, once everything is known to be whole."""
    missing = [member for member in MEMBERS if member not in members]
    if missing:
        raise PointVidError(f"{name} lacks {', '.join(missing)}; expected the members {', '.join(MEMBERS)}")
    what, expected = f"{name}: json", "a sample written by PointVid"
    facts = parse_document(members["json"], what, expected, {"version": Whole(1)})
    if facts["version"] > VERSION:
        raise PointVidError(
            f"{name} has version {facts['version']}, this PointVid reads up to {VERSION}; update PointVid"
        )
    check_shape(facts, _SHAPE, what, expected)
    if facts.get("hash") != _digest({key: facts[key] for key in facts if key != "hash"}, members):
        raise PointVidError(f"{name} is damaged: its content does not have the hash it was written with; get it again")
    return facts


def _points(facts: Mapping[str, Any], members: Mapping[str, Any], name: str) -> PointMap:
    points, objects = decode_points(members["points"], f"{name}: points")
    found, expected = list(points.shape[:3]), [facts["frames"], *facts["image_size"]]
    if found != expected:
        raise PointVidError(f"{name}: points are {found}, json says {expected} [T, H, W]; expected the same")
    return PointMap(points, objects, Camera(*facts["camera"]), facts["depth_unit"], facts["fps"])


def write_sample(sample: Sample, path: str | os.PathLike) -> Path:
    """Write one sample to one file, whole or not at all: a tar that is also a WebDataset shard of one sample.

    Returns:
        The path written, with `.pointvid.tar` appended where the name does not end in `.tar`.
    Raises:
        PointVidError: as `encode_sample`, or the folder cannot be written.
    """
    path = Path(path)
    if path.suffix != ".tar":
        path = path.with_name(path.name + SUFFIX)
    members = encode_sample(sample)
    key = path.name.removesuffix(".tar").removesuffix(".pointvid").replace(".", "_") or "sample"
    with atomic_path(path) as temporary, tarfile.open(temporary, "w") as archive:
        for member in MEMBERS:
            entry = tarfile.TarInfo(f"{key}.{member}")  # time 0, owner 0: equal samples are equal files
            entry.size = len(members[member])
            archive.addfile(entry, io.BytesIO(members[member]))
    return path


def read_sample(path: str | os.PathLike) -> Sample:
    """Read what `write_sample` wrote.

    Raises:
        PointVidError: missing, damaged, of a newer version, or a shard of several samples.
    """
    path = Path(path)
    name = f"sample file {path}"
    if not path.is_file():
        raise PointVidError(f"{name} does not exist; expected a {SUFFIX} file")
    members: dict[str, bytes] = {}
    for entry in tar_members(path, name):
        suffix = entry.name.rpartition("/")[2].partition(".")[2]
        if suffix not in MEMBERS:
            continue
        if suffix in members:
            raise PointVidError(f"{name} holds several samples; expected one, read it as a WebDataset shard")
        members[suffix] = read_member(path, entry, name)
    return decode_sample(members, name)


def _digest(facts: Mapping[str, Any], members: Mapping[str, bytes]) -> str:
    """SHA-256 over the facts (JSON, keys sorted), the video and the points, each after its length."""
    digest = hashlib.sha256()
    for part in (json.dumps(facts, sort_keys=True, allow_nan=False).encode(), members["mp4"], members["points"]):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return f"sha256:{digest.hexdigest()}"
