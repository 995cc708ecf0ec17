"""One page of ComfyUI's frontend, driven through the frontend's own `app`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSIC, NODES_2 = "classic", "nodes2"

# What a stock ComfyUI logs as an error: files it looks for and may lack, and the model hub that tests do not reach.
HOST_NOISE = ("404", "ComfyApp graph accessed before initialization", "net::ERR_", "Content Security Policy")

READY = """() => window.app?.graph && window.app.extensionManager && !document.querySelector("#splash-loader")
  && window.LiteGraph?.registered_node_types?.PointVid_LoadTracks !== undefined"""

RUN = """async (seconds) => {
  const ended = new Promise((resolve) => {
    for (const kind of ["execution_success", "execution_error", "execution_interrupted"])
      app.api.addEventListener(kind, (event) => resolve([kind, event.detail?.exception_message ?? ""]), { once: true });
  });
  const late = new Promise((resolve) => setTimeout(resolve, seconds * 1000, ["timeout", ""]));
  if (!(await app.queuePrompt(0, 1))) return ["refused", JSON.stringify(app.lastNodeErrors ?? null)];
  return await Promise.race([ended, late]);
}"""

# Where a node is on the page, in CSS pixels: x, y, width, height, its title bar included.
BOX = """(type) => {
  const node = app.graph.nodes.find((node) => node.type === type);
  const { scale, offset } = app.canvas.ds, canvas = app.canvas.canvas.getBoundingClientRect();
  const title = LiteGraph.NODE_TITLE_HEIGHT;
  return [canvas.x + (node.pos[0] + offset[0]) * scale, canvas.y + (node.pos[1] - title + offset[1]) * scale,
          node.size[0] * scale, (node.size[1] + title) * scale];
}"""


class Frontend:
    """A loaded page in one of the two renderers.

    `page_errors` are its uncaught exceptions; `console_errors` what was logged as errors, less what a stock host logs.
    """

    def __init__(self, browser, url: str, renderer: str, size: tuple[int, int] = (1600, 1000), touch: bool = False):
        self.page = browser.new_page(viewport={"width": size[0], "height": size[1]}, has_touch=touch)
        self.page_errors: list[str] = []
        self.console_errors: list[str] = []
        self.page.on("pageerror", lambda error: self.page_errors.append(str(error)))
        self.page.on("console", self._heard)
        stats = self.page.request.get(f"{url}/system_stats").json()
        settings = {
            "Comfy.VueNodes.Enabled": renderer == NODES_2,
            "Comfy.TutorialCompleted": True,
            # A frontend that thinks it was just updated opens a dialogue.
            "Comfy.InstalledVersion": stats["system"].get("required_frontend_version", "1.0.0"),
        }
        self.page.request.post(f"{url}/api/settings", data=settings)
        self.page.goto(url, wait_until="domcontentloaded")
        self.page.wait_for_function(READY, timeout=60_000)
        self.page.wait_for_timeout(1000)

    def _heard(self, message) -> None:
        if message.type == "error" and not any(noise in message.text for noise in HOST_NOISE):
            self.console_errors.append(message.text)

    def registered_types(self) -> set[str]:
        """Every node type the frontend knows."""
        return set(self.page.evaluate("() => Object.keys(LiteGraph.registered_node_types)"))

    def open(self, workflow: dict) -> None:
        """Load a UI-format workflow and bring all of it into view."""
        self.page.evaluate("async (workflow) => { await app.loadGraphData(workflow, true, true, null) }", workflow)
        self.page.wait_for_timeout(500)
        self.page.evaluate("() => app.extensionManager.command.execute('Comfy.Canvas.FitView')")
        self.page.wait_for_timeout(700)

    def run(self, seconds: float = 240) -> tuple[str, str]:
        """Press Run; how it ended, and the error's text."""
        kind, message = self.page.evaluate(RUN, seconds)
        return kind, message

    def picture(self, path: Path, node_type: str | None = None) -> np.ndarray:
        """A screenshot, uint8 [H, W, 3], also written to `path`; cut to one node where a type is given."""
        self.page.screenshot(path=path)
        image = Image.open(path).convert("RGB")
        if node_type is not None:
            left, top, width, height = self.page.evaluate(BOX, node_type)
            image = image.crop((round(left), round(top), round(left + width), round(top + height)))
            image.save(path)
        return np.asarray(image)

    def close(self) -> None:
        """Close the page."""
        self.page.close()
