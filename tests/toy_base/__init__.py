"""Where the toy base lies, and how a test puts it beside the real ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

LIBRARY, HOST = (Path(__file__).resolve().parent / name for name in ("library", "host"))
LINE = {"toy-dit": ".toy:ToyBase"}


@contextmanager
def registered(bases: ModuleType, folder: Path) -> Iterator[None]:
    """The folder's modules count as modules of the package of bases; its registry has the toy's line."""
    bases.__path__.append(str(folder))
    bases.BASES.update(LINE)
    yield
    bases.__path__.remove(str(folder))
    for name in LINE:
        del bases.BASES[name]
