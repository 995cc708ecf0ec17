"""The folder that a build fills. At every moment it holds whole shards, a list of what was rejected, and finished clips
that wait for their shard; a build that was killed goes on from there.

    manifest.json    shards, settings, counts, versions: what `training.data` reads
    clips-*.tar      shard n is made of block n of the plan, less its rejected clips
    rejected.jsonl   one line a rejected clip
    unused.jsonl     what else the inputs hold, and why it is no clip
    plan.jsonl       every clip there is, in order, with its block
    .finished/       outcomes of clips whose block is not complete
"""

from __future__ import annotations

import io
import json
import os
import platform
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path
from typing import Any

import pointvid
from pointvid.errors import PointVidError
from pointvid.files.atomic import atomic_path
from pointvid.files.document import json_text
from pointvid.files.manifest import MANIFEST, read_manifest
from pointvid.files.revision import git_revision

from ..data.shards import write_manifest, write_shard
from .inputs import Job
from .stages import Outcome

PLAN, REJECTED, _FINISHED = "plan.jsonl", "rejected.jsonl", ".finished"


class Store:
    """One build's folder.

    Args:
        out: the folder; made where there is none.
        settings: what decides the samples; a folder is built with one set of them.
        jobs: every clip of the inputs. Those of an earlier run that are not among them stay planned.
        clips_in_shard: size of a block.
    Raises:
        PointVidError: `out` was made by something else or with other settings, or cannot be written.
    """

    def __init__(self, out: Path, settings: dict[str, Any], jobs: Iterable[Job], clips_in_shard: int):
        self.out = out
        self._manifest = self._open(settings)
        self._plan = self._merge_plan(jobs, clips_in_shard)
        self._blocks = [list(keys) for keys in self._plan_by_block()]
        (out / _FINISHED).mkdir(exist_ok=True)
        self._drop_unlisted_rejections()
        done = {key for keys in self._blocks[: self._build["blocks"]] for key in keys}
        self._finished: set[str] = set()
        for path in (out / _FINISHED).iterdir():
            key = path.name.partition(".")[0]
            if path.name.startswith(".") or key in done:
                path.unlink()
            else:
                self._finished.add(key)

    @property
    def manifest(self) -> dict[str, Any]:
        """As `training.data.shards.read_manifest` gives it."""
        return self._manifest

    @property
    def total(self) -> int:
        """Clips planned."""
        return len(self._plan)

    @property
    def done(self) -> int:
        """Clips that have an outcome."""
        return sum(len(keys) for keys in self._blocks[: self._build["blocks"]]) + len(self._finished)

    def waiting(self) -> list[Job]:
        """The clips without an outcome, in order."""
        open_blocks = self._blocks[self._build["blocks"] :]
        return [self._plan[key][0] for keys in open_blocks for key in keys if key not in self._finished]

    def put(self, outcome: Outcome) -> None:
        """Keep an outcome; it is on disk when this returns. Clips may come in any order."""
        path = self.out / _FINISHED / outcome.key
        if outcome.members is not None:
            facts = json.loads(outcome.members["json"])
            size = (facts["frames"], *facts["image_size"])
            write_shard(path.with_name(path.name + ".tar"), iter([(outcome.key, outcome.members, size)]))
        else:
            with atomic_path(path.with_name(path.name + ".json")) as temporary:
                reasons = [asdict(reason) for reason in outcome.reasons]
                text = json_text({"reasons": reasons, "figures": outcome.figures})
                temporary.write_text(text, encoding="utf-8")
        self._finished.add(outcome.key)

    def close_blocks(self) -> None:
        """Turn every complete block, in order, into its shard."""
        while self._build["blocks"] < len(self._blocks) and self._finished.issuperset(
            self._blocks[self._build["blocks"]]
        ):
            self._close_block(self._blocks[self._build["blocks"]])

    def rejections(self) -> Iterator[dict[str, Any]]:
        """The lines of rejected.jsonl."""
        path = self.out / REJECTED
        if path.is_file():
            with path.open(encoding="utf-8") as file:
                yield from map(json.loads, file)

    @property
    def _build(self) -> dict[str, Any]:
        return self._manifest["build"]

    def _open(self, settings: dict[str, Any]) -> dict[str, Any]:
        if not (self.out / MANIFEST).is_file():
            build = {"blocks": 0, "clips": 0, "accepted": 0, "rejected": 0, "reasons": {}, "rejected_bytes": 0}
            fresh = {"version": 1, "settings": settings, "versions": [package_versions()], "build": build, "shards": {}}
            write_manifest(self.out, fresh)
            return fresh
        manifest = read_manifest(self.out)
        earlier = manifest.get("settings", {})
        if earlier != settings:
            if not isinstance(earlier, dict) or earlier.get("made_by") != settings["made_by"]:
                raise PointVidError(f"{self.out} holds shards made by something else, expected an empty folder")
            name, before, now = next(_differences(earlier, settings))
            raise PointVidError(
                f"{self.out} was built with {name} {before!r}, now it is {now!r}; "
                "expected the same settings, or another folder"
            )
        if package_versions() not in manifest["versions"]:
            manifest["versions"].append(package_versions())
        return manifest

    def _merge_plan(self, jobs: Iterable[Job], clips_in_shard: int) -> dict[str, tuple[Job, int]]:
        """Key -> job and block: the plan of earlier runs, then what is new."""
        path, plan = self.out / PLAN, {}
        if path.is_file():
            with path.open(encoding="utf-8") as file:
                for line in map(json.loads, file):
                    plan[line["key"]] = Job.from_dict(line), line["block"]
        before = dict(plan)
        block = max((block for _, block in plan.values()), default=-1)
        new = 0
        for job in jobs:
            if job.key in plan:
                plan[job.key] = job, plan[job.key][1]  # the files may lie elsewhere now
            else:
                plan[job.key] = job, block + 1 + new // clips_in_shard
                new += 1
        if plan != before:
            with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
                for job, at in plan.values():
                    file.write(json_text({**job.to_dict(), "block": at}) + "\n")
        return plan

    def _plan_by_block(self) -> Iterator[Iterator[str]]:
        for _, items in groupby(self._plan.items(), key=lambda item: item[1][1]):
            yield (key for key, _ in items)

    def _drop_unlisted_rejections(self) -> None:
        """A block's lines are written before the manifest that counts them; without the latter they do not count."""
        path = self.out / REJECTED
        if path.is_file() and path.stat().st_size > self._build["rejected_bytes"]:
            os.truncate(path, self._build["rejected_bytes"])

    def _close_block(self, keys: list[str]) -> None:
        finished = self.out / _FINISHED
        accepted = [key for key in keys if (finished / f"{key}.tar").is_file()]
        name = f"clips-{self._build['blocks']:05d}.tar"
        if accepted:
            self._manifest["shards"][name] = write_shard(self.out / name, map(self._finished_sample, accepted))
        lines = [self._rejection(key) for key in keys if key not in set(accepted)]
        self._append_rejections(lines)
        build, reasons = self._build, Counter(self._build["reasons"])
        for line in lines:
            reasons.update({reason["gate"] for reason in line["reasons"]})
        build["blocks"] += 1
        build["clips"] += len(keys)
        build["accepted"] += len(accepted)
        build["rejected"] += len(lines)
        build["reasons"] = dict(reasons.most_common())
        write_manifest(self.out, self._manifest)
        for key in keys:
            self._finished.discard(key)
            for ending in (".tar", ".json"):
                (finished / f"{key}{ending}").unlink(missing_ok=True)

    def _finished_sample(self, key: str) -> tuple[str, dict[str, bytes], tuple[int, int, int]]:
        data = (self.out / _FINISHED / f"{key}.tar").read_bytes()
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            members = {item.name.partition(".")[2]: _content(tar, item) for item in tar}
        facts = json.loads(members["json"])
        return key, members, (facts["frames"], *facts["image_size"])

    def _rejection(self, key: str) -> dict[str, Any]:
        outcome = json.loads((self.out / _FINISHED / f"{key}.json").read_text(encoding="utf-8"))
        return {**self._plan[key][0].to_dict(), **outcome}

    def _append_rejections(self, lines: list[dict[str, Any]]) -> None:
        text = "".join(json_text(line) + "\n" for line in lines).encode()
        try:
            with (self.out / REJECTED).open("ab") as file:
                file.truncate(self._build["rejected_bytes"])
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise PointVidError(f"cannot write {self.out / REJECTED}: {error.strerror or error}") from error
        self._build["rejected_bytes"] += len(text)


def _content(tar: tarfile.TarFile, item: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(item)
    assert file is not None  # our own samples hold files alone
    return file.read()


def package_versions() -> dict[str, str]:
    """What the samples were made with."""
    found = {"pointvid": pointvid.__version__, "revision": git_revision(), "python": platform.python_version()}
    for name in ("torch", "numpy", "av", "transformers"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _differences(before: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            yield from _differences(before.get(key), now.get(key), f"{name}.{key}".lstrip("."))
    elif before != now:
        yield name, before, now
