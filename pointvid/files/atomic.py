"""Nothing is half-written: files and folders appear whole under their final name, or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from platform import node

from ..errors import PointVidError

_STALE = 24 * 3600.0
"""Seconds after which a part is taken for left over, where its process cannot be asked for."""

# What libraries that have errors of their own say of a disk: safetensors a number, torch only where it noticed.
_NUMBER = re.compile(r"\bOs \{ code: (\d+)|\(os error (\d+)\)")
_TORCH = re.compile(r"PytorchStreamWriter|inline_container|unexpected pos \d+")
_PART = re.compile(r"\..*\.([0-9a-f]{8})-([0-9a-f]{1,8})-[0-9a-f]{6}\.part", re.DOTALL)
_OLD_PART = re.compile(r"\..*\.[0-9a-f]{8}\.part(\.\w+)?", re.DOTALL)  # as versions up to 0.2 named them


@contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Errors of the disk, in whatever library's words, become one line.

    Raises:
        PointVidError: the folder of `path` cannot be created or written, or the disk is full.
    """
    try:
        yield
    except Exception as error:
        reason = disk_reason(error)
        if reason is None:
            raise
        raise PointVidError(
            f"cannot write {path}: {reason}; expected a writable folder with free space, choose another one"
        ) from error


def disk_reason(error: Exception) -> str | None:
    """What the disk or the name of a file is to blame for, in a few words; None for other errors."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if found := _NUMBER.search(str(error)):
        return os.strerror(int(found[1] or found[2]))
    if isinstance(error, RuntimeError) and _TORCH.search(str(error)):
        return os.strerror(errno.ENOSPC)
    if type(error) is ValueError and "null" in str(error):
        return "its name holds a null character"
    return None


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary file's path to write to; on success flush it to disk and rename it to `path`.

    The temporary file has the name of `path` (libraries choose formats by it) in a hidden folder of its own beside it,
    so that nothing is left where a library makes temporary files itself. If the block raises, it is removed and
    whatever stood at `path` before stays untouched. The file gets the permissions that any new file gets there,
    whatever wrote it: safetensors leaves its files to their owner alone.

    Raises:
        PointVidError: the folder cannot be created or written, or the disk is full.
    """
    path = Path(path)
    with writing(path), _part(path.parent, path.name) as part:
        temporary = part / path.name
        temporary.touch()
        mode = temporary.stat().st_mode
        temporary.unlink()
        yield temporary
        _flush(temporary)
        temporary.chmod(mode)
        temporary.replace(path)


@contextmanager
def atomic_folder(path: str | os.PathLike, own: str = "") -> Iterator[Path]:
    """Yield a temporary folder to write into; on success it becomes the folder `path`.

    An older folder is replaced as a whole where all that lies in it is of an earlier writing. Where something else lies
    there too, that stays, and at the end each new entry takes the place of an old one.

    Args:
        own: regular expression of the names that are written into `path`, now or earlier.
    Raises:
        PointVidError: nothing can be written there, or the disk is full.
    """
    path = Path(os.path.realpath(path))
    with writing(path):
        whole = not path.exists() or (
            all(re.fullmatch(own, entry.name) for entry in path.iterdir())
            and not os.path.ismount(path)
            and os.access(path.parent, os.W_OK)
            and not Path.cwd().is_relative_to(path)
        )
        with _part(path.parent if whole else path, path.name) as part:
            new, old = part / "new", part / "old"
            new.mkdir()
            try:
                yield new
            except PointVidError as error:  # of a file inside, whose place is to be
                raise type(error)(str(error).replace(str(new), str(path))) from error
            for file in new.rglob("*"):
                if file.is_file():
                    _flush(file)
            if whole:
                if path.exists():
                    path.rename(old)
                new.rename(path)
                return
            old.mkdir()
            for entry in list(path.iterdir()):
                if re.fullmatch(own, entry.name):
                    entry.rename(old / entry.name)
            for entry in list(new.iterdir()):
                entry.rename(path / entry.name)


@contextmanager
def _part(folder: Path, name: str) -> Iterator[Path]:
    """A hidden folder in `folder`, gone afterwards, whose name tells which process it is of."""
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder.absolute())
    part = folder / f".{name[:40]}.{_host()}-{os.getpid():x}-{secrets.token_hex(3)}.part"
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


@cache
def _sweep(folder: Path) -> None:
    """Remove what runs that were killed while they wrote into `folder` have left; once a process."""
    with suppress(OSError):
        for entry in folder.iterdir():
            found = _PART.fullmatch(entry.name)
            if found and entry.is_dir() and not entry.is_symlink() and not _in_use(entry, found[1], int(found[2], 16)):
                shutil.rmtree(entry, ignore_errors=True)
            elif _OLD_PART.fullmatch(entry.name) and entry.is_file() and time.time() - entry.stat().st_mtime > _STALE:
                entry.unlink()


def _in_use(part: Path, host: str, process: int) -> bool:
    """Whether the process that made a part may still be writing it."""
    if host == _host() and os.name == "posix":
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        except (OSError, OverflowError):
            pass  # another user's
    newest = max(entry.stat().st_mtime for entry in (part, *part.rglob("*")))
    return time.time() - newest < _STALE


def _host() -> str:
    return f"{zlib.crc32(node().encode()):08x}"


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
