"""Members of a tar, each known to lie within the file before it is read."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

from .readable import readable

EXPECTED = "a tar as PointVid or WebDataset writes it, whole and not compressed"


def tar_members(path: Path, what: str) -> Iterator[tarfile.TarInfo]:
    """The plain files in an uncompressed tar, in order.

    Sparse members are refused, they claim any size in a few bytes; links are passed over, what they point to may lie
    elsewhere.

    Args:
        what: how error messages call the file.
    Raises:
        PointVidError: damaged, cut short, no tar, or a member that claims to be larger than what is there.
    """
    with readable(what, EXPECTED):
        end = path.stat().st_size
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if member.issparse() or member.size < 0 or member.offset_data + member.size > end:
                    raise ValueError(f"member {member.name[:80]!r} claims {member.size} bytes of a file of {end}")
                if member.isfile():
                    yield member
        if not archive.offset:
            raise ValueError("it is empty")


def read_member(path: Path, member: tarfile.TarInfo, what: str) -> bytes:
    """The bytes of one of `tar_members`."""
    with readable(what, EXPECTED), path.open("rb") as file:
        file.seek(member.offset_data)
        return file.read(member.size)
