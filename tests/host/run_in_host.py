"""A real ComfyUI without its server: loads core and this pack in this process, then runs graphs sent line by line.

ComfyUI keeps its arguments and registries process-wide, so tests start this file as a process of its own (host.py does)
and speak JSON with it: first a report on loading comes out, then for each API-format graph on stdin one result.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import TextIO

CORE_NODES = (
    "nodes_mask",
    "nodes_images",
    "nodes_video",
    "nodes_load_3d",
    "nodes_preview_any",
    "nodes_wanmove",
    "nodes_moge",
    "nodes_depth_anything_3",
    "nodes_sam3",
    "nodes_wan",
    "nodes_custom_sampler",
    "nodes_model_advanced",
    "nodes_model_merging",
    "nodes_model_downscale",
    "nodes_pag",
    "nodes_sag",
    "nodes_freelunch",
    "nodes_tomesd",
    "nodes_hypertile",
)


class Events:
    """Stands where the executor expects the server, and where the host hooks its progress bar."""

    client_id = "tests"
    last_node_id = None
    last_prompt_id = None

    def __init__(self) -> None:
        self.sockets_metadata: dict = {}
        self.progress = 0
        self.cancel_at: int | None = None
        self.errors: list[dict] = []
        self.only_validate = False

    def send_sync(self, event: str, data: object, sid: str | None = None) -> None:
        """The host reports here. The executor keeps most messages itself, but not the errors of blocked outputs."""
        if event == "execution_error":
            self.errors.append(data)

    def progress_hook(self, value, total, preview, prompt_id=None, node_id=None) -> None:
        """Count, and press the host's cancel button where a test asks for it."""
        import comfy.model_management

        self.progress += 1
        if self.progress == self.cancel_at:
            comfy.model_management.interrupt_current_processing()
        comfy.model_management.throw_exception_if_processing_interrupted()


def point_host_at(comfyui: Path, base: Path, flags: list[str]) -> None:
    """Make the checkout importable and move its folders to `base`, before anything of it is imported."""
    import torch

    flags = flags if torch.cuda.is_available() else ["--cpu", *flags]
    sys.path.insert(0, str(comfyui))
    sys.argv = ["main.py", "--base-directory", str(base), "--database-url", "sqlite:///:memory:", *flags]
    for name in ("input", "output", "temp", "custom_nodes", "models"):
        (base / name).mkdir(parents=True, exist_ok=True)
    import comfy.options
    import utils.install_util  # noqa: F401 (as main.py does, before the host puts comfy/ and its utils.py first)

    comfy.options.enable_args_parsing()


