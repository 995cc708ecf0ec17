"""Shards as a dataset: which samples there are, where their bytes lie, and in which order a run sees them.

Shards are WebDataset tar files beside a manifest.json. They are read by offset instead of as a stream, because then the
order of an epoch is a pure function of (seed, epoch) and the position in it is a number: that is what lets a killed run
resume exactly. Shuffling stays within a window of shards, so reads stay local as in a stream.
"""

from __future__ import annotations

import io
import json
import logging
import random
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pointvid.errors import PointVidError
from pointvid.files.atomic import atomic_path
from pointvid.files.manifest import MANIFEST, file_digest, read_manifest, shard_problems
from pointvid.files.readable import readable
from pointvid.files.sample import MEMBERS, Sample, decode_point_map, decode_sample
from pointvid.files.tar import tar_members
from pointvid.point_map import PointMap

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One sample: its shard, key, (T, H, W), and for each member the (offset, size) of its bytes in the tar."""

    shard: str
    key: str
    size: tuple[int, int, int]
    members: Mapping[str, tuple[int, int]]


class Shards:
    """The samples of a folder of shards, by index.

    Args:
        folder: of manifest.json and *.tar.
        skip_damaged: compare everything with its hash first, which reads it once, and leave out what is damaged;
            `skipped` has what, and why. Else a damaged sample is an error when it is asked for.
    Raises:
        PointVidError: no manifest, a shard is missing, cut short or does not hold what the manifest says.
    """

    def __init__(self, folder: Path, skip_damaged: bool = False):
        self.folder = folder
        self.manifest = read_manifest(folder)
        self.entries: list[Entry] = []
        self.skipped = list(shard_problems(folder, self.manifest)) if skip_damaged else []
        whole = {name for name, key, _ in self.skipped if not key}
        keys = {(name, key) for name, key, _ in self.skipped if key}
        for name, record in self.manifest["shards"].items():
            if name in whole and not (folder / name).is_file():
                continue
            kept = [sample for sample in record["samples"] if (name, sample["key"]) not in keys]
            if kept:
                self.entries += self._index(name, {**record, "samples": kept}, check_size=name not in whole)
        for name, key, what in self.skipped:
            _log.warning("skipped: shard %s %s: %s", name, key, what)
        if not self.entries:
            raise PointVidError(f"shards {folder}: hold no samples, expected at least one")

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Sample:
        """Read and decode one sample."""
        return decode_sample(self.members(index), self.name(index))

    def points(self, index: int) -> PointMap:
        """The point map of one sample, without decoding its video."""
        return decode_point_map(self.members(index), self.name(index))

    def name(self, index: int) -> str:
        """How error messages call one sample."""
        entry = self.entries[index]
        return f"sample {entry.key} of shard {self.folder / entry.shard}"

    def members(self, index: int) -> dict[str, bytes]:
        """One sample as it is stored: `sample.encode_sample`'s members."""
        entry = self.entries[index]
        with (
            readable(self.name(index), "the shard that its manifest lists"),
            (self.folder / entry.shard).open("rb") as file,
        ):
            parts = {}
            for name, (offset, size) in entry.members.items():
                file.seek(offset)
                parts[name] = file.read(size)
        return parts

    def _index(self, name: str, record: dict, check_size: bool = True) -> list[Entry]:
        path = self.folder / name
        if not path.is_file() or (check_size and path.stat().st_size != record["bytes"]):
            found = f"{path.stat().st_size} bytes" if path.is_file() else "no such file"
            raise PointVidError(
                f"shard {path}: {found}, manifest says {record['bytes']} bytes; "
                "delete it and run the command that made it again"
            )
        members: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
        with nullcontext() if check_size else suppress(PointVidError):  # of a damaged shard, what comes before that
            for member in tar_members(path, f"shard {path}"):
                key, _, extension = member.name.partition(".")
                if extension in members[key]:
                    raise PointVidError(f"shard {path}: holds {member.name[:80]!r} twice, expected each once")
                members[key][extension] = (member.offset_data, member.size)
        keys = [sample["key"] for sample in record["samples"]]
        missing = [key for key in keys if not set(MEMBERS) <= set(members.get(key, ()))]
        if missing:
            raise PointVidError(f"shard {path}: manifest lists {missing[0]!r} and {len(missing) - 1} more it lacks")
        if len(set(keys)) < len(keys):
            raise PointVidError(f"shard {path}: manifest lists a key twice, expected each once")
        return [
            Entry(name, sample["key"], tuple(sample["size"]), dict(members[sample["key"]]))
            for sample in record["samples"]
        ]


