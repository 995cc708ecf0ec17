"""Step: tracks into the files of other programs."""

from __future__ import annotations

from . import types
from .host import file_3d, host_progress, output_file
from .host_api import io
from .inputs import filename_prefix

# The library's list without json, which has a node of its own; written out, as loading the pack reads no library.
FORMATS = ("glb", "ply", "usda", "usdc", "usdz", "npz", "csv", "html", "blender", "nuke", "after_effects")


class ExportTracks(io.ComfyNode):
    """POINT_TRACKS -> a file in the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_ExportTracks",
            display_name="Export Point Tracks",
            category="PointVid/files",
            description="Writes the moving points for Blender, Houdini, Nuke, After Effects, Maya, a browser or a "
            "spreadsheet.",
            search_aliases=["glb", "gltf", "ply", "usd", "csv", "html", "blender", "nuke", "after effects", "save 3d"],
            inputs=[
                types.PointTracks.Input("tracks", tooltip="The tracks to export."),
                io.Combo.Input(
                    "format",
                    options=list(FORMATS),
                    default="glb",
                    tooltip="glb: animated points for viewers and Blender. ply: a folder with a point cloud a frame. "
                    "usda: USD as text (usdc, usdz: binary, need the package usd-core). npz: numpy, all of the tracks. "
                    "csv: one row a point and frame. html: an offline page with a 3D player. blender: a "
                    "folder with a script for Blender that adds points and camera. nuke: 2D tracks, a Tracker node. "
                    "after_effects: a folder with keyframe data of one 2D track a file, to paste onto layers.",
                ),
                filename_prefix("pointvid/export"),
                io.Boolean.Input(
                    "hidden_points",
                    default=False,
                    tooltip="Also show points in the frames where they are hidden. npz, csv, html, nuke and "
                    "after_effects always hold them.",
                ),
                io.Image.Input("image", optional=True, tooltip="The clip, shown beside the points in html."),
                io.Int.Input(
                    "max_tracks",
                    default=32,
                    min=1,
                    max=10000,
                    optional=True,
                    advanced=True,
                    tooltip="nuke, after_effects: at most this many tracks, those seen longest, spread over the image.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=16384,
                    optional=True,
                    advanced=True,
                    tooltip="nuke, after_effects: width of the plate, to scale positions to. 0 keeps the clip's.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=16384,
                    optional=True,
                    advanced=True,
                    tooltip="nuke, after_effects: height of the plate, to scale positions to. 0 keeps the clip's.",
                ),
                io.Int.Input(
                    "first_frame",
                    default=1,
                    min=0,
                    max=1000000,
                    optional=True,
                    advanced=True,
                    tooltip="nuke: number of the clip's first frame there, 1001 in many studios.",
                ),
            ],
            outputs=[
                types.File3DScene.Output(
                    display_name="model_3d",
                    tooltip="The scene for 3D nodes; of ply its first frame. Formats from npz on are not scenes.",
                ),
                io.String.Output(
                    display_name="path", tooltip="The file, or the folder of ply, blender and after_effects."
                ),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        tracks,
        format: str,
        filename_prefix: str,
        hidden_points: bool,
        image=None,
        max_tracks: int = 32,
        width: int = 0,
        height: int = 0,
        first_frame: int = 1,
    ) -> io.NodeOutput:
        """Write a new numbered file or folder."""
        from comfy_execution.graph_utils import ExecutionBlocker

        from ..pointvid.export.registry import FORMATS, format_named
        from .images import ImageFrames, check_clip

        video = None if image is None else ImageFrames(image)
        if format == "html":
            check_clip(video, tracks.num_frames, "tracks")
        chosen = format_named(format)
        path, saved = output_file(filename_prefix, chosen.suffix)
        chosen.write(
            tracks,
            path,
            hidden=hidden_points,
            video=video,
            points=max_tracks,
            size=(height or tracks.image_size[0], width or tracks.image_size[1]),
            first_frame=first_frame,
            progress=host_progress(),
        )
        if not chosen.scene:
            scenes = ", ".join(entry.name for entry in FORMATS if entry.scene)
            blocked = ExecutionBlocker(f"Export Point Tracks: {format} is not a 3D scene, choose {scenes}")
            return io.NodeOutput(blocked, str(path), ui={"files": [saved]})
        scene = path
        if format == "ply":
            scene = path / "frame_0000.ply"
            saved |= {"filename": scene.name, "subfolder": f"{saved['subfolder']}/{path.name}".strip("/")}
        return io.NodeOutput(file_3d(scene), str(path), ui={"3d": [saved]})
