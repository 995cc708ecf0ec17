"""Step: from sparse tracks to the point tensor P, a trajectory for every foreground pixel."""

from __future__ import annotations

from . import types
from .host_api import io


class FillTracks(io.ComfyNode):
    """POINT_TRACKS + MASK -> POINT_MAP (Algorithm 1 of the paper)."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_FillTracks",
            display_name="Fill Point Tracks",
            category="PointVid/tracks",
            description="Gives every pixel of the mask in the first frame a 3D trajectory, interpolated from the "
            "nearest tracks of its object. The result is what PointVid models learn from.",
            search_aliases=["dense tracks", "densify", "point map", "interpolate", "algorithm 1"],
            inputs=[
                types.PointTracks.Input("tracks", tooltip="Sparse tracks of the clip, best smoothed before."),
                io.Mask.Input(
                    "mask",
                    tooltip="Foreground of the first frame. A mask of another size is resized; the masks of a "
                    "batch are objects.",
                ),
                io.Combo.Input(
                    "interpolation",
                    options=["displacement", "absolute"],
                    default="displacement",
                    tooltip="displacement interpolates how far the tracks have moved, so the first frame is exact. "
                    "absolute interpolates positions, the literal reading of the paper, off by some pixels.",
                ),
                io.Int.Input(
                    "neighbors",
                    default=3,
                    min=1,
                    max=32,
                    advanced=True,
                    tooltip="How many of the nearest tracks a pixel is interpolated from. The paper uses 3.",
                ),
            ],
            outputs=[
                types.PointMap.Output(display_name="point_map", tooltip="One trajectory for each pixel of the mask.")
            ],
        )

    @classmethod
    def execute(cls, tracks, mask, interpolation: str, neighbors: int) -> io.NodeOutput:
        """Fill."""
        from ..pointvid.points.densify import densify
        from .masks import require_mask

        selected = require_mask(mask, tracks.image_size, tracks.num_frames)
        return io.NodeOutput(densify(tracks, selected, interpolation, k=neighbors))
