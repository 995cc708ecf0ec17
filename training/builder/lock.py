"""One builder a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from pointvid.errors import PointVidError

LOCK = ".building"


def lock_folder(folder: Path) -> IO[bytes]:
    """Hold `folder` as long as the file that is given back is open; the system lets go of it when the process ends.

    Raises:
        PointVidError: another process holds it.
    """
    file = (folder / LOCK).open("ab")
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held = True
    except OSError:
        held = os.name == "nt"  # elsewhere: a file system without locks
    else:
        held = False
    if held:
        file.close()
        raise PointVidError(f"{folder} is being built by another process, expected one at a time; wait for it to end")
    return file
