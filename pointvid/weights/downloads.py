"""Files from the model hub: taken up where they were cut off, checked, and never half-written.

What a file must be is known from four places, the first that knows counts:

1. the lock file of the models folder, which holds the SHA-256 of what was downloaded before;
2. the list in `published`, which holds a few;
3. the server, which names the SHA-256 of every large file (the header X-Linked-Etag), and the git hash of small ones;
4. nobody: then what arrives is recorded in the lock file as it is, "on trust".

A file that arrives different is deleted. A server that offers another file than the first two know is an error, until
the caller says that an update is wanted.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ..errors import PointVidError
from ..files.atomic import atomic_path
from ..progress import Progress, silent
from .hub import NETWORK, RemoteFile, ask, no_answer, open_url, read_block
from .published import Published

LOCK_FILE = "pointvid-downloads.json"
OFFLINE = ("POINTVID_OFFLINE", "HF_HUB_OFFLINE")
"""Environment variables of which one set to 1, true, yes or on forbids all downloads."""

_ENDPOINT = "HF_ENDPOINT"
"""Environment variable with the address of a mirror of the model hub."""

_TRIES, _PAUSE = 4, 1.0
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Downloaded:
    """A file of the models folder after a download.

    Attributes:
        path: where it is.
        sha256: of its contents.
        checked: against what: "lock file", "list", "server", or "on trust".
        fresh: whether it was fetched now; False where it was there already.
    """

    path: Path
    sha256: str
    checked: str
    fresh: bool


def refuse_offline() -> None:
    """Raise PointVidError where the environment forbids downloads."""
    for name in OFFLINE:
        if os.environ.get(name, "").strip().lower() in ("1", "true", "yes", "on"):
            raise PointVidError(f"{name} is set: nothing is downloaded; unset it, or copy the files there by hand")


def look_up(entry: Published) -> list[RemoteFile]:
    """What the server has of `entry`; fetches no contents.

    Raises:
        PointVidError: offline, no such file, the server does not answer, or it has no addresses for single files.
    """
    refuse_offline()
    if not entry.repository:
        raise PointVidError(
            f"{entry.name}: its authors' server has no address for single files; get {', '.join(entry.files)} "
            f"from {entry.page} by hand and put it into the folder {entry.folder} of the models folder"
        )
    found = []
    for name in (*entry.files, *entry.optional):
        endpoint = os.environ.get(_ENDPOINT) or "https://huggingface.co"
        url = f"{endpoint.rstrip('/')}/{entry.repository}/resolve/main/{quote(name)}"
        remote = ask(url, f"{entry.folder}/{name}", missing_ok=name in entry.optional)
        if remote:
            found.append(remote)
    return found


def download(
    entry: Published,
    folder: Path,
    accept_licence: bool = False,
    update: bool = False,
    progress: Progress = silent,
    remote: list[RemoteFile] | None = None,
) -> list[Downloaded]:
    """Bring the files of `entry` into the models folder `folder`.

    A file that is there is hashed, not fetched, unless it is not what it should be. What was cut off goes on.

    Args:
        entry: what.
        folder: the models folder; files go to `folder / entry.folder`.
        accept_licence: the caller agrees to a licence that forbids commercial use.
        update: take files that have changed at the server since they were downloaded.
        progress: bytes of the file at hand; may raise to cancel, which keeps what has arrived.
        remote: what `look_up` found; None looks now.
    Raises:
        PointVidError: offline, licence not accepted, no answer, a wrong hash, no room or no right to write.
    """
    if not entry.commercial and not accept_licence:
        raise PointVidError(
            f"{entry.name} is under {entry.licence}: no commercial use; read {entry.page} and say --accept-license"
        )
    refuse_offline()
    remote = look_up(entry) if remote is None else remote
    lock = read_lock(folder)
    _require_room(folder, remote)
    done = []
    for file in remote:
        known = None if update else lock.get(file.path, {}).get("sha256")
        listed = None if update else entry.sha256.get(file.path.removeprefix(f"{entry.folder}/"))
        told = file.sha256 or file.git_sha1
        checked = "lock file" if known else "list" if listed else "server" if told else "on trust"
        found, fresh = _bring(file, folder, known or listed, update, progress)
        done.append(Downloaded(folder / file.path, found, checked, fresh))
        lock[file.path] = {"sha256": done[-1].sha256, "url": file.url, "commit": file.commit}
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
        for entry in lock.values():
            entry["sha256"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PointVidError(f"{path} cannot be read, expected what `pointvid download` wrote; delete it") from error
    return lock


def _bring(file: RemoteFile, folder: Path, known: str | None, update: bool, progress: Progress) -> tuple[str, bool]:
    """Have one file, of SHA-256 `known` where it is, in its place. Returns its SHA-256, and whether it was fetched."""
    path = folder / file.path
    if known and file.sha256 and known != file.sha256:
        raise _changed(file)
    if path.is_file() and (file.sha256 or file.git_sha1 or not update):
        digest = _digest(path, progress)
        if _is_right(digest, file, known):
            if known and file.git_sha1 not in (None, digest.git_sha1):
                raise _changed(file)
            return digest.sha256, False
    partial = _partial(path, file)
    _fetch(file, partial, progress)
    digest = _digest(partial, progress)
    if not _is_right(digest, file, known):
        partial.unlink()
        raise PointVidError(
            f"{file.path}: what arrived has sha256 {digest.sha256[:12]}..., expected {_expected(file, known)}; "
            "it was deleted, try again" + (", or say --update to take what the server has" if known else "")
        )
    with _writing(path):
        partial.replace(path)
    return digest.sha256, True


def _changed(file: RemoteFile) -> PointVidError:
    now = (file.sha256 or file.git_sha1)[:12]
    return PointVidError(
        f"{file.path}: the server has another file than the one that is known, now of hash {now}...; "
        "say --update to take it"
    )


@dataclass(frozen=True)
class _Digest:
    sha256: str
    git_sha1: str


def _digest(path: Path, progress: Progress) -> _Digest:
    """Both hashes of a file."""
    size, done = path.stat().st_size, 0
    sha256, git = hashlib.sha256(), hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            sha256.update(block)
            git.update(block)
            done += len(block)
            progress(done, size, f"checking {path.name}")
    return _Digest(sha256.hexdigest(), git.hexdigest())


def _is_right(found: _Digest, file: RemoteFile, known: str | None) -> bool:
    if known or file.sha256:
        return found.sha256 == (known or file.sha256)
    return file.git_sha1 is None or found.git_sha1 == file.git_sha1


def _expected(file: RemoteFile, known: str | None) -> str:
    if known or file.sha256:
        return f"{(known or file.sha256)[:12]}..."
    return f"the git hash {file.git_sha1[:12]}..."


def _partial(path: Path, file: RemoteFile) -> Path:
    """Where a file grows. Its name holds what it will be, so that parts of two versions never meet."""
    version = (file.sha256 or file.git_sha1 or "unknown")[:12]
    return path.with_name(f".{path.name}.{version}.part")


def _fetch(file: RemoteFile, partial: Path, progress: Progress) -> None:
    """Download to `partial`, from where it ends; a cut connection is taken up again a few times."""
    with _writing(partial):
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
        if file.size is not None and partial.stat().st_size > file.size:
            partial.write_bytes(b"")
    for attempt in range(_TRIES):
        try:
            if _append(file, partial, progress):
                return
            reason = "the connection was cut"
        except NETWORK as error:
            if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                raise no_answer(file.url, error) from error
            reason = str(getattr(error, "reason", "") or error or type(error).__name__)
        if attempt + 1 < _TRIES:
            time.sleep(_PAUSE * 2**attempt)
    have, size = partial.stat().st_size, f" of {file.size}" if file.size else ""
    raise PointVidError(f"{file.path}: {reason} after {have}{size} bytes; run the same command again to go on")


def _append(file: RemoteFile, partial: Path, progress: Progress) -> bool:
    """One request; whether the file is whole after it."""
    have = partial.stat().st_size
    if file.size is not None and have == file.size:
        return True
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        response = open_url(file.url, headers)[0]
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        with _writing(partial):
            partial.write_bytes(b"")  # more than the server has: it is of something else
        return False
    with response:
        if have and response.status != 206:
            have = 0  # the server sends the whole again
        with _writing(partial), partial.open("r+b") as out:
            out.truncate(have)
            out.seek(have)
            while block := read_block(response, _CHUNK):
                out.write(block)
                have += len(block)
                progress(have, file.size or have, f"downloading {Path(file.path).name}")
        expected = response.headers.get("Content-Length")
    if file.size is not None:
        return have == file.size
    return expected is None or response.length in (None, 0)


def _require_room(folder: Path, remote: list[RemoteFile]) -> None:
    """Raise where the disk cannot hold what is still missing."""
    missing = 0
    for file in remote:
        if not (folder / file.path).is_file():
            partial = _partial(folder / file.path, file)
            missing += (file.size or 0) - (partial.stat().st_size if partial.is_file() else 0)
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    with suppress(OSError):
        free = shutil.disk_usage(place).free
        if free < missing:
            raise PointVidError(f"{folder} has {free / 1e9:.1f} GB free, expected {missing / 1e9:.1f} GB; make room")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Errors of the disk become one line; those of the network pass."""
    try:
        yield
    except (*NETWORK, PointVidError):
        raise
    except OSError as error:
        raise PointVidError(
            f"cannot write {path}: {error.strerror or error}; expected a writable folder with free space"
        ) from error
