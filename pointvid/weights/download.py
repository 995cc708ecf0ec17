"""Published weights into the models folder: taken up where they were cut off, checked, and never half-written.

What a file must be is known from three places, the first that knows counts:

1. the lock file of the models folder, which holds the SHA-256 and the commit of what was downloaded before;
2. the list in `published`, which holds those that its publisher's page shows;
3. the server, which names the SHA-256 of every large file, and the git hash of small ones.

A file of which nobody knows a hash is not fetched, unless its entry is trusted by name. A file that arrives different
is deleted. A server that offers another file than the first two know is an error, until an update is wanted.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from ..errors import PointVidError
from ..files.atomic import atomic_path, writing
from ..progress import Progress, silent
from .published import Published
from .remote import RemoteFile, Unreachable, ask, body, no_answer

LOCK_FILE = "pointvid-downloads.json"
OFFLINE = ("POINTVID_OFFLINE", "HF_HUB_OFFLINE")
"""Environment variables of which one set to 1, true, yes or on forbids all downloads."""

_TRIES, _PAUSE = 4, 1.0


@dataclass(frozen=True)
class Downloaded:
    """A file of the models folder after a download.

    Attributes:
        path: where it is.
        sha256: of its contents.
        checked: against what; "nothing": its entry was trusted by name.
        fresh: whether it was fetched now; False where it was there already.
    """

    path: Path
    sha256: str
    checked: Literal["lock file", "list", "server", "nothing"]
    fresh: bool


def refuse_offline() -> None:
    """Raise PointVidError where the environment forbids downloads."""
    for name in OFFLINE:
        if os.environ.get(name, "").strip().lower() in ("1", "true", "yes", "on"):
            raise PointVidError(f"{name} is set: nothing is downloaded; unset it, or copy the files there by hand")


def look_up(entry: Published, folder: Path, update: bool = False) -> list[RemoteFile]:
    """What the server has of `entry`, all of one commit; fetches no contents.

    Args:
        folder: the models folder, whose lock file holds the commit of what was downloaded before.
        update: ask for the newest commit instead.
    Raises:
        PointVidError: offline, no such file, the server does not answer, or it has no addresses for single files.
    """
    refuse_offline()
    if not entry.repository:
        raise PointVidError(
            f"{entry.name}: its authors' server has no address for single files; get {', '.join(entry.files)} "
            f"from {entry.page} by hand and put it into the folder {entry.folder} of the models folder"
        )
    lock = read_lock(folder)
    known = [lock.get(f"{entry.folder}/{name}", {}).get("commit") for name in entry.files]
    revision = "main" if update else next((commit for commit in known if commit), entry.revision)
    found = []
    for name in (*entry.files, *entry.optional):
        remote = ask(entry.repository, name, revision, f"{entry.folder}/{name}")
        if remote:
            revision = remote.commit if re.fullmatch("[0-9a-f]{40}", remote.commit or "") else revision
            found.append(remote)
        elif name in entry.files:
            advice = "try later, or copy the files by hand" if revision == "main" else "say --update to take the newest"
            raise PointVidError(f"the server has no {name} in {entry.repository} at {revision} (404); {advice}")
    return found


def download(
    entry: Published,
    folder: Path,
    *,
    accept_licence: bool = False,
    update: bool = False,
    trust: bool = False,
    progress: Progress = silent,
    remote: list[RemoteFile] | None = None,
) -> list[Downloaded]:
    """Bring the files of `entry` into the models folder `folder`.

    A file that is there is hashed, not fetched, unless it is not what it should be. What was cut off goes on. A second
    download into the same folder waits for the first.

    Args:
        entry: what.
        folder: the models folder; files go to `folder / entry.folder`.
        accept_licence: the caller agrees to a licence that forbids commercial use.
        update: take files that have changed at the server since they were downloaded.
        trust: take also files of which nobody knows a hash.
        progress: bytes of the file at hand; may raise to cancel, which keeps what has arrived.
        remote: what `look_up` found; None looks now.
    Raises:
        PointVidError: offline, licence not accepted, no answer, no hash, a wrong one, no room or no right to write.
    """
    if not entry.commercial and not accept_licence:
        raise PointVidError(
            f"{entry.name} is under {entry.licence}: no commercial use; read {entry.page} and say --accept-license"
        )
    refuse_offline()
    remote = look_up(entry, folder, update) if remote is None else remote
    done = []
    with _alone(folder, progress):
        lock = read_lock(folder)
        _require_room(folder, remote)
        for file in remote:
            locked = None if update else lock.get(file.path, {}).get("sha256")
            listed = None if update else entry.sha256.get(file.path.removeprefix(f"{entry.folder}/"))
            checked = "lock file" if locked else "list" if listed else "server" if file.hash else "nothing"
            if checked == "nothing" and not (trust and file.size):
                raise PointVidError(
                    f"{file.path}: the server names no hash of it and none is known, so it was not fetched; a login or "
                    f"a proxy may have answered: try another network, or say --trust {entry.name}"
                )
            found, fresh = _bring(file, folder, locked or listed, progress)
            done.append(Downloaded(folder / file.path, found, checked, fresh))
            lock[file.path] = {"sha256": found, "url": file.url, "commit": file.commit}
            with atomic_path(folder / LOCK_FILE) as path:
                path.write_text(json.dumps(lock, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return done


def read_lock(folder: Path) -> dict[str, dict]:
    """The lock file of a models folder: path -> {sha256, url, commit}; empty where there is none.

    Raises:
        PointVidError: it cannot be read.
    """
    path = folder / LOCK_FILE
    if not path.exists():
        return {}
    try:
        lock = json.loads(path.read_text(encoding="utf-8"))
        good = all(re.fullmatch("[0-9a-f]{64}", entry["sha256"]) for entry in lock.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        good = False
    if not good:
        raise PointVidError(f"{path} cannot be read, expected what `pointvid download` wrote; delete it")
    return lock


def _bring(file: RemoteFile, folder: Path, known: str | None, progress: Progress) -> tuple[str, bool]:
    """Have one file, of SHA-256 `known` where it is, in its place. Returns its SHA-256, and whether it was fetched."""
    path = folder / file.path
    if known and len(file.hash or "") == 64 and known != file.hash:
        raise PointVidError(
            f"{file.path}: the server has another file than the one that is known, now of hash "
            f"{str(file.hash)[:12]}...; say --update to take it"
        )
    wanted = known or file.hash
    if path.is_file() and wanted in (digests := _digests(path, progress)):
        return digests[0], False
    partial = _partial(path, file)
    try:
        _fetch(file, partial, progress)
    finally:
        if partial.is_file() and not partial.stat().st_size:
            partial.unlink()
    digests = _digests(partial, progress)
    if wanted and wanted not in digests:
        partial.unlink()
        raise PointVidError(
            f"{file.path}: what arrived has the hashes {' and '.join(found[:12] for found in digests)}, expected "
            f"{wanted[:12]}...; it was deleted, try again"
            + (", or say --update to take what the server has" if known else "")
        )
    with writing(path):
        partial.replace(path)
    return digests[0], True


def _digests(path: Path, progress: Progress) -> tuple[str, str]:
    """SHA-256 of a file, and its SHA-1 as git has it."""
    size, done = path.stat().st_size, 0
    sha256, git = hashlib.sha256(), hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            sha256.update(block)
            git.update(block)
            done += len(block)
            progress(done, size, f"checking {path.name}")
    return sha256.hexdigest(), git.hexdigest()


def _partial(path: Path, file: RemoteFile) -> Path:
    """Where a file grows. Its name holds what it will be, so that parts of two versions never meet."""
    return path.with_name(f".{path.name}.{(file.hash or 'unknown')[:12]}.part")


def _fetch(file: RemoteFile, partial: Path, progress: Progress) -> None:
    """Download to `partial`, from where it ends; a cut connection is taken up again a few times."""
    with writing(partial), _open_part(partial) as out:
        have = out.seek(0, os.SEEK_END)
        if not file.hash or have > (file.size or 0):
            have = 0  # of nobody knows what
        for attempt in range(_TRIES):
            reason = "cuts the connection"
            try:
                for at, block in body(file, have) if have != file.size else ():
                    out.seek(at)
                    out.write(block)
                    have = at + len(block)
                    progress(have, file.size or have, f"downloading {Path(file.path).name}")
            except Unreachable as error:
                if error.final:
                    raise no_answer(file.url, error) from error
                have, reason = 0 if error.status == 416 else have, str(error)
            else:
                if have == (file.size or have) > 0:
                    out.truncate(have)
                    os.fsync(out.fileno())
                    return
            if attempt + 1 < _TRIES:
                time.sleep(_PAUSE * 2**attempt)
    size = f" of {file.size}" if file.size else ""
    raise PointVidError(f"{file.path}: the server {reason} after {have}{size} bytes; run the same command to go on")


def _open_part(path: Path) -> BinaryIO:
    """Open for reading and writing, or make it; a link that lies there is not followed, but replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o666), "r+b")


@contextmanager
def _alone(folder: Path, progress: Progress) -> Iterator[None]:
    """One download into a models folder at a time; the lock ends with the process that holds it."""
    from filelock import FileLock, Timeout

    path = folder / f".{LOCK_FILE}.lock"
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()
        lock = FileLock(path)
        while not lock.is_locked:
            try:
                lock.acquire(timeout=1)
            except Timeout:
                progress(0, 1, "waiting for another download")
    try:
        yield
    finally:
        lock.release()


def _require_room(folder: Path, remote: list[RemoteFile]) -> None:
    """Raise where the disk cannot hold what is still missing."""
    missing = 0
    for file in remote:
        if not (folder / file.path).is_file():
            partial = _partial(folder / file.path, file)
            missing += (file.size or 0) - (partial.stat().st_size if partial.is_file() else 0)
    with suppress(OSError):
        free = shutil.disk_usage(folder).free
        if free < missing:
            raise PointVidError(f"{folder} has {free / 1e9:.1f} GB free, expected {missing / 1e9:.1f} GB; make room")