class Order:
    """Which samples make up batch n of a run, for every n: shuffled anew each epoch, all of a batch of one size.

    Args:
        entries: the samples.
        batch_size: clips a rank.
        ranks: processes that share a batch; each takes its own part of it.
        seed: two runs with the same seed see the same order, whatever the number of loader workers.
        window: how many shards samples are shuffled among.
    Attributes:
        never_used: (T, H, W) -> how many samples there are of a size that has too few for a batch.
    Raises:
        PointVidError: no size has enough samples for one batch.
    """

    def __init__(self, entries: list[Entry], batch_size: int, ranks: int = 1, seed: int = 0, window: int = 8):
        self.entries, self.batch_size, self.ranks, self.seed, self.window = entries, batch_size, ranks, seed, window
        together = batch_size * ranks
        counts: dict[tuple[int, int, int], int] = defaultdict(int)
        for entry in entries:
            counts[entry.size] += 1
        self.batches_in_epoch = sum(count // together for count in counts.values())
        if not self.batches_in_epoch:
            sizes = ", ".join(f"{n} of {t}x{h}x{w}" for (t, h, w), n in counts.items())
            raise PointVidError(
                f"data has {sizes} (TxHxW), expected at least {together} of one size for a batch; lower batch_size"
            )
        self.never_used = {size: count for size, count in counts.items() if count < together}
        self._epoch = lru_cache(2)(self._shuffled)

    def batch(self, n: int, rank: int = 0) -> list[int]:
        """Indices into `entries` of batch n (counted over all epochs) on one rank."""
        epoch, position = divmod(n, self.batches_in_epoch)
        start = rank * self.batch_size
        return self._epoch(epoch)[position][start : start + self.batch_size]

    def batches(self, start: int, rank: int = 0) -> Iterator[list[int]]:
        """Batches from `start` on, without end."""
        n = start
        while True:
            yield self.batch(n, rank)
            n += 1

    def _shuffled(self, epoch: int) -> list[list[int]]:
        chance = random.Random(f"{self.seed}/{epoch}")
        by_shard: dict[str, list[int]] = defaultdict(list)
        for index, entry in enumerate(self.entries):
            by_shard[entry.shard].append(index)
        shards = sorted(by_shard)
        chance.shuffle(shards)
        together = self.batch_size * self.ranks
        waiting: dict[tuple[int, int, int], list[int]] = defaultdict(list)
        batches: list[list[int]] = []
        for first in range(0, len(shards), self.window):
            indices = [index for shard in shards[first : first + self.window] for index in by_shard[shard]]
            chance.shuffle(indices)
            for index in indices:
                bucket = waiting[self.entries[index].size]
                bucket.append(index)
                if len(bucket) == together:
                    batches.append(bucket.copy())
                    bucket.clear()
        return batches


def write_manifest(folder: Path, manifest: dict) -> None:
    """Atomically; shards listed in it are complete."""
    with atomic_path(folder / MANIFEST) as path:
        path.write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def write_shard(path: Path, samples: Iterator[tuple[str, dict[str, bytes], tuple[int, int, int]]]) -> dict:
    """Write one tar atomically and give back its manifest record.

    Args:
        samples: (key, member extension -> bytes, (T, H, W)), in order.
    """
    listed = []
    with atomic_path(path) as temporary:
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
            for key, parts, size in samples:
                for extension, content in parts.items():
                    _add(tar, f"{key}.{extension}", content)
                listed.append({"key": key, "size": list(size)})
        digest, length = file_digest(temporary), temporary.stat().st_size
    return {"bytes": length, "sha256": digest, "samples": listed}


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)  # owner, mode and time are fixed: equal samples make equal shards
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
