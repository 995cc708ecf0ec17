"""Step: look at the moving points."""

from __future__ import annotations

import math

from . import types
from .host import compute_device, file_3d, host_progress, temp_file
from .host_api import io


class PointCloudPreview(io.ComfyNode):
    """POINT_TRACKS or POINT_MAP -> the node's own player, a 3D file for core's viewers, and a rendered IMAGE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_PointCloudPreview",
            display_name="Point-Cloud Preview",
            category="PointVid/view",
            description="Plays the points in 3D inside the node. Also gives a 3D file that plays in Preview 3D, and "
            "frames rendered with a slowly swinging camera, for saving as video.",
            search_aliases=["point cloud", "view tracks", "3d viewer", "preview tracks", "turntable"],
            inputs=[
                io.MultiType.Input(
                    "points",
                    types=[types.PointTracks, types.PointMap],
                    tooltip="Tracks, or a point map, of which the foreground pixels are shown.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The clip: shown beside the points, and gives a point map its colours.",
                ),
                types.PointTracks.Input(
                    "compare",
                    optional=True,
                    tooltip="A second set of tracks of the same clip to compare with, for example before smoothing.",
                ),
                io.Int.Input(
                    "max_points",
                    default=20000,
                    min=1,
                    max=200000,
                    optional=True,
                    tooltip="Show at most this many points, evenly picked.",
                ),
                io.Float.Input(
                    "swing",
                    default=28.0,
                    min=0.0,
                    max=180.0,
                    step=1.0,
                    optional=True,
                    tooltip="How far the camera of the rendered frames swings to each side, in degrees.",
                ),
                io.Float.Input(
                    "elevation",
                    default=14.0,
                    min=-89.0,
                    max=89.0,
                    step=1.0,
                    optional=True,
                    advanced=True,
                    tooltip="How high the camera of the rendered frames stands, in degrees above the clip's.",
                ),
                io.Float.Input(
                    "point_size",
                    default=1.0,
                    min=0.05,
                    max=10.0,
                    step=0.05,
                    optional=True,
                    advanced=True,
                    tooltip="Size of the points in the rendered frames; at 1 neighbours just touch.",
                ),
            ],
            outputs=[
                types.File3DGLB.Output(
                    display_name="model_3d", tooltip="Animated points: wire it to Preview 3D or a save node."
                ),
                io.Image.Output(display_name="image", tooltip="The points rendered frame by frame; needs no viewer."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls, points, image=None, compare=None, max_points=20000, swing=28.0, elevation=14.0, point_size=1.0
    ) -> io.NodeOutput:
        """Write the viewer's file and the 3D file to temp, render the frames."""
        from ..pointvid import render
        from ..pointvid.export.glb import write_glb
        from ..pointvid.export.viewer_data import write_viewer_file
        from ..pointvid.points.spread import spread_out
        from .images import ImageFrames, check_clip, to_image

        progress = host_progress()
        video = None if image is None else ImageFrames(image)
        tracks = as_tracks(points, video, max_points)
        check_clip(video, tracks.num_frames, "points")
        path, viewer = temp_file("tracks", ".pvt")
        # The viewer thins what it is given itself, and then says so.
        names = ("points", "compare")
        write_viewer_file(tracks, path, video, compare, names=names, max_points=max_points, progress=progress)
        if tracks.num_points > max_points:
            tracks = tracks.select(spread_out(tracks, max_points))
        model, _ = temp_file("tracks", ".glb")
        write_glb(tracks, model, progress=progress)
        frames = render.render_point_cloud(
            tracks.to(compute_device()),
            azimuth=render.swing(tracks.num_frames, swing),
            elevation=elevation,
            point_size=point_size,
            progress=progress,
        )
        return io.NodeOutput(file_3d(model), to_image(frames), ui={"pointvid": [viewer]})


def as_tracks(points, video, max_points: int):
    """The tracks given, or the foreground of a point map, every so many pixels so that about `max_points` remain."""
    from ..pointvid.point_map import PointMap

    if not isinstance(points, PointMap):
        return points
    stride = max(1, math.ceil(math.sqrt(int(points.mask.sum()) / max_points)))
    return points.to_tracks(None if video is None else video[0], stride)
