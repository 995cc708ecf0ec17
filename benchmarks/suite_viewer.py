"""The point-cloud viewer in headless Chromium with software rendering: first picture, frame rate, weight, leaks."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from pointvid.export.html import viewer_folder, write_html
from pointvid.export.viewer_data import viewer_bytes

from .cube_clip import cube_clip
from .figure import Figure

POINTS, FRAMES = 35_000, 16
NODE_SIZE = {"width": 440, "height": 500}  # the widget in a freshly made node
CYCLES = 100
FLAGS = [
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-dev-shm-usage",
    "--enable-precise-memory-info",
]

# Builds a viewer, hands it the data and reads a pixel back, which waits until the picture is really drawn.
FIRST_PICTURE = """async () => {
  const { createViewer } = await import("pointvid/viewer.mjs");
  const data = pointvidViewer.clip.sets[0].samples.buffer;
  pointvidViewer.dispose();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const start = performance.now();
  globalThis.pointvidViewer = createViewer(document.getElementById("viewer"), {});
  pointvidViewer.load(data);
  pointvidViewer.draw();
  const { gl } = pointvidViewer.renderer;
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  return (performance.now() - start) / 1000;
}"""

FRAME_RATE = """async () => {
  pointvidViewer.act("set", ["autoplay", true]);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const [drawn, start] = [pointvidViewer.statistics.drawn, performance.now()];
  await new Promise((resolve) => setTimeout(resolve, 5000));
  return (pointvidViewer.statistics.drawn - drawn) / ((performance.now() - start) / 1000);
}"""

CYCLE = """async (cycles) => {
  const { createViewer } = await import("pointvid/viewer.mjs");
  const data = globalThis.kept ??= pointvidViewer.clip.sets[0].samples.buffer;
  let alive = 0;
  for (let i = 0; i < cycles; i++) {
    const place = document.body.appendChild(document.createElement("div"));
    place.style.cssText = "width: 300px; height: 300px";
    const viewer = createViewer(place, {});
    viewer.load(data);
    viewer.draw();
    const { gl } = viewer.renderer;
    await new Promise((resolve) => requestAnimationFrame(resolve));
    viewer.dispose();
    place.remove();
    if (!gl.isContextLost()) alive++;
  }
  return alive;
}"""


def run() -> list[Figure]:
    """Every figure of the suite."""
    tracks, video = cube_clip(POINTS, FRAMES)
    clip = f"{POINTS} points x {FRAMES} frames with RGB frames"
    weight = sum(path.stat().st_size for path in [*viewer_folder().glob("*.mjs"), *_extension()])
    size = len(viewer_bytes(tracks))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "view.html"
        write_html(tracks, path, video)
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome"),
            args=[*FLAGS, *(["--no-sandbox"] if root else [])],
        )
        page = browser.new_page(viewport=NODE_SIZE)
        page.goto(path.as_uri())
        page.wait_for_function("() => globalThis.pointvidViewer?.statistics.drawn > 0")
        first = min(page.evaluate(FIRST_PICTURE) for _ in range(3))
        rate = page.evaluate(FRAME_RATE)
        growth, alive = _open_and_close(page)
        browser.close()
    where = "headless Chromium, SwiftShader, 440 x 500"
    return [
        Figure.at_most("viewer.first_picture", first, "s", 1, f"{clip}: data in memory to pixels on screen; {where}"),
        Figure.at_least("viewer.frame_rate", rate, "frames/s", 30, f"{clip}, playing; {where}"),
        Figure.at_most("viewer.widget_weight", weight / 1e6, "MB", 1, "all scripts, uncompressed"),
        Figure.at_most(
            "viewer.bytes_per_sample", size / (POINTS * FRAMES), "bytes", 9, "whole file without RGB frames"
        ),
        Figure.at_most("viewer.heap_growth", growth, "%", 10, f"after {CYCLES} open/close cycles against after 10"),
        Figure.at_most("viewer.contexts_left", alive, "contexts", 0, f"WebGL contexts alive after {CYCLES} cycles"),
    ]


def _extension() -> list[Path]:
    """The script the host loads at start; an installed package has none."""
    return list(viewer_folder().parent.glob("pointvid.js"))


def _open_and_close(page: Page) -> tuple[float, int]:
    """Heap growth in percent and WebGL contexts still alive."""
    session = page.context.new_cdp_session(page)

    def heap() -> float:
        session.send("HeapProfiler.collectGarbage")
        page.wait_for_timeout(300)
        session.send("HeapProfiler.collectGarbage")
        return page.evaluate("() => performance.memory.usedJSHeapSize")

    alive = page.evaluate(CYCLE, 10)
    before = heap()
    alive += page.evaluate(CYCLE, CYCLES - 10)
    return (heap() / before - 1) * 100, alive
