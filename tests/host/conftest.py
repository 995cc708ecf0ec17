"""One in-process host for all tests of this folder, and small words to build graphs with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


class Host:
    """A process running run_in_host.py."""

    def __init__(self, comfyui: Path, base: Path, *flags: str):
        self.base = base
        base.mkdir(parents=True, exist_ok=True)
        self._log = (base / "host.log").open("w", encoding="utf-8")
        script = Path(__file__).with_name("run_in_host.py")
        self._process = subprocess.Popen(
            [sys.executable, script, "--comfyui", comfyui, "--pack", ROOT, "--base", base, *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.report = self._answer()

    def run(self, graph: dict, **request: object) -> dict:
        """Execute an API-format graph: {id: {class_type, inputs}}.

        `cancel_at=n` presses cancel at the n-th progress report; `disable_metadata=True` is the host's flag;
        `only_validate=True` stops before anything runs.
        """
        return self._ask({"graph": graph, **request})

    def describe(self, names: set[str]) -> dict[str, dict]:
        """What /object_info says of these node types."""
        return self._ask({"describe": sorted(names)})

    def probed(self, name: str) -> object:
        """What the Probe node of that name saw."""
        return torch.load(self.base / "output" / f"{name}.pt", weights_only=False)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=120)
        self._log.close()

    def _ask(self, request: dict) -> dict:
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            pytest.fail("the host died:\n" + (self.base / "host.log").read_text(encoding="utf-8")[-3000:])
        return json.loads(line)


@pytest.fixture(scope="session")
def host(comfyui: Path, tmp_path_factory: pytest.TempPathFactory):
    """The pack inside the real ComfyUI, with folders of its own."""
    host = Host(comfyui, tmp_path_factory.mktemp("host"))
    yield host
    host.close()
