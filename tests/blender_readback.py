"""Run by a real Blender's Python: runs an exported script, then prints as JSON what Blender shows in every frame."""

import json
import runpy
import sys
import tempfile
from pathlib import Path

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector


def rendered(scene):
    """The first frame as Cycles draws it, sRGB bytes [H, W, 3], the first row on top."""
    scene.frame_set(scene.frame_start)
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 64, False
    scene.view_settings.view_transform = "Standard"
    with tempfile.TemporaryDirectory() as folder:
        scene.render.filepath = str(Path(folder, "frame.png"))
        bpy.ops.render.render(write_still=True)
        picture = bpy.data.images.load(scene.render.filepath)
        width, height = picture.size
        pixels = np.reshape(picture.pixels[:], (height, width, 4))
    return (pixels[::-1, :, :3] * 255).round().tolist()


def cloud(depsgraph):
    """The evaluated point cloud's attributes."""
    for instance in depsgraph.object_instances:
        if instance.object.type == "POINTCLOUD":
            attributes = instance.object.data.attributes
            count = len(attributes["position"].data)
            found = {}
            for name, field, size in (
                ("position", "vector", 3),
                ("track", "value", 1),
                ("Col", "color_srgb", 4),
                ("radius", "value", 1),
            ):
                values = np.zeros(count * size, np.int32 if name == "track" else np.float32)
                attributes[name].data.foreach_get(field, values)
                found[name] = values.reshape(count, size).tolist()
            return found
    return {"position": [], "track": [], "Col": [], "radius": []}


bpy.ops.wm.read_factory_settings(use_empty=True)
runpy.run_path(sys.argv[1], run_name="__main__")
scene = bpy.context.scene
frames = []
for frame in range(scene.frame_start, scene.frame_end + 1):
    scene.frame_set(frame)
    shown = cloud(bpy.context.evaluated_depsgraph_get())
    places = [world_to_camera_view(scene, scene.camera, Vector(place)) for place in shown["position"]]
    shown["view"] = [list(place) for place in places]
    frames.append(shown)
scene.frame_set(scene.frame_start, subframe=0.5)
between = cloud(bpy.context.evaluated_depsgraph_get())
render = scene.render
answer = {"frames": frames, "between": between, "fps": render.fps / render.fps_base, "rendered": rendered(scene)}
sys.stdout.write(f"\n{json.dumps(answer)}\n")
