"""What loading the pack adds to the start of ComfyUI. `python -m benchmarks.core_import CHECKOUT` measures once."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .figure import Figure

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 3


def figures() -> list[Figure]:
    """Milliseconds and heavy modules that the pack adds, each start in a process of its own; [] without a host."""
    comfyui = Path(os.environ.get("COMFYUI_PATH") or Path.home() / "comfy" / "ComfyUI")
    if not (comfyui / "main.py").is_file():
        print(f"no ComfyUI at {comfyui} (set COMFYUI_PATH): import time not measured")
        return []
    starts = [_start(comfyui) for _ in range(REPEATS + 1)][1:]  # the first compiles to bytecode
    added = statistics.median(start["ms"] for start in starts)
    nodes, heavy = starts[0]["nodes"], starts[0]["heavy"]
    context = f"{nodes} nodes, median of {REPEATS} starts; ComfyUI and its own nodes loaded before"
    return [
        Figure.at_most("import.added_to_host", added, "ms", 100, context),
        Figure.at_most("import.heavy_modules", len(heavy), "modules", 0, ", ".join(heavy) or "beyond the host's own"),
    ]


def _start(comfyui: Path) -> dict:
    command = [sys.executable, "-m", "benchmarks.core_import", str(comfyui)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise RuntimeError(f"ComfyUI does not start:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


async def _measure(comfyui: Path, base: str) -> dict:
    import torch

    sys.path.insert(0, str(comfyui))
    sys.argv = ["main.py", "--base-directory", base, *([] if torch.cuda.is_available() else ["--cpu"])]
    import comfy.options

    comfy.options.enable_args_parsing()
    import nodes

    await nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False)
    modules, known = set(sys.modules), len(nodes.NODE_CLASS_MAPPINGS)
    started = time.perf_counter()
    if not await nodes.load_custom_node(str(ROOT)):
        raise RuntimeError("the pack does not load")
    elapsed = time.perf_counter() - started
    new = {name.split(".")[0] for name in set(sys.modules) - modules}
    return {
        "ms": elapsed * 1000,
        "nodes": len(nodes.NODE_CLASS_MAPPINGS) - known,
        "heavy": sorted(new & {"av", "diffusers", "mujoco", "scipy", "torch", "torchvision", "transformers"}),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for name in ("input", "output", "temp", "custom_nodes"):
            Path(folder, name).mkdir()
        print(json.dumps(asyncio.run(_measure(Path(sys.argv[1]).resolve(), folder))))
