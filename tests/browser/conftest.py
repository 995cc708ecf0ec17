"""A real ComfyUI server with this pack, and its frontend in headless Chromium."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.browser.frontend import CLASSIC, NODES_2, Frontend
from tests.conftest import missing

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 300


class Server:
    """ComfyUI on a free port with folders of its own; `log` holds what it printed."""

    def __init__(self, comfyui: Path, base: Path):
        self.base, self.log = base, base / "server.log"
        for folder in ("custom_nodes", "models", "input", "output", "temp", "user"):
            (base / folder).mkdir(parents=True)
        install(base / "custom_nodes" / "ComfyUI-PointVid")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        # The cache keeps everything: what one renderer has run, the other is shown without computing it again.
        flags = "--cpu --disable-api-nodes --disable-auto-launch --cache-lru 100 --listen 127.0.0.1"
        folders = ("--base-directory", base, "--database-url", f"sqlite:///{base}/user/comfyui.db")
        command = (sys.executable, "main.py", *flags.split(), "--port", port, *folders)
        # Tests that rendered in this process have chosen its OpenGL; the server chooses its own.
        environment = {key: value for key, value in os.environ.items() if key != "PYOPENGL_PLATFORM"}
        with self.log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command], cwd=comfyui, stdout=log, stderr=subprocess.STDOUT, env=environment
            )
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def get(self, path: str) -> object:
        """JSON from the server."""
        return json.loads(self.read(path))

    def read(self, path: str) -> bytes:
        """Whatever the server has at `path`."""
        with urllib.request.urlopen(self.url + path, timeout=10) as response:
            return response.read()

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(urllib.error.URLError, OSError):
                self.get("/system_stats")
                return
            time.sleep(0.2)
        pytest.fail("ComfyUI did not start:\n" + self.log.read_text(encoding="utf-8")[-3000:])


def install(place: Path) -> None:
    """Put the pack where the host looks for packs: a link, or a copy where links need rights (Windows)."""
    try:
        place.symlink_to(ROOT, target_is_directory=True)
    except OSError:
        shutil.copytree(ROOT, place, ignore=shutil.ignore_patterns(".*", "tests", "runs", "out"))


@pytest.fixture(scope="session")
def server(comfyui: Path, tmp_path_factory: pytest.TempPathFactory):
    server = Server(comfyui, tmp_path_factory.mktemp("server") / "base")
    yield server
    server.close()


@pytest.fixture(scope="session")
def chromium():
    """Chromium with WebGL in software, so that viewers draw without a graphics card."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    playwright.expect.set_options(timeout=60_000)  # that of a busy machine
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "chrome")
    path = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if path is None:
        missing("no Chromium on PATH (set CHROMIUM)")
    flags = [
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        "--ignore-gpu-blocklist",
        "--disable-dev-shm-usage",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory) -> Path:
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module", params=[CLASSIC, NODES_2])
def frontend(request, chromium, server):
    """A page of the frontend, in each of its renderers."""
    frontend = Frontend(chromium, server.url, request.param)
    frontend.renderer = request.param
    yield frontend
    frontend.close()
