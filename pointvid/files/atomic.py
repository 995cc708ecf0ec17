"""Nothing is half-written: files appear whole under their final name, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import PointVidError


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary sibling of `path` to write to; on success flush it to disk and rename it to `path`.

    The temporary name keeps the suffix (libraries choose formats by it). If the block raises, the temporary file is
    removed and whatever stood at `path` before stays untouched. The file gets the permissions that any new file gets
    there, whatever wrote it: safetensors leaves its files to their owner alone.

    Raises:
        PointVidError: the folder cannot be created or written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        mode = temporary.stat().st_mode
        temporary.unlink()
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except OSError as error:
        raise PointVidError(
            f"cannot write {path}: {error.strerror or error}; "
            "expected a writable folder with free space, choose another one"
        ) from error
    finally:
        with suppress(OSError):  # where the folder cannot be made there is nothing to remove
            temporary.unlink(missing_ok=True)
