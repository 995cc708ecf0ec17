"""ComfyUI's way into this pack. Nothing is imported until the host asks for the nodes; `nodes/` holds them.

The host loads this folder under a name of its own, so every import below is relative.
"""

from __future__ import annotations

WEB_DIRECTORY = "./web"

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]


async def comfy_entrypoint():
    """The V3 entry point: returns the ComfyExtension that lists the nodes."""
    from .nodes.extension import PointVidExtension

    return PointVidExtension()
