"""Weights of Grounding DINO and SAM 2 -> a segmenter that finds objects by name."""

from __future__ import annotations

from . import types
from .host import model_choice_path, model_choices
from .host_api import io

DETECTORS, MASKERS = "grounding-dino", "sam2"
NO_DETECTOR = "none yet: run `python -m pointvid download grounding-dino-tiny` in the pack's folder"
NO_MASKER = "none yet: run `python -m pointvid download sam2.1-hiera-small` in the pack's folder"


class LoadSegmenter(io.ComfyNode):
    """Two models -> OBJECT_SEGMENTER."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_LoadSegmenter",
            display_name="Load Object Segmenter",
            category="PointVid/tracks",
            description="Loads Grounding DINO, which finds boxes by name, and SAM 2, which makes a mask of each box. "
            "Both are free to use (Apache 2.0). Nothing is downloaded. Core's SAM 3, or any other MASK, does as well.",
            search_aliases=["grounded sam 2", "sam2", "segment anything", "grounding dino", "text to mask"],
            inputs=[
                io.Combo.Input(
                    "detector",
                    options=model_choices(DETECTORS, files=False) or [NO_DETECTOR],
                    tooltip="A folder in models/grounding-dino in transformers' layout, like "
                    "IDEA-Research/grounding-dino-tiny: weights, tokenizer and the .json files.",
                ),
                io.Combo.Input(
                    "masker",
                    options=model_choices(MASKERS) or [NO_MASKER],
                    tooltip="In models/sam2: a .pt or .safetensors file of SAM 2 or 2.1 as Meta publishes it, or a "
                    "folder in transformers' layout.",
                ),
            ],
            outputs=[
                types.ObjectSegmenter.Output(
                    display_name="segmenter", tooltip="For Segment Objects by Name and Track Points in 3D."
                )
            ],
        )

    @classmethod
    def execute(cls, detector: str, masker: str) -> io.NodeOutput:
        """Read the weights; the networks go to the device when they are used."""
        from ..pointvid.errors import PointVidError
        from .hosted_segmenter import HostedSegmenter

        for name, empty, folder in ((detector, NO_DETECTOR, DETECTORS), (masker, NO_MASKER, MASKERS)):
            if name == empty:
                raise PointVidError(f"models/{folder} holds no model; {empty.partition(': ')[2]} and refresh")
        return io.NodeOutput(
            HostedSegmenter(model_choice_path(DETECTORS, detector), model_choice_path(MASKERS, masker))
        )
