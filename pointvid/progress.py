"""How long loops report, and how they are cancelled."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""`progress(done, total, what)`. The host's version raises to cancel, so loops call it often and never swallow it."""


def silent(done: int, total: int, what: str) -> None:
    """The default: report nothing."""
