"""The manifest of a folder of shards: which there are, what they hold, and whether they still do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from tarfile import TarInfo

from ..errors import PointVidError
from .document import Whole, check_shape, read_document
from .sample import decode_point_map
from .tar import read_member, tar_members

MANIFEST = "manifest.json"
_SIZE = (Whole(1), Whole(1), Whole(1))
_SHARD = {"bytes": Whole(0), "sha256": str, "samples": [{"key": str, "size": _SIZE}]}


def read_manifest(folder: Path) -> dict:
    """manifest.json of a folder of shards: {"version", "shards": {name: {"bytes", "sha256", "samples"}}, ...}."""
    path = folder / MANIFEST
    if not path.is_file():
        raise PointVidError(f"shards {folder}: no {MANIFEST}; expected a folder that training.synthesize wrote")
    what, expected = f"shards {path}", "a manifest as training.synthesize or training.build_dataset writes it"
    manifest = read_document(path, what, expected, {"version": int})
    if manifest["version"] != 1:
        raise PointVidError(f"{what}: version is {manifest['version']}, expected 1; update PointVid")
    check_shape(manifest, {"shards": {str: _SHARD}}, what, expected)
    for name in manifest["shards"]:
        if Path(name).name != name or name in ("", ".", ".."):
            raise PointVidError(f"{what}: shard {name!r} is no name of a file in its folder; expected {expected}")
    return manifest


def verify_shards(folder: Path) -> dict:
    """Check every shard and sample against the manifest; reads everything once. Gives back the manifest.

    Raises:
        PointVidError: a shard is missing or damaged; names shards and keys, the first twenty.
    """
    manifest = read_manifest(folder)
    problems = [f"{name}{f' {key}' if key else ''}: {what}" for name, key, what in shard_problems(folder, manifest)]
    if problems:
        shown = "; ".join(problems[:20]) + (f"; and {len(problems) - 20} more" if len(problems) > 20 else "")
        raise PointVidError(
            f"shards {folder}: {shown}; delete what is damaged and run the command that made it again, or train with "
            "data.skip_damaged=true"
        )
    return manifest


def shard_problems(folder: Path, manifest: dict) -> Iterator[tuple[str, str, str]]:
    """What is wrong with the shards, as (shard, key, what); reads everything once.

    Of a shard whose SHA-256 is not the manifest's every sample is looked at: those that are damaged are named, and what
    cannot be told of any is said of the shard, with an empty key.
    """
    for name, record in manifest["shards"].items():
        path = folder / name
        if not path.is_file():
            yield name, "", "there is no such file"
        elif file_digest(path) != record["sha256"]:
            yield name, "", "is damaged, its SHA-256 is not the manifest's"
            yield from ((name, key, what) for key, what in _sample_problems(path, record))


def _sample_problems(path: Path, record: dict) -> Iterator[tuple[str, str]]:
    wanted = [sample["key"] for sample in record["samples"]]
    members: dict[str, dict[str, TarInfo]] = {}
    try:
        for member in tar_members(path, f"shard {path}"):
            key, _, extension = member.name.partition(".")
            members.setdefault(key, {})[extension] = member
    except PointVidError as error:
        yield "", str(error)
    for key in wanted:
        try:
            parts = {name: read_member(path, member, key) for name, member in members.get(key, {}).items()}
            decode_point_map(parts, key)  # compares the sample's own hash, over its video too
        except PointVidError as error:
            yield key, str(error)


def file_digest(path: Path) -> str:
    """SHA-256, hexadecimal."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
