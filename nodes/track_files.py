"""Tracks on disk: the public tracks.npz, specified in docs/track-format.md."""

from __future__ import annotations

from . import types
from .host import existing_file, file_fingerprint, list_files, output_file
from .host_api import io
from .inputs import filename_prefix


class LoadTracks(io.ComfyNode):
    """tracks.npz -> POINT_TRACKS."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_LoadTracks",
            display_name="Load Point Tracks",
            category="PointVid/files",
            description="Reads a tracks.npz written by Save Point Tracks or by the pointvid command line.",
            search_aliases=["load tracks", "npz", "open tracks", "import tracks"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=list_files(".npz"),
                    tooltip="Files in input/, input/pointvid/ and output/. Press R to look again.",
                ),
            ],
            outputs=[types.PointTracks.Output(display_name="tracks", tooltip="The tracks, in pixels plus depth.")],
        )

    @classmethod
    def validate_inputs(cls, file: str) -> bool | str:
        """Any file below the host's folders will do, listed or not."""
        from ..pointvid.errors import PointVidError

        try:
            existing_file(file, "tracks file")
        except PointVidError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, file: str) -> str:
        """Run again when the file has changed."""
        return file_fingerprint(file)

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        """Read the file."""
        from ..pointvid.files.track_file import load_tracks

        return io.NodeOutput(load_tracks(existing_file(file, "tracks file")))


class SaveTracks(io.ComfyNode):
    """POINT_TRACKS -> tracks.npz in the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_SaveTracks",
            display_name="Save Point Tracks",
            category="PointVid/files",
            description="Writes tracks.npz, a documented numpy file: positions, visibility, camera, colours, fps.",
            search_aliases=["save tracks", "npz", "write tracks", "numpy"],
            inputs=[
                types.PointTracks.Input("tracks", tooltip="The tracks to write."),
                filename_prefix("pointvid/tracks"),
            ],
            outputs=[io.String.Output(display_name="path", tooltip="Where the file was written.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, tracks, filename_prefix: str) -> io.NodeOutput:
        """Write a new numbered file."""
        from ..pointvid.files.track_file import save_tracks

        path, saved = output_file(filename_prefix, ".npz")
        save_tracks(tracks, path)
        return io.NodeOutput(str(path), ui={"files": [saved]})
