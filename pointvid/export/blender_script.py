"""Shows PointVid's tracks in Blender 4.2 or newer: a moving point cloud, and the camera that saw it.

Open this file in Blender's Text editor and press Run, or start `blender --python import_tracks.py`. It reads
tracks.npz from its own folder and needs nothing but Blender. The saved .blend plays without this script.
"""

from math import pi
from pathlib import Path

import bpy
import numpy as np

DATA = "tracks.npz"
FIRST_FRAME = 1  # of the scene, where the clip begins
SHOW_HIDDEN = False  # points where they are hidden; the modifier has the same switch
SET_UP_SCENE = True  # let the scene take the clip's size, frame rate, length and camera
SENSOR_MM = 36.0
COLOR = "Col"  # not "color": Cycles reads black from a point cloud's attribute of that name


def main():
    """Add the points and their camera to the scene."""
    clip = read_clip(data_file())
    name = data_file().parent.name
    points = add_points(name, clip)
    camera = add_camera(name, clip)
    for thing in (points, camera):
        bpy.context.scene.collection.objects.link(thing)
    if SET_UP_SCENE:
        set_up_scene(clip, camera)


def data_file():
    """The track file beside this script, also when the script runs as a text of Blender's editor."""
    scripts = [text.filepath for text in bpy.data.texts if text.filepath]
    for script in [__file__, *map(bpy.path.abspath, scripts)]:
        path = Path(script).parent / DATA
        if path.is_file():
            return path
    raise FileNotFoundError(f"{DATA} is not beside this script; keep both in one folder")


def read_clip(path):
    """The track file's arrays, and `xyz` [T, N, 3] in Blender's axes: x right, y ahead of the camera, z up."""
    with np.load(path, allow_pickle=False) as file:
        if file["version"] != 1:
            raise ValueError(f"{path} has version {file['version']}, this script reads 1; export again")
        clip = {key: file[key] for key in file.files}
    u, v, depth = np.moveaxis(clip["uvd"].astype(np.float64), -1, 0)
    fx, fy, cx, cy = clip["intrinsics"]
    xyz = np.stack(((u - cx) / fx * depth, depth, -(v - cy) / fy * depth), -1)
    usable = np.isfinite(xyz).all(-1)
    clip["xyz"] = np.where(usable[..., None], xyz, 0).astype(np.float32)
    clip["visible"] &= usable
    return clip


def add_points(name, clip):
    """One mesh vertex a track; a shape key a frame moves them, a modifier draws those that are visible."""
    frames, count, _ = clip["xyz"].shape
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(count)
    mesh.vertices.foreach_set("co", clip["xyz"][0].ravel())
    add_attribute(mesh, "track", "INT", "value", np.arange(count, dtype=np.int32))
    if "object_id" in clip:
        add_attribute(mesh, "object_id", "INT", "value", clip["object_id"])
    rgba = np.concatenate((clip["color"] / np.float32(255), np.ones((count, 1))), 1).astype(np.float32)
    add_attribute(mesh, COLOR, "BYTE_COLOR", "color_srgb", rgba.ravel())
    for frame in range(frames):
        add_attribute(mesh, f"visible_{frame}", "BOOLEAN", "value", clip["visible"][frame])
    mesh.materials.append(point_material(name))
    points = bpy.data.objects.new(name, mesh)
    if frames > 1:
        add_motion(points, clip["xyz"])
    seen = clip["xyz"][..., 1][clip["visible"]]
    radius = float(np.median(seen) if seen.size else 1) / clip["intrinsics"][0]  # a pixel, at the median depth
    points.modifiers.new("PointVid", "NODES").node_group = point_nodes(name, frames, radius, mesh.materials[0])
    return points


def add_attribute(mesh, name, kind, field, values):
    """A named value for every vertex."""
    mesh.attributes.new(name, kind, "POINT").data.foreach_set(field, values)


def add_motion(points, xyz):
    """Absolute shape keys, played by a driver: between frames points move in straight lines, as motion blur needs."""
    for frame, places in enumerate(xyz):
        key = points.shape_key_add(name=f"frame {frame}", from_mix=False)
        key.data.foreach_set("co", places.ravel())
        key.interpolation = "KEY_LINEAR"
    keys = points.data.shape_keys
    keys.use_relative = False
    first, last = keys.key_blocks[0].frame, keys.key_blocks[-1].frame
    step = (last - first) / (len(xyz) - 1)
    keys.driver_add("eval_time").driver.expression = f"{first:g} + {step:g} * (frame - {FIRST_FRAME})"


