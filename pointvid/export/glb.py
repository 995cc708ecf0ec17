"""GLB: the moving point cloud as one binary glTF 2.0 file that plays in viewers, Blender and ComfyUI's Preview 3D.

A flip-book: one node with a POINTS mesh a frame, switched by a STEP animation of the nodes' scale between 0 and 1.
Morph targets would be smaller, but cannot let points appear and vanish, and viewers add up their bounds.
"""

from __future__ import annotations

import json
import math
import os
import struct

import numpy as np

from ..files.atomic import atomic_path
from ..progress import Progress, silent
from ..render.colors import track_colors
from ..tracks import PointTracks
from .scene import frame_name, linear_colors, shown, world_points

FLOAT, UINT16 = 5126, 5123
ARRAY_BUFFER = 34962
POINTS = 0


class _Binary:
    """The GLB's one buffer, with the views and accessors that describe it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict] = []
        self.accessors: list[dict] = []

    def add(self, array: np.ndarray, kind: str, component: int, *, vertex: bool, **extra: object) -> int:
        """Append a little-endian array [count, width]; returns its accessor's index."""
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": array.nbytes}
        if vertex:
            view["target"] = ARRAY_BUFFER
        self.data += array.tobytes()
        self.views.append(view)
        accessor = {"bufferView": len(self.views) - 1, "componentType": component, "count": len(array), "type": kind}
        self.accessors.append({**accessor, **extra})
        return len(self.accessors) - 1


def encode_glb(tracks: PointTracks, hidden: bool = False, progress: Progress = silent) -> bytes:
    """The moving point cloud as the bytes of a GLB file: y up, the camera at the origin looking along -z.

    Args:
        tracks: any tracks; one frame gives a still.
        hidden: also show points where they are hidden or off screen.
        progress: reports frames.
    """
    points, visible = world_points(tracks), shown(tracks, hidden)
    linear = linear_colors(track_colors(tracks))
    # Linear light in 8 bits would band in the dark, so 16; alpha keeps every vertex aligned to 4 bytes.
    rgba = np.round(np.pad(linear, ((0, 0), (0, 1)), constant_values=1) * 65535).astype("<u2")
    binary = _Binary()
    nodes, meshes = [], []
    for frame in range(tracks.num_frames):
        node: dict = {"name": frame_name(frame)}
        seen = points[frame, visible[frame]].astype("<f4")
        if len(seen):  # an accessor of zero points is not valid glTF
            bounds = {"min": seen.min(0).tolist(), "max": seen.max(0).tolist()}
            attributes = {
                "POSITION": binary.add(seen, "VEC3", FLOAT, vertex=True, **bounds),
                "COLOR_0": binary.add(rgba[visible[frame]], "VEC4", UINT16, vertex=True, normalized=True),
            }
            node["mesh"] = len(meshes)
            meshes.append({"primitives": [{"attributes": attributes, "mode": POINTS, "material": 0}]})
        if frame:
            node["scale"] = [0.0, 0.0, 0.0]  # where nothing animates, frame 0 shows
        nodes.append(node)
        progress(frame + 1, tracks.num_frames, "writing GLB")
    document = {
        "asset": {"version": "2.0", "generator": "PointVid"},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": list(range(len(nodes) + 1))}],
        "nodes": [*nodes, {"name": "clip_camera", "camera": 0}],
        "cameras": [_camera(tracks)],
        "materials": [{"name": "points", "extensions": {"KHR_materials_unlit": {}}}],
    }
    if meshes:
        document["meshes"] = meshes
    if tracks.num_frames > 1:
        document["animations"] = [_flip_book(binary, tracks.num_frames, tracks.fps)]
    if binary.data:
        document["buffers"] = [{"byteLength": len(binary.data)}]
        document["bufferViews"], document["accessors"] = binary.views, binary.accessors
    return _pack(document, bytes(binary.data))


def write_glb(tracks: PointTracks, path: str | os.PathLike, hidden: bool = False, progress: Progress = silent) -> None:
    """Write `encode_glb` to a file."""
    data = encode_glb(tracks, hidden, progress)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def _flip_book(binary: _Binary, frames: int, fps: float) -> dict:
    # One key more than frames: it gives the last frame its time on screen.
    times = (np.arange(frames + 1) / fps).astype("<f4")[:, None]
    clock = binary.add(times, "SCALAR", FLOAT, vertex=False, min=[0.0], max=[float(times[-1, 0])])
    samplers, channels = [], []
    for frame in range(frames):
        on = np.zeros((frames + 1, 3), "<f4")
        on[frame] = 1
        on[frames] = on[frames - 1]
        output = binary.add(on, "VEC3", FLOAT, vertex=False)
        samplers.append({"input": clock, "output": output, "interpolation": "STEP"})
        channels.append({"sampler": frame, "target": {"node": frame, "path": "scale"}})
    return {"name": "tracks", "samplers": samplers, "channels": channels}


def _camera(tracks: PointTracks) -> dict:
    height, width = tracks.image_size
    fx, fy = tracks.camera.fx, tracks.camera.fy
    return {
        "name": "clip_camera",
        "type": "perspective",
        "perspective": {
            "yfov": 2 * math.atan(height / 2 / fy),
            "aspectRatio": (width / fx) / (height / fy),
            "znear": 0.01,
        },
    }


def _pack(document: dict, binary: bytes) -> bytes:
    text = json.dumps(document, separators=(",", ":")).encode("utf-8")
    chunks = [(b"JSON", text + b" " * (-len(text) % 4))]
    if binary:
        chunks.append((b"BIN\0", binary + b"\0" * (-len(binary) % 4)))
    body = b"".join(struct.pack("<I", len(data)) + kind + data for kind, data in chunks)
    return b"glTF" + struct.pack("<II", 2, 12 + len(body)) + body
