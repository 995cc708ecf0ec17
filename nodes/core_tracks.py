"""Bridges to core's TRACKS, the 2D tracks that Wan-Move and its relatives take."""

from __future__ import annotations

from comfy_api.latest import io

from . import types


class TracksToCore(io.ComfyNode):
    """POINT_TRACKS -> TRACKS."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_TracksToCore",
            display_name="Point Tracks to Core Tracks",
            category="PointVid/convert",
            description="Drops depth and hands the 2D tracks to core nodes that take TRACKS, such as Wan-Move.",
            search_aliases=["tracks", "wan move", "trajectory", "motion", "convert tracks"],
            inputs=[
                types.PointTracks.Input("tracks", tooltip="The 3D tracks to convert."),
                io.Int.Input(
                    "max_points",
                    default=0,
                    min=0,
                    max=100000,
                    tooltip="Keep at most this many tracks, spread over the image; 0 keeps all. Motion-guided models "
                    "are usually driven by tens to a few hundred.",
                ),
            ],
            outputs=[
                types.CoreTracks.Output(
                    display_name="tracks", tooltip="track_path (T, N, 2) in pixels, track_visibility (T, N)."
                )
            ],
        )

    @classmethod
    def execute(cls, tracks, max_points) -> io.NodeOutput:
        """Core's dict: `track_path` float32 (T, N, 2) pixel x, y and `track_visibility` bool (T, N)."""
        from ..pointvid.thin import spread_out

        if 0 < max_points < tracks.num_points:
            tracks = tracks.select(spread_out(tracks, max_points))
        return io.NodeOutput({"track_path": tracks.uvd[..., :2].clone(), "track_visibility": tracks.visible.clone()})
