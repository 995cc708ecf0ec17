"""Step: from a clip to 3D tracks, the whole of the paper's Appendix A."""

from __future__ import annotations

from comfy_api.latest import io

from . import types
from .host import compute_device, host_progress
from .inputs import depth_inputs, fps_input


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
                    tooltip="What to track, in the first frame. Without it the moving foreground is found by itself.",
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
        from ..pointvid.points.densify import densify
        from ..pointvid.render import draw_tracks
        from ..pointvid.trackers.pipeline import track_clip
        from .depth_input import Depth, flicker_line, read_depth
        from .hosted_tracker import automatic_tracker
        from .images import ImageFrames, to_bool_mask, to_image

        progress = host_progress()
        video = ImageFrames(image, compute_device())
        clip = video.shape[:3]
        if clip[0] < 2:
            raise PointVidError("image has 1 frame, expected at least 2: one frame has no motion to track")
        if point_tracker is None:
            point_tracker = automatic_tracker() if tracker == "auto" else tracker
        third = read_depth(depth, clip, depth_mapping, depth_near, depth_far, depth_unit, fov)
        marked = to_bool_mask(mask, clip[1:])
        named = find_objects(video, segmenter, labels, progress) if marked is None else None
        notes = []
        if depth is None and depth_model is not None:
            estimate = depth_model.estimate(ImageFrames(image), progress, third.camera)
            third = Depth(estimate.maps, estimate.camera, estimate.unit)
            notes.append(f"depth {flicker_line(estimate)}")
        found = track_clip(
            video,
            marked if named is None else named.object_map.cpu(),
            third.maps,
            third.camera,
            third.unit,
            point_tracker,
            everything=track_everything,
            grid=grid_size,
            extra=random_points,
            queries=queries,
            smooth=smooth,
            seed=seed,
            fps=fps,
            progress=progress,
        )
        tracks, foreground = found.tracks.to("cpu"), found.mask.cpu()
        objects = None if found.object_map is None else found.object_map.cpu()
        overlay = draw_tracks(ImageFrames(image), tracks, trail=trail, progress=progress)
        return io.NodeOutput(
            tracks,
            densify(tracks, foreground, interpolation, object_map=objects),
            to_image(overlay),
            foreground[None].float(),
            "\n".join(
                (
                    report(found, getattr(point_tracker, "name", point_tracker), smooth, third.maps is not None, named),
                    *notes,
                )
            ),
        )


def find_objects(video, segmenter, labels: str, progress):
    """The labelled objects of the first frame; None where neither segmenter nor labels are given.

    Raises:
        PointVidError: one of the two without the other, or nothing found.
    """
    from ..pointvid.errors import PointVidError
    from ..pointvid.labels import split_labels

    if segmenter is None and not labels.strip():
        return None
    if segmenter is None:
        raise PointVidError(f"labels is {labels!r} without a segmenter, connect Load Object Segmenter or clear labels")
    return segmenter.segment(video[0], split_labels(labels), progress)


def report(found, tracker: str, smooth: bool, has_depth: bool, named=None) -> str:
    """How good the tracks are, in a few lines."""
    quality = found.quality
    jitter = f"{quality.jitter:.2f} px" + (f", {quality.jitter_smoothed:.2f} px after smoothing" if smooth else "")
    source = {"mask": "the given mask", "motion": "what moves", "everything": "the whole image"}[found.found_by]
    if named is not None:
        source = ", ".join(named.labels[:20]) + (" ..." if len(named) > 20 else "")
    return "\n".join(
        (
            f"{quality.points} points of {source}, {int(found.mask.sum())} pixels",
            f"tracker: {tracker}",
            f"visible: {quality.valid:.0%} of the time, {quality.survival:.0%} in the last frame",
            f"jitter: {jitter}",
            f"depth: {found.tracks.depth_unit if has_depth else 'none given, the points are flat'}",
            *([f"segmenter: {named.notice}"] if named is not None and named.notice else []),
        )
    )
