"""The manifest of a folder of shards: which there are, what they hold, and whether they still do."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ..errors import PointVidError

MANIFEST = "manifest.json"


def read_manifest(folder: Path) -> dict:
    """manifest.json of a folder of shards: {"version", "shards": {name: {"bytes", "sha256", "samples"}}, ...}."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PointVidError(
            f"shards {folder}: no {MANIFEST} ({error.strerror}); expected a folder that training.synthesize wrote"
        ) from error
    except json.JSONDecodeError as error:
        raise PointVidError(f"shards {path}: is not JSON ({error})") from error
    if not isinstance(manifest, dict) or manifest.get("version") != 1 or "shards" not in manifest:
        raise PointVidError(f"shards {path}: version is {manifest.get('version')}, expected 1")
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
