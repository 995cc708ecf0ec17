"""Bridge to nodes that take 2D paths as a coordinate string: Wan-Move, ATI, spline editors."""

from __future__ import annotations

from . import types
from .host_api import io


class TracksToCoordinates(io.ComfyNode):
    """POINT_TRACKS -> STRING."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_TracksToCoordinates",
            display_name="Point Tracks to Coordinates",
            category="PointVid/convert",
            description="The 2D paths of a few well visible points as the coordinate JSON that Wan-Move, ATI and "
            "spline nodes take.",
            search_aliases=["ati", "wan move", "coordinates", "json", "spline", "trajectory string"],
            inputs=[
                types.PointTracks.Input("tracks", tooltip="The tracks; those seen longest are chosen."),
                io.Int.Input(
                    "max_points",
                    default=64,
                    min=1,
                    max=10000,
                    tooltip="At most this many paths, spread over the image.",
                ),
                io.Int.Input(
                    "num_frames",
                    default=0,
                    min=0,
                    max=10000,
                    tooltip="Length to stretch the motion to: 81 for Wan 2.1, 121 for ATI. 0 keeps the clip's.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=16384,
                    tooltip="Width of the video to be made, to scale the paths to. 0 keeps the clip's.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=16384,
                    tooltip="Height of the video to be made, to scale the paths to. 0 keeps the clip's.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="coordinates",
                    tooltip="JSON: a list of paths, each a list of points with x and y in pixels.",
                )
            ],
        )

    @classmethod
    def execute(cls, tracks, max_points: int, num_frames: int, width: int, height: int) -> io.NodeOutput:
        """Choose, stretch, scale, write."""
        from ..pointvid.export.coordinates import tracks_to_coordinate_json

        size = (height or tracks.image_size[0], width or tracks.image_size[1])
        return io.NodeOutput(tracks_to_coordinate_json(tracks, num_frames or None, max_points, size))
