"""Environments of the suites' own, so that their old pins never meet the user's packages.

A folder is a virtual environment; `versions.json` in it, written last, lists what was installed and marks it as whole.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pointvid.errors import PointVidError
from pointvid.files.atomic import atomic_path

VERSIONS = "versions.json"


@dataclass(frozen=True)
class Environment:
    """What a suite needs. name: of its folder; python: version wanted, as "3.10"; requirements: of pip; probe: a
    module whose import shows that it works."""

    name: str
    python: str
    requirements: tuple[str, ...]
    probe: str


def build(environment: Environment, folder: Path, log: Path) -> Path:
    """Create the environment where it is not there yet, with uv if there is one, else with venv and pip.

    Args:
        folder: of the environment; log: everything the installer says.
    Returns:
        its Python.
    Raises:
        PointVidError: it cannot be built: which step failed, the installer's last words, and what else to do.
    """
    python = python_of(folder)
    if (folder / VERSIONS).is_file() and python.is_file():
        return python
    if folder.exists():
        shutil.rmtree(folder)
    uv = shutil.which("uv")
    if uv:
        steps = [
            ("create", [uv, "venv", "--python", environment.python, str(folder)]),
            ("install", [uv, "pip", "install", "--python", str(python), *environment.requirements]),
        ]
        freeze = [uv, "pip", "freeze", "--python", str(python)]
    else:
        steps = [
            ("create", [sys.executable, "-m", "venv", str(folder)]),
            ("install", [str(python), "-m", "pip", "install", *environment.requirements]),
        ]
        freeze = [str(python), "-m", "pip", "freeze"]
    if not environment.requirements:
        steps.pop()
    steps.append(("import", [str(python), "-c", f"import {environment.probe}"]))
    for name, command in steps:
        try:
            _run(command, log)
        except PointVidError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise PointVidError(
                f"suite {environment.name}: its environment cannot be built, step {name} failed: {error}; see {log}, "
                f"or make one yourself (Python {environment.python}: {' '.join(environment.requirements)}) and pass "
                f"--python {environment.name}=PATH_OF_ITS_PYTHON"
            ) from error
    versions = {"python": _said([str(python), "--version"]), "packages": _said(freeze).splitlines()}
    with atomic_path(folder / VERSIONS) as path:
        path.write_text(json.dumps(versions, indent=1), encoding="utf-8")
    return python


def python_of(folder: Path) -> Path:
    """The Python of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def versions(python: Path) -> dict:
    """What is installed beside a Python: what `build` recorded, or just its path for one that the user gave."""
    path = python.parent.parent / VERSIONS
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))
    return {"python": str(python)}


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
        defaults: environment variables, where the user has not set them.
    Raises:
        PointVidError: it failed; its last words.
    """
    try:
        _run([str(python), *arguments], log, cwd, defaults)
    except PointVidError as error:
        raise PointVidError(f"{what} failed: {error}; see {log}") from error


def _said(command: Sequence[str]) -> str:
    return subprocess.run(list(command), capture_output=True, text=True, check=False).stdout.strip()


def _run(command: Sequence[str], log: Path, cwd: Path | None = None, defaults: Mapping[str, str] | None = None) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    own = {key: value for key, value in os.environ.items() if key not in ("PYTHONHOME", "VIRTUAL_ENV")}
    environment = {**(defaults or {}), **own}
    try:
        with log.open("ab") as file:
            code = subprocess.run(
                list(command), stdout=file, stderr=subprocess.STDOUT, cwd=cwd, env=environment, check=False
            ).returncode
    except OSError as error:
        raise PointVidError(f"{command[0]} cannot be started ({error.strerror})") from error
    if code:
        text = log.read_text(encoding="utf-8", errors="replace")
        last = next((line.strip() for line in reversed(text.split("\n")) if line.strip()), f"exit code {code}")
        raise PointVidError(last[-300:])
