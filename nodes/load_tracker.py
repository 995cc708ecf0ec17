"""Weights file -> a point tracker."""

from __future__ import annotations

from . import types
from .host import model_files, model_path
from .host_api import io

FOLDER = "pointvid_trackers"
NOTHING = "none yet: run `python -m pointvid download alltracker` in the pack's folder"


class LoadTracker(io.ComfyNode):
    """Published tracker weights -> POINT_TRACKER."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_LoadTracker",
            display_name="Load Point Tracker",
            category="PointVid/tracks",
            description="Loads a point tracker with weights from models/pointvid_trackers, as its authors publish it. "
            "Which tracker it is shows in the file: AllTracker (MIT) or SpaTracker (CC BY-NC 4.0: no commercial use). "
            "`python -m pointvid download alltracker`, run in the pack's folder, fetches the first.",
            search_aliases=["alltracker", "spatracker", "spatialtracker", "cotracker", "point tracker"],
            inputs=[
                io.Combo.Input(
                    "name",
                    options=model_files(FOLDER) or [NOTHING],
                    tooltip="alltracker.pth, alltracker_tiny.pth: MIT licence, any use. spaT_final.pth: CC BY-NC 4.0, "
                    "no commercial use of it or of what it computes; it needs depth.",
                ),
                io.Int.Input(
                    "longest_side",
                    default=768,
                    min=128,
                    max=4096,
                    step=8,
                    advanced=True,
                    tooltip="AllTracker: larger clips are tracked at this size. Memory grows with its fourth power. "
                    "SpaTracker always sees 512x384.",
                ),
                io.Int.Input(
                    "companions",
                    default=0,
                    min=0,
                    max=80,
                    advanced=True,
                    tooltip="SpaTracker: followed along are this many rows and columns of points, which are then "
                    "dropped. 80, with queries 'paper' in Track Points in 3D, is the paper's preset and wants a GPU.",
                ),
            ],
            outputs=[types.PointTracker.Output(display_name="point_tracker", tooltip="For Track Points in 3D.")],
        )

    @classmethod
    def execute(cls, name: str, longest_side: int, companions: int) -> io.NodeOutput:
        """Read the file; the network goes to the device when it is used."""
        from ..pointvid.errors import PointVidError
        from .hosted_tracker import load_tracker

        if name == NOTHING:
            raise PointVidError(
                f"name: models/{FOLDER} holds no file, expected a tracker's weights; "
                "run `python -m pointvid download alltracker` in the pack's folder and refresh"
            )
        path = model_path(FOLDER, name)
        return io.NodeOutput(load_tracker(path, longest=longest_side, companions=companions))
