"""Step: from names to masks of the objects in the first frame."""

from __future__ import annotations

from . import types
from .host import compute_device, host_progress
from .host_api import io


class SegmentObjects(io.ComfyNode):
    """IMAGE + names -> MASK, a MASK of each object, overlay IMAGE, report."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_SegmentObjects",
            display_name="Segment Objects by Name",
            category="PointVid/tracks",
            description="Finds named objects in the first frame and makes a mask of each. Nothing found is an error "
            "that lists what was looked for.",
            search_aliases=["grounded sam 2", "text to mask", "segment anything", "object mask", "grounding dino"],
            inputs=[
                io.Image.Input("image", tooltip="The clip, or one image; the first frame counts."),
                types.ObjectSegmenter.Input("segmenter", tooltip="From Load Object Segmenter."),
                io.String.Input(
                    "labels",
                    default="",
                    tooltip="Names of objects, separated by commas: man, baseball bat. Caption to Labels makes them "
                    "of a caption.",
                ),
                io.Float.Input(
                    "box_threshold",
                    default=0.35,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Boxes with a lower score are dropped. Lower finds more, and more that is not there.",
                ),
                io.Float.Input(
                    "text_threshold",
                    default=0.25,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How well a name must fit its box.",
                ),
                io.Float.Input(
                    "overlap",
                    default=0.8,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    advanced=True,
                    tooltip="Of two boxes that share more than this, the better one is kept.",
                ),
                io.Int.Input(
                    "max_objects",
                    default=100,
                    min=1,
                    max=900,
                    optional=True,
                    advanced=True,
                    tooltip="The best by score are kept; the report says when there were more.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="mask", tooltip="All objects together, for Track Points in 3D."),
                io.Mask.Output(display_name="objects", tooltip="One mask an object, best score first."),
                io.Image.Output(display_name="overlay", tooltip="The frame with the objects drawn over it."),
                io.String.Output(display_name="report", tooltip="Names, scores and sizes of what was found."),
            ],
        )

    @classmethod
    def execute(
        cls, image, segmenter, labels, box_threshold, text_threshold, overlap=0.8, max_objects=100
    ) -> io.NodeOutput:
        """Look on the host's device; everything that leaves the node is on the CPU."""
        from ..pointvid.labels import split_labels
        from ..pointvid.render.objects import draw_objects
        from .images import ImageFrames, to_image

        frame = ImageFrames(image[:1], compute_device())[0]
        found = segmenter.segment(
            frame,
            split_labels(labels),
            host_progress(),
            box_threshold=box_threshold,
            text_threshold=text_threshold,
            overlap=overlap,
            most=max_objects,
        ).to("cpu")
        return io.NodeOutput(
            found.mask[None].float(),
            found.masks.float(),
            to_image(draw_objects(frame, found)[None]),
            describe_objects(found),
        )


def describe_objects(found) -> str:
    """What was found, a line an object."""
    pixels = found.masks.flatten(1).sum(1).tolist()
    lines = [
        f"{k + 1}: {label}, score {score:.2f}, {count} pixels"
        for k, (label, score, count) in enumerate(zip(found.labels, found.scores.tolist(), pixels))
    ]
    return "\n".join([*lines, *([found.notice] if found.notice else [])])
