"""Bridges to core's TRACKS, the 2D tracks that Wan-Move and its relatives take."""

from __future__ import annotations

import logging

from . import types
from .host_api import io
from .inputs import depth_inputs, fps_input


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
        from ..pointvid.points.spread import spread_out

        if 0 < max_points < tracks.num_points:
            tracks = tracks.select(spread_out(tracks, max_points))
        return io.NodeOutput({"track_path": tracks.uvd[..., :2].clone(), "track_visibility": tracks.visible.clone()})


class TracksFromCore(io.ComfyNode):
    """TRACKS (+ depth) -> POINT_TRACKS."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_TracksFromCore",
            display_name="Core Tracks to Point Tracks",
            category="PointVid/convert",
            description="Brings the 2D TRACKS of other nodes into the 3D tools. With depth the points are lifted to "
            "3D, without it they lie flat.",
            search_aliases=["import tracks", "lift tracks", "2d to 3d", "wan move", "convert tracks"],
            inputs=[
                types.CoreTracks.Input("tracks", tooltip="2D tracks in pixels of the clip."),
                io.Image.Input("image", tooltip="The clip they belong to; gives the size and the colours."),
                *depth_inputs(),
                fps_input(),
            ],
            outputs=[types.PointTracks.Output(display_name="tracks", tooltip="The tracks, in pixels plus depth.")],
        )

    @classmethod
    def execute(
        cls,
        tracks,
        image,
        fps: float,
        depth=None,
        depth_mapping="disparity",
        depth_near=1.0,
        depth_far=10.0,
        depth_unit="relative",
        fov=0.0,
    ) -> io.NodeOutput:
        """Sample the depth under each visible point, and the colour where it starts."""
        from ..pointvid.camera import Camera
        from ..pointvid.trackers.lift import lift_tracks
        from ..pointvid.tracks import PointTracks, colors_at
        from .depth_input import depth_from_host
        from .images import ImageFrames

        video = ImageFrames(image)
        frames, height, width = video.shape[:3]
        uv, visible = _core_tracks(tracks, frames)
        third, notes = depth_from_host(
            depth, (frames, height, width), depth_mapping, depth_near, depth_far, depth_unit, fov
        )
        for note in notes:
            logging.getLogger(__name__).warning("Core Tracks to Point Tracks: %s", note)
        return io.NodeOutput(
            PointTracks(
                uvd=lift_tracks(uv, visible, third.maps),
                visible=visible,
                image_size=(height, width),
                camera=third.camera or Camera.default((height, width)),
                depth_unit=third.unit,
                fps=fps,
                color=colors_at(video[0], uv[0]),
            )
        )


def _core_tracks(tracks, frames: int):
    """Positions float32 [T, N, 2] and visibility bool [T, N] of core's dict, whose visibility may be [T, 1] or None.

    Raises:
        PointVidError: it is of another clip, or of no track.
    """
    from ..pointvid.errors import PointVidError

    uv = tracks["track_path"].float().cpu()
    if uv.ndim != 3 or uv.shape[-1] != 2 or not uv.shape[1]:
        raise PointVidError(f"tracks is {list(uv.shape)}, expected at least one track, [frames, tracks, 2]")
    if len(uv) != frames:
        raise PointVidError(f"tracks have {len(uv)} frames, image has {frames}; expected the clip that was tracked")
    visible = tracks.get("track_visibility")
    if visible is None:
        return uv, uv.isfinite().all(-1)
    visible = visible.bool().cpu()
    if visible.shape not in ((frames, 1), uv.shape[:2]):
        raise PointVidError(
            f"tracks say of {list(visible.shape)} whether they are visible, expected {list(uv.shape[:2])}"
        )
    return uv, visible.expand(uv.shape[:2]).clone()
