"""Step: from a clip to 3D tracks, the whole of the paper's Appendix A."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import types
from .host import compute_device, host_progress
from .host_api import io
from .inputs import depth_inputs, fps_input

if TYPE_CHECKING:
    from ..pointvid.errors import PointVidError


class TrackingPreprocessor(io.ComfyNode):
    """IMAGE (+ MASK, + depth) -> POINT_TRACKS, POINT_MAP, overlay IMAGE, MASK, report."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_TrackingPreprocessor",
            display_name="Track Points in 3D",
            category="PointVid/tracks",
            description="Follows points of the first frame through the clip, in 3D where depth is given. Needs no "
            "model files; uses AllTracker where its weights are there. Without a mask it finds what moves by itself.",
            search_aliases=[
                "tracking preprocessor",
                "point tracking",
                "3d tracking",
                "track video",
                "trajectory",
                "cotracker",
                "spatracker",
                "alltracker",
                "optical flow",
            ],
            inputs=[
                io.Image.Input(
                    "image", tooltip="The clip, at least 2 frames. 16 frames of 448x256 is the paper's size."
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="What to track, in the first frame. A mask of another size is resized; the masks of a "
                    "batch are objects with ids of their own. Without it the moving foreground is found by itself.",
                ),
                *depth_inputs(),
                fps_input(),
                io.Combo.Input(
                    "tracker",
                    options=["auto", "lucas_kanade"],
                    default="auto",
                    tooltip="lucas_kanade: part of this pack (Apache-2.0), needs no weights, runs on CPU and GPU. "
                    "auto: AllTracker (MIT) where its weights lie in models/pointvid_trackers (`python -m "
                    "pointvid download alltracker` in the pack's folder), else lucas_kanade. Others come from Load "
                    "Point Tracker.",
                ),
                io.Int.Input(
                    "grid_size",
                    default=80,
                    min=2,
                    max=400,
                    tooltip="Points are started on a grid of this many rows and columns. The paper uses 80.",
                ),
                io.Int.Input(
                    "random_points",
                    default=1600,
                    min=0,
                    max=100000,
                    tooltip="Points started at random beside the grid; inside the mask where one is given.",
                ),
                io.Boolean.Input(
                    "track_everything",
                    default=False,
                    tooltip="Track the whole image, not only the foreground.",
                ),
                io.Boolean.Input(
                    "smooth",
                    default=True,
                    tooltip="Remove jitter from the tracks, as the paper does. Off leaves it to Smooth Point Tracks.",
                ),
                io.Combo.Input(
                    "interpolation",
                    options=["displacement", "absolute"],
                    default="displacement",
                    optional=True,
                    advanced=True,
                    tooltip="How pixels between tracks get their trajectory in the point map. absolute is the literal "
                    "reading of the paper, off by some pixels.",
                ),
                io.Int.Input(
                    "trail",
                    default=8,
                    min=0,
                    max=1000,
                    optional=True,
                    advanced=True,
                    tooltip="Length of the trails in the overlay, in frames.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFF,
                    control_after_generate=False,
                    optional=True,
                    advanced=True,
                    tooltip="Where the random points fall.",
                ),
                types.PointTracker.Input(
                    "point_tracker",
                    optional=True,
                    tooltip="From Load Point Tracker; goes before the tracker chosen by name.",
                ),
                io.Combo.Input(
                    "queries",
                    options=["auto", "grid", "dense", "paper"],
                    default="auto",
                    optional=True,
                    advanced=True,
                    tooltip="Which points are followed. grid: grid_size and random_points. dense: every pixel. paper: "
                    "its preset for SpaTracker, at most 800 points of a grid in the mask. auto: dense with AllTracker, "
                    "which computes all of them anyway, else grid.",
                ),
                types.ObjectSegmenter.Input(
                    "segmenter",
                    optional=True,
                    tooltip="From Load Object Segmenter: finds the labels in the first frame and tracks them. A mask "
                    "goes before it.",
                ),
                io.String.Input(
                    "labels",
                    default="",
                    optional=True,
                    tooltip="What the segmenter looks for, separated by commas: man, baseball bat.",
                ),
                types.DepthModel.Input(
                    "depth_model",
                    optional=True,
                    tooltip="From Load Depth Model: estimates the depth here, where none is connected to depth.",
                ),
            ],
            outputs=[
                types.PointTracks.Output(display_name="tracks", tooltip="The sparse 3D tracks."),
                types.PointMap.Output(
                    display_name="point_map", tooltip="A trajectory for every foreground pixel of the first frame."
                ),
                io.Image.Output(display_name="overlay", tooltip="The clip with the tracks drawn over it."),
                io.Mask.Output(display_name="mask", tooltip="The foreground of the first frame that was used."),
                io.String.Output(
                    display_name="report", tooltip="How many points, how long they last, how they jitter."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image,
        fps: float,
        tracker: str,
        grid_size: int,
        random_points: int,
        track_everything: bool,
        smooth: bool,
        mask=None,
        depth=None,
        depth_mapping="disparity",
        depth_near=1.0,
        depth_far=10.0,
        depth_unit="relative",
        fov=0.0,
        interpolation="displacement",
        trail=8,
        seed=0,
        point_tracker=None,
        queries="auto",
        segmenter=None,
        labels="",
        depth_model=None,
    ) -> io.NodeOutput:
        """Track on the host's device; everything that leaves the node is on the CPU."""
        from ..pointvid.errors import PointVidError
        from ..pointvid.labels import split_labels
        from ..pointvid.preprocess import Footage, Gates, Preprocessor, PreprocessSettings, TrackSettings
        from ..pointvid.preprocess.report import FLAT, report_rows, track_report
        from ..pointvid.render import draw_tracks
        from .depth_input import depth_from_host, flicker_line
        from .hosted_tracker import automatic_tracker
        from .images import ImageFrames, to_image
        from .masks import mask_from_host

        progress = host_progress()
        video = ImageFrames(image, compute_device())
        if video.shape[0] < 2:
            raise PointVidError("image has 1 frame, expected at least 2: one frame has no motion to track")
        if point_tracker is None:
            point_tracker = automatic_tracker() if tracker == "auto" else tracker
        marked = mask_from_host(mask, video.shape[1:3], video.shape[0])
        if marked.objects is not None and track_everything:
            raise PointVidError("mask is connected and track_everything is on; expected one of the two")
        if marked.objects is None and segmenter is None and labels.strip():
            raise PointVidError(
                f"labels is {labels!r} without a segmenter, connect Load Object Segmenter or clear labels"
            )
        third, notes = depth_from_host(depth, video.shape[:3], depth_mapping, depth_near, depth_far, depth_unit, fov)
        tracks = TrackSettings(grid_size, random_points, seed, smooth, interpolation=interpolation, queries=queries)
        settings = PreprocessSettings(tracks=tracks, gates=Gates.off(), need_caption=False)
        work = Preprocessor(settings, point_tracker, None, segmenter, depth_model)
        footage = Footage(
            video,
            fps,
            labels=tuple(split_labels(labels)),
            mask="everything" if track_everything else marked.objects,
            depth=third,
            unlabelled="labels is empty, expected what the segmenter is to look for, such as 'dog, red car'",
        )
        try:
            tracked = work.track(footage, progress)
        except PointVidError as error:
            raise _in_our_words(error) from error
        smoothed = work.smooth(tracked)
        retraced = work.retrace(tracked, smoothed, progress)
        overlay = draw_tracks(ImageFrames(image), smoothed, trail=trail, progress=progress)
        name = getattr(point_tracker, "name", point_tracker)
        report = track_report(tracked, smoothed, tracker=name, smoothed=smooth, retraced=retraced)
        lines = [f"{what}: {value}" for what, value in report_rows(report)]
        lines += [f"warning: {warning}" for warning in retraced.warnings()]
        if tracked.named is not None and tracked.named.notice:
            lines.append(f"segmenter: {tracked.named.notice}")
        lines += [*marked.notes, *notes]
        if depth is None:
            lines.append(f"depth {flicker_line(tracked.flicker)}" if depth_model is not None else f"note: {FLAT}")
        return io.NodeOutput(
            smoothed,
            work.fill(tracked, smoothed),
            to_image(overlay),
            tracked.mask[None].float(),
            "\n".join(lines),
        )


def _in_our_words(error: PointVidError) -> PointVidError:
    """What the library found amiss, with advice that names the inputs of this node."""
    from ..pointvid.errors import PointVidError
    from ..pointvid.trackers.foreground import NothingMoves
    from ..pointvid.trackers.pipeline import NothingToFollow

    advice = {
        NothingMoves: "connect a mask or a segmenter, or switch track_everything on",
        NothingToFollow: "raise grid_size or random_points, or choose queries dense",
    }
    cause = error if type(error) in advice else error.__cause__
    said = advice.get(type(cause))
    return error if said is None else PointVidError(f"{str(cause).partition(';')[0]}; {said}")