def probe_node():
    """A test's eye inside the graph: writes what arrives to output/NAME.pt and its kind to the result."""
    import folder_paths
    import torch
    from comfy_api.latest import io

    class Probe(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema(
                node_id="Probe",
                inputs=[io.AnyType.Input("value"), io.String.Input("name")],
                is_output_node=True,
            )

        @classmethod
        def execute(cls, value, name):
            plain = value
            if hasattr(value, "__dataclass_fields__"):
                plain = {field: getattr(value, field) for field in value.__dataclass_fields__}
                if "camera" in plain:
                    plain["camera"] = plain["camera"].intrinsics
            elif hasattr(value, "get_bytes"):
                plain = {"format": value.format, "bytes": value.get_bytes()}
            torch.save(plain, Path(folder_paths.get_output_directory(), f"{name}.pt"))
            return io.NodeOutput(ui={"kind": [type(value).__name__]})

    return Probe


def add_toy_base(pack: Path) -> None:
    """Put tests/toy_base beside the real bases of the loaded pack: into its library, and into its host halves."""
    sys.path.append(str(pack / "tests"))
    from toy_base import HOST, LIBRARY, LINE

    package = str(pack).replace(".", "_x_")  # what the host calls it
    bases = importlib.import_module(f"{package}.pointvid.diffusion.bases")
    bases.__path__.append(str(LIBRARY))
    bases.BASES.update(LINE)
    importlib.import_module(f"{package}.nodes.native.bases").__path__.append(str(HOST))


async def load(comfyui: Path, pack: Path) -> dict:
    """Load core's nodes, then the pack; tell what the pack added."""
    import nodes

    await nodes.init_public_apis()
    for name in CORE_NODES:
        if not (comfyui / "comfy_extras" / f"{name}.py").exists():  # an older host
            continue
        if not await nodes.load_custom_node(str(comfyui / "comfy_extras" / f"{name}.py"), module_parent="comfy_extras"):
            raise RuntimeError(f"core's {name} does not load")
    known, modules = set(nodes.NODE_CLASS_MAPPINGS), set(sys.modules)
    started = time.perf_counter()
    loaded = await nodes.load_custom_node(str(pack), module_parent="custom_nodes")
    import_ms = (time.perf_counter() - started) * 1000
    mine = {name: node for name, node in nodes.NODE_CLASS_MAPPINGS.items() if name not in known}
    nodes.NODE_CLASS_MAPPINGS["Probe"] = probe_node()
    return {
        "loaded": loaded,
        "import_ms": import_ms,
        "new_modules": sorted(set(sys.modules) - modules),
        "nodes": {name: describe(node) for name, node in mine.items()},
    }


def describe(node) -> dict:
    """What /object_info would say of the node, after the host's own check of its schema."""
    if not hasattr(node, "GET_SCHEMA"):  # one of core's older nodes
        return {
            "input": node.INPUT_TYPES(),
            "output": list(node.RETURN_TYPES),
            "output_node": getattr(node, "OUTPUT_NODE", False),
        }
    node.GET_SCHEMA().validate()
    return node.GET_NODE_INFO_V1()


async def run(executor, events: Events, prompt_id: str, graph: dict) -> dict:
    """Validate and execute one graph as the server would."""
    import execution

    valid, error, outputs, node_errors = await execution.validate_prompt(prompt_id, graph, None)
    if not valid:
        return {"ok": False, "invalid": {"error": error, "nodes": node_errors}}
    if events.only_validate:
        return {"ok": True, "outputs": sorted(outputs)}
    started = time.perf_counter()
    await executor.execute_async(graph, prompt_id, {"client_id": events.client_id}, outputs)
    happened = dict(executor.status_messages)
    failure = events.errors[0] if events.errors else {}
    return {
        "ok": executor.success,
        "outputs": executor.history_result["outputs"] if executor.success else {},
        "error": failure.get("exception_message", "").strip(),
        "error_type": failure.get("exception_type"),
        "failed_node": failure.get("node_type"),
        "interrupted": "execution_interrupted" in happened,
        "cached": happened.get("execution_cached", {}).get("nodes", []),
        "progress_events": events.progress,
        "seconds": time.perf_counter() - started,
    }


async def serve(options: argparse.Namespace, answers: TextIO) -> None:
    """Report on loading, then answer graphs until stdin closes."""
    import comfy.utils
    import execution
    from comfy.cli_args import args

    import nodes

    def answer(message: dict) -> None:
        answers.write(json.dumps(message, default=str) + "\n")
        answers.flush()

    answer(await load(options.comfyui, options.pack))
    if options.toy:
        add_toy_base(options.pack)
    events = Events()
    comfy.utils.set_progress_bar_global_hook(events.progress_hook)
    cache = {"lru": 0, "ram": 0, "ram_inactive": 0}
    executor = execution.PromptExecutor(events, cache_type=execution.CacheType.CLASSIC, cache_args=cache)
    for number, line in enumerate(sys.stdin):
        request = json.loads(line)
        if "describe" in request:
            answer({name: describe(nodes.NODE_CLASS_MAPPINGS[name]) for name in request["describe"]})
            continue
        events.progress, events.cancel_at, events.errors = 0, request.get("cancel_at"), []
        events.only_validate = request.get("only_validate", False)
        args.disable_metadata = request.get("disable_metadata", False)
        answer(await run(executor, events, str(number), request["graph"]))


def main() -> None:
    """Keep stdout for answers; whatever the host prints goes to stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comfyui", type=Path, required=True)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--toy", action="store_true", help="with the base of tests/toy_base")
    options, flags = parser.parse_known_args()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    point_host_at(options.comfyui, options.base, flags)
    asyncio.run(serve(options, answers))


if __name__ == "__main__":
    main()
