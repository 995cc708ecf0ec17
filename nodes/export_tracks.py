"""Step: tracks into the files of other programs."""

from __future__ import annotations

from comfy_api.latest import io

from . import types
from .host import file_3d, host_progress, output_file
from .inputs import filename_prefix

SCENES = ("glb", "ply", "usda", "usdc", "usdz")
OTHERS = ("npz", "csv", "html")
PROGRAMS = {"blender": "", "nuke": ".nk", "after_effects": ""}  # with what is added to the name; "" is a folder


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
                    options=[*SCENES, *OTHERS, *PROGRAMS],
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
                types.File3DAny.Output(
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

        path, saved = output_file(filename_prefix, "" if format == "ply" else PROGRAMS.get(format, f".{format}"))
        if format in PROGRAMS:
            size = (height or tracks.image_size[0], width or tracks.image_size[1])
            write_for_program(tracks, path, format, hidden_points, max_tracks, size, first_frame)
        else:
            write(tracks, path, format, hidden_points, image)
        if format not in SCENES:
            scene = ExecutionBlocker(f"Export Point Tracks: {format} is not a 3D scene, choose {', '.join(SCENES)}")
            return io.NodeOutput(scene, str(path), ui={"files": [saved]})
        scene = path
        if format == "ply":
            scene = path / "frame_0000.ply"
            saved |= {"filename": scene.name, "subfolder": f"{saved['subfolder']}/{path.name}".strip("/")}
        return io.NodeOutput(file_3d(scene), str(path), ui={"3d": [saved]})


def write(tracks, path, format: str, hidden: bool, image=None) -> None:
    """Call the writer of a format."""
    progress = host_progress()
    if format == "glb":
        from ..pointvid.export.glb import write_glb

        write_glb(tracks, path, hidden, progress)
    elif format == "ply":
        from ..pointvid.export.ply import write_ply_sequence

        write_ply_sequence(tracks, path, hidden, progress)
    elif format == "npz":
        from ..pointvid.files.track_file import save_tracks

        save_tracks(tracks, path)
    elif format == "csv":
        from ..pointvid.export.csv import write_csv

        write_csv(tracks, path, progress)
    elif format == "html":
        from ..pointvid.export.html import write_html
        from .images import ImageFrames

        write_html(tracks, path, None if image is None else ImageFrames(image), progress=progress)
    else:
        from ..pointvid.export.usd import write_usd

        write_usd(tracks, path, hidden=hidden, progress=progress)


def write_for_program(tracks, path, format: str, hidden: bool, max_tracks: int, size: tuple, first_frame: int) -> None:
    """Call the writer of what one program alone reads."""
    if format == "blender":
        from ..pointvid.export.blender import write_blender

        write_blender(tracks, path, hidden)
    elif format == "nuke":
        from ..pointvid.export.nuke import write_nuke

        write_nuke(tracks, path, max_tracks, size, first_frame)
    else:
        from ..pointvid.export.after_effects import write_after_effects

        write_after_effects(tracks, path, max_tracks, size)
