"""Finds the real ComfyUI and turns a missing one into a visible skip, or a failure under REQUIRE_HOST=1."""

from __future__ import annotations

import importlib.metadata
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does, before torch is loaded

ROOT = Path(__file__).resolve().parent.parent
os.environ["POINTVID_MODELS"] = str(
    ROOT / "tests" / "no_models"
)  # what this machine has downloaded is no test's matter


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run tests marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow") or "slow" in (config.getoption("markexpr") or ""):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


def missing(what: str) -> None:
    """Skip visibly, or fail when the caller promised that the host is there."""
    if os.environ.get("REQUIRE_HOST") == "1":
        pytest.fail(f"REQUIRE_HOST=1, but {what}")
    pytest.skip(what)


@pytest.fixture(scope="session")
def comfyui() -> Path:
    """The ComfyUI checkout named by COMFYUI_PATH, else the one where comfy-cli puts it."""
    path = Path(os.environ.get("COMFYUI_PATH") or Path.home() / "comfy" / "ComfyUI")
    if not (path / "main.py").is_file():
        missing(f"no ComfyUI checkout at {path} (set COMFYUI_PATH)")
    requirements = path / "requirements.txt"
    if absent := not_installed(requirements.read_text(encoding="utf-8")):
        missing(f"this Python lacks {', '.join(absent)} of ComfyUI's; pip install -r {requirements}")
    return path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch):
    """A model hub in this process, `tests/model_hub.py`."""
    from .model_hub import running

    yield from running(monkeypatch)


def not_installed(requirements: str) -> list[str]:
    """The packages without which the host does not start: those named above its "non essential" ones."""
    absent = []
    for name in re.findall(r"^[\w.-]+", requirements.split("#non essential")[0], re.MULTILINE):
        try:
            importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            absent.append(name)
    return absent


def eventually(check: Callable[[], object], seconds: float = 60) -> None:
    """Return once `check` gives something true; a busy machine takes longer than an idle one, but not for ever."""
    until = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < until, f"not so within {seconds:g} s"
        time.sleep(0.05)
