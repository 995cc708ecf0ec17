"""Any ComfyUI workflow as a method: saved in API format, posted to a running server, its frames fetched back.

Placeholders, anywhere in the workflow's values:

    "%image%"    name of the uploaded first frame, as LoadImage takes it
    "%prompt%"   the prompt; also inside a longer text
    "%seed%"     the seed: a number where it stands alone

The clip is what the workflow's video node saved, or else its saved images in order.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pointvid.errors import PointVidError
from pointvid.files.pictures import read_picture
from pointvid.files.video import decode_mp4
from pointvid.files.web import NoAnswer, fetch

from .clips import MadeClip
from .inputs import Item

_VIDEO = (".mp4", ".webm", ".mkv", ".mov")
_POLL = 0.5
_ONE_ANSWER, _LARGEST_ANSWER = 600.0, 2 << 30  # seconds; bytes, of a clip


def read_workflow(path: Path) -> dict[str, Any]:
    """An API workflow: {node id: {"class_type", "inputs"}}.

    Raises:
        PointVidError: missing, not JSON, or saved in the canvas's format instead.
    """
    try:
        workflow = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PointVidError(f"workflow {path}: cannot be read ({error.strerror})") from error
    except json.JSONDecodeError as error:
        raise PointVidError(f"workflow {path}: is not JSON ({error})") from error
    if isinstance(workflow, dict) and "nodes" in workflow:
        raise PointVidError(f"workflow {path}: is a canvas, expected the API format: Workflow > Export (API)")
    nodes = workflow.values() if isinstance(workflow, dict) else []
    if not nodes or not all(isinstance(node, dict) and "class_type" in node for node in nodes):
        raise PointVidError(f"workflow {path}: holds no nodes with a class_type, expected ComfyUI's API format")
    if "%image%" not in json.dumps(workflow):
        raise PointVidError(f'workflow {path}: has no "%image%", expected it where a LoadImage node names its file')
    return workflow


def filled(value: Any, image: str, prompt: str, seed: int) -> Any:
    """A workflow's value with its placeholders replaced."""
    if isinstance(value, dict):
        return {key: filled(item, image, prompt, seed) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, image, prompt, seed) for item in value]
    if value == "%seed%":
        return seed
    if isinstance(value, str):
        return value.replace("%image%", image).replace("%seed%", str(seed)).replace("%prompt%", prompt)
    return value


class ComfyUI:
    """A workflow on a server.

    Args:
        workflow: from `read_workflow`; address: http://host:port; name: of the workflow, for the record.
        fps: where the workflow saves images, not a video.
        timeout: seconds to wait for one clip.
    """

    def __init__(self, workflow: dict[str, Any], address: str, name: str, fps: float = 8.0, timeout: float = 3600.0):
        self.workflow, self.address, self.name = workflow, address.rstrip("/"), name
        self.fps, self.timeout = fps, timeout

    @property
    def settings(self) -> dict[str, Any]:
        """See Method."""
        digest = hashlib.sha256(json.dumps(self.workflow, sort_keys=True).encode()).hexdigest()[:16]
        return {"kind": "comfyui", "workflow": self.name, "sha256": digest, "fps": self.fps}

    def generate(self, item: Item, seed: int) -> MadeClip:
        """See Method."""
        image = self._upload(item)
        prompt = filled(self.workflow, image, item.prompt, seed)
        answer = self._json("POST", "/prompt", json={"prompt": prompt})
        outputs = self._wait(str(answer.get("prompt_id")), item)
        files = list(_files(outputs))
        for file in files:
            if Path(file["filename"]).suffix.lower() in _VIDEO:
                clip = decode_mp4(self._view(file))
                return MadeClip(clip.frames, clip.fps)
        images = [file for file in files if Path(file["filename"]).suffix.lower() in (".png", ".jpg", ".webp")]
        if not images:
            raise PointVidError(
                f"workflow {self.name} saved no video and no images for {item.name}, expected a node that saves one"
            )
        frames = [read_picture(io.BytesIO(self._view(file)), file["filename"]) for file in images]
        return MadeClip(torch.from_numpy(np.stack(frames)), self.fps)

    def _upload(self, item: Item) -> str:
        content = item.image.read_bytes()
        # named by content: inputs of the same name in other lists do not meet
        name = f"{hashlib.sha256(content).hexdigest()[:12]}{item.image.suffix.lower()}"
        answer = self._json("POST", "/upload/image", files={"image": (name, content)}, data={"overwrite": "true"})
        return f"{answer['subfolder']}/{answer['name']}" if answer.get("subfolder") else answer.get("name", name)

    def _wait(self, prompt_id: str, item: Item) -> dict[str, Any]:
        until = time.monotonic() + self.timeout
        while time.monotonic() < until:
            entry = self._json("GET", f"/history/{prompt_id}").get(prompt_id)
            if entry:
                status = entry.get("status", {})
                if status.get("status_str") == "error":
                    raise PointVidError(f"workflow {self.name} failed for {item.name}: {_reason(status)}")
                if status.get("completed", True):
                    return entry.get("outputs", {})
            time.sleep(_POLL)
        raise PointVidError(f"workflow {self.name}: {item.name} took longer than {self.timeout:g} s, expected less")

    def _view(self, file: dict[str, str]) -> bytes:
        return self._call(
            "GET", "/view", params={name: file.get(name, "") for name in ("filename", "subfolder", "type")}
        )

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        data = self._call(method, path, **options)
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise PointVidError(f"{self.address} does not answer {path} as ComfyUI does; mend the address")
        return answer

    def _call(self, method: str, path: str, **options: Any) -> bytes:
        limits = {"timeout": _ONE_ANSWER, "limit": _LARGEST_ANSWER}
        try:
            status, data = fetch(method, self.address + path, **limits, **options)
        except NoAnswer as error:
            raise PointVidError(f"no ComfyUI at {self.address}: it {error}; start it, or mend the address") from error
        if status >= 400:
            words = " ".join(data[:2000].decode("utf-8", "replace").split())[:300]
            raise PointVidError(f"ComfyUI at {self.address} refused {path} ({status}): {words}")
        return data


def _files(outputs: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Every saved file of a history entry, nodes in their order; previews (type "temp") only where nothing is saved."""
    found = [
        file
        for node in outputs.values()
        for files in node.values()
        if isinstance(files, list)
        for file in files
        if isinstance(file, dict) and "filename" in file
    ]
    saved = [file for file in found if file.get("type") == "output"]
    yield from saved or found


def _reason(status: dict[str, Any]) -> str:
    for kind, details in status.get("messages", []):
        if kind == "execution_error":
            return f"{details.get('node_type')}: {' '.join(str(details.get('exception_message')).split())}"
    return "no reason given"
