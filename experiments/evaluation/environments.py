"""Programs of the suites, in environments of their own that the user has made: their pins of 2023 meet no others."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pointvid.errors import PointVidError


def needed(suite: str, python: Path | None) -> Path:
    """The Python that the user gave for a suite.

    Raises:
        PointVidError: none was given: how to make one.
    """
    if python is None:
        listed = Path(__file__).with_name(f"{suite}.txt")
        raise PointVidError(
            f"suite {suite}: needs a Python 3.10 with libraries of its own; make one with `python3.10 -m venv ENV` and "
            f"`ENV/bin/pip install -r {listed}`, then pass --python {suite}=ENV/bin/python"
        )
    return python


def versions(python: Path) -> dict:
    """What scored: the version of a Python and the packages beside it."""
    packages = _said([str(python), "-m", "pip", "freeze"])
    return {"python": _said([str(python), "--version"]), "packages": packages.splitlines()}


def run_in(
    python: Path,
    arguments: Sequence[str],
    log: Path,
    what: str,
    cwd: Path | None = None,
    defaults: Mapping[str, str] | None = None,
) -> None:
    """Run a suite's program.

    Args:
        log: gets everything it says.
        defaults: environment variables, where the user has not set them.
    Raises:
        PointVidError: it failed; its last words.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    own = {key: value for key, value in os.environ.items() if key not in ("PYTHONHOME", "VIRTUAL_ENV")}
    environment = {**(defaults or {}), **own}
    try:
        with log.open("ab") as file:
            code = subprocess.run(
                [str(python), *arguments], stdout=file, stderr=subprocess.STDOUT, cwd=cwd, env=environment, check=False
            ).returncode
    except OSError as error:
        raise PointVidError(f"{what} failed: {python} cannot be started ({error.strerror})") from error
    if code:
        text = log.read_text(encoding="utf-8", errors="replace")
        last = next((line.strip() for line in reversed(text.split("\n")) if line.strip()), f"exit code {code}")
        raise PointVidError(f"{what} failed: {last[-300:]}; see {log}")


def _said(command: Sequence[str]) -> str:
    return subprocess.run(list(command), capture_output=True, text=True, check=False).stdout.strip()
