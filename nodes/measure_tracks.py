"""Step: figures of the points, and of how well they and the video agree."""

from __future__ import annotations

from comfy_api.latest import ui

from . import types
from .host import host_progress
from .host_api import io

VALUES = {
    "rigidity": ("rigidity_relative", "How much distances between neighbouring points change, in %. 0: rigid."),
    "shape_change": ("shape_change", "How much each object changes its shape, in %. An object grown by a tenth: 10."),
    "jitter": ("jitter", "How far the points lie beside smooth paths, in metres (metric depth) or units of depth."),
    "motion": ("motion", "How far the points get, in pixels. A still clip: 0. Read the others beside this one."),
    "agreement": ("agreement", "Colour constancy along the tracks, 0 to 1. Not a number without image."),
    "retracking": (
        "retracking",
        "Distance to where the clip's pixels really go, in pixels. Not a number without image.",
    ),
    "distance": ("recon_px", "Mean distance from the reference, in pixels. Not a number without reference."),
}
"""Name of an output -> the metric it carries, and its tooltip."""


class MeasureTracks(io.ComfyNode):
    """POINT_TRACKS or POINT_MAP, its clip, a reference -> report, curves, figures."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        kinds = [types.PointTracks, types.PointMap]
        return io.Schema(
            node_id="PointVid_MeasureTracks",
            display_name="Measure Point Tracks",
            category="PointVid/view",
            description="Says in numbers and curves how rigid, smooth and constant in shape the points are, how much "
            "they move, whether they and the clip tell the same story, and how far they are from a reference.",
            search_aliases=["metrics", "evaluate", "rigidity", "temporal consistency", "morphing", "tapvid", "score"],
            inputs=[
                io.MultiType.Input("points", types=kinds, tooltip="Tracks, or a point map, generated or tracked."),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The clip of the points: adds colour agreement and re-tracking. Must have as many frames.",
                ),
                io.MultiType.Input(
                    "reference",
                    types=kinds,
                    optional=True,
                    tooltip="Tracks or a point map of the same clip to compare with, for example the ground truth.",
                ),
                io.Boolean.Input(
                    "retrack",
                    default=True,
                    optional=True,
                    tooltip="Follow the clip's pixels anew and compare, which takes the longest. Says little about "
                    "tracks of the lucas_kanade tracker: it is the same one.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="report", tooltip="All figures as a table: wire it to Preview as Text."),
                io.Image.Output(display_name="plot", tooltip="The course of every figure over the frames."),
                io.String.Output(display_name="json", tooltip="Everything, with the courses, as JSON."),
                *(io.Float.Output(display_name=name, tooltip=tooltip) for name, (_, tooltip) in VALUES.items()),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, points, image=None, reference=None, retrack=True) -> io.NodeOutput:
        """Measure on the CPU, in double precision."""
        from ..pointvid.metrics import measure
        from ..pointvid.metrics.page import curves, report_json
        from ..pointvid.report.chart import picture
        from .images import ImageFrames, to_image

        video = None if image is None else ImageFrames(image)
        found = measure(points, video, reference, retrack=retrack, name="points", progress=host_progress())
        reports = [found]
        if reference is not None:
            reports.append(measure(reference, name="reference"))
        plot = to_image(picture(curves(reports), [report.name for report in reports])[None])
        return io.NodeOutput(
            "\n".join(report.text() for report in reports),
            plot,
            report_json([found]),
            *(found.value(metric) for metric, _ in VALUES.values()),
            ui=ui.PreviewImage(plot, cls=cls),
        )
