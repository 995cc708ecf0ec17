"""The manifest of a folder of shards: which there are, what they hold, and whether they still do."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..errors import PointVidError
from .document import Whole, check_shape, read_document

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
    """Compare every shard's SHA-256 with the manifest's; reads everything once. Gives back the manifest.

    Raises:
        PointVidError: no manifest, or a shard is missing or damaged.
    """
    manifest = read_manifest(folder)
    for name, record in manifest["shards"].items():
        path = folder / name
        if not path.is_file():
            raise PointVidError(f"shard {path}: no such file, the manifest lists it; make it again")
        found = file_digest(path)
        if found != record["sha256"]:
            raise PointVidError(
                f"shard {path}: is damaged (sha256 {found[:12]}, manifest says {record['sha256'][:12]}); "
                "delete it and run the command that made it again"
            )
    return manifest


def file_digest(path: Path) -> str:
    """SHA-256, hexadecimal."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
