"""Step: tracks into the files of other programs."""

from __future__ import annotations

from comfy_api.latest import io

from . import types
from .host import file_3d, host_progress, output_file
from .inputs import filename_prefix

SCENES = ("glb", "ply", "usda", "usdc", "usdz")
OTHERS = ("npz", "csv", "html")


class ExportTracks(io.ComfyNode):
    """POINT_TRACKS -> a file in the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_ExportTracks",
            display_name="Export Point Tracks",
            category="PointVid/files",
            description="Writes the moving points for Blender, Houdini, Nuke, Maya, a browser or a spreadsheet.",
            search_aliases=["glb", "gltf", "ply", "usd", "csv", "html", "blender", "houdini", "nuke", "save 3d"],
            inputs=[
                types.PointTracks.Input("tracks", tooltip="The tracks to export."),
                io.Combo.Input(
                    "format",
                    options=[*SCENES, *OTHERS],
                    default="glb",
                    tooltip="glb: animated points for viewers and Blender. ply: a folder with a point cloud a frame. "
                    "usda: USD as text (usdc, usdz: binary, need the package usd-core). npz: numpy, all of the tracks. "
                    "csv: one row a point and frame. html: a page with a 3D player that works offline.",
                ),
                filename_prefix("pointvid/export"),
                io.Boolean.Input(
                    "hidden_points",
                    default=False,
                    tooltip="Also show points in the frames where they are hidden. npz, csv and html always hold them.",
                ),
                io.Image.Input("image", optional=True, tooltip="The clip, shown beside the points in html."),
            ],
            outputs=[
                types.File3DAny.Output(
                    display_name="model_3d",
                    tooltip="The scene for 3D nodes; of ply its first frame. npz, csv and html are not scenes.",
                ),
                io.String.Output(display_name="path", tooltip="The file, or the folder of ply files."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, tracks, format: str, filename_prefix: str, hidden_points: bool, image=None) -> io.NodeOutput:
        """Write a new numbered file or folder."""
        from comfy_execution.graph_utils import ExecutionBlocker

        path, saved = output_file(filename_prefix, "" if format == "ply" else f".{format}")
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
        from ..pointvid.track_file import save_tracks

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