def point_material(name):
    """The clip's colours, not lit again."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    color = nodes.new("ShaderNodeAttribute")
    color.attribute_name = COLOR
    light = nodes.new("ShaderNodeEmission")
    links.new(color.outputs["Color"], light.inputs["Color"])
    links.new(light.outputs["Emission"], nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return material


def point_nodes(name, frames, radius, material):
    """Geometry nodes: keep the vertices whose `visible_<frame>` is set, and draw them as spheres."""
    group = bpy.data.node_groups.new(name, "GeometryNodeTree")
    add_socket = group.interface.new_socket
    add_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    add_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    add_socket("Radius", in_out="INPUT", socket_type="NodeSocketFloat").default_value = radius
    add_socket("Show Hidden", in_out="INPUT", socket_type="NodeSocketBool").default_value = SHOW_HIDDEN

    def node(kind, settings=(), **links):
        """A node with settings, its inputs (by name or position) linked to outputs."""
        made = group.nodes.new(f"{kind}")
        for key, value in dict(settings).items():
            setattr(made, key, value)
        for key, source in links.items():
            socket = made.inputs[int(key[1:]) if key[1:].isdigit() else key]
            if hasattr(source, "is_linked"):
                group.links.new(source, socket)
            else:
                socket.default_value = source
        return made

    given = node("NodeGroupInput").outputs
    scene = node("GeometryNodeInputSceneTime").outputs["Frame"]
    frame = node("ShaderNodeMath", {"operation": "SUBTRACT"}, _0=scene, _1=FIRST_FRAME).outputs[0]
    frame = node("ShaderNodeMath", {"operation": "MAXIMUM"}, _0=frame, _1=0).outputs[0]
    frame = node("ShaderNodeMath", {"operation": "MINIMUM"}, _0=frame, _1=frames - 1).outputs[0]
    number = node("FunctionNodeValueToString", _0=frame).outputs[0]
    attribute = node("FunctionNodeReplaceString", String="visible_#", Find="#", Replace=number).outputs[0]
    visible = node("GeometryNodeInputNamedAttribute", {"data_type": "BOOLEAN"}, Name=attribute).outputs["Attribute"]
    shown = node("FunctionNodeBooleanMath", {"operation": "OR"}, _0=visible, _1=given["Show Hidden"]).outputs[0]
    kept = node("GeometryNodeSeparateGeometry", Geometry=given["Geometry"], Selection=shown).outputs["Selection"]
    cloud = node("GeometryNodeMeshToPoints", Mesh=kept, Radius=given["Radius"]).outputs[0]
    colored = node("GeometryNodeSetMaterial", Geometry=cloud, Material=material).outputs[0]
    node("NodeGroupOutput", Geometry=colored)
    return group


def add_camera(name, clip):
    """The clip's pinhole camera at the origin, looking along y."""
    height, width = (int(size) for size in clip["image_size"])
    fx, fy, cx, cy = clip["intrinsics"]
    camera = bpy.data.cameras.new(name)
    camera.sensor_fit = "HORIZONTAL"
    camera.sensor_width = SENSOR_MM
    camera.lens = fx / width * SENSOR_MM
    camera.shift_x = (width / 2 - (cx + 0.5)) / width
    camera.shift_y = ((cy + 0.5) - height / 2) / width * (fx / fy)
    depth = clip["xyz"][..., 1][clip["visible"]]
    if depth.size:
        camera.clip_start, camera.clip_end = max(1e-4, 0.1 * float(depth.min())), 10 * float(depth.max())
    thing = bpy.data.objects.new(f"{name} camera", camera)
    thing.rotation_euler = (pi / 2, 0, 0)
    return thing


def set_up_scene(clip, camera):
    """Size, pixel shape, frame rate, length and camera of the clip."""
    scene, render = bpy.context.scene, bpy.context.scene.render
    render.resolution_y, render.resolution_x = (int(size) for size in clip["image_size"])
    render.resolution_percentage = 100
    fx, fy = clip["intrinsics"][:2]
    render.pixel_aspect_x, render.pixel_aspect_y = max(1, fy / fx), max(1, fx / fy)
    render.fps = max(1, round(float(clip["fps"])))
    render.fps_base = render.fps / float(clip["fps"])
    scene.frame_start, scene.frame_end = FIRST_FRAME, FIRST_FRAME + len(clip["xyz"]) - 1
    scene.camera = camera
    scene.frame_set(FIRST_FRAME)


main()
