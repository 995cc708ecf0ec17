"""Model folder -> a depth model."""

from __future__ import annotations

from . import types
from .host import model_choice_path, model_choices
from .host_api import io

FOLDER = "depth_models"
NOTHING = "none yet: run `python -m pointvid download zoedepth` in the pack's folder"


class LoadDepthModel(io.ComfyNode):
    """A depth model of the transformers library -> DEPTH_MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_LoadDepthModel",
            display_name="Load Depth Model",
            category="PointVid/tracks",
            description="Loads a depth model of the transformers library (ZoeDepth, the paper's; Depth Anything, "
            "Depth Pro, DPT, GLPN) from a folder in models/depth_models. `python -m pointvid download zoedepth`, "
            "run in the pack's folder, gets the first.",
            search_aliases=["zoedepth", "depth anything", "depth pro", "midas", "dpt", "depth estimation"],
            inputs=[
                io.Combo.Input(
                    "name",
                    options=model_choices(FOLDER, files=False) or [NOTHING],
                    tooltip="A folder with config.json, preprocessor_config.json and model.safetensors.",
                ),
                io.Combo.Input(
                    "kind",
                    options=["auto", "metric", "disparity"],
                    default="auto",
                    advanced=True,
                    tooltip="What the model predicts. auto reads it from its config. metric: metres. disparity: bright "
                    "is near, scale unknown. DPT models fine-tuned on NYU or KITTI are metric; auto cannot see that.",
                ),
                io.Float.Input(
                    "near",
                    default=1.0,
                    min=0.001,
                    max=100000.0,
                    step=0.01,
                    advanced=True,
                    tooltip="Where a disparity model puts the nearest things of a clip. Metric models know.",
                ),
                io.Float.Input(
                    "far",
                    default=10.0,
                    min=0.001,
                    max=100000.0,
                    step=0.01,
                    advanced=True,
                    tooltip="Where a disparity model puts the farthest things of a clip.",
                ),
                io.Int.Input(
                    "frames_at_once",
                    default=4,
                    min=1,
                    max=256,
                    advanced=True,
                    tooltip="Frames computed together. Where memory is not enough it goes on one by one.",
                ),
            ],
            outputs=[
                types.DepthModel.Output(
                    display_name="depth_model", tooltip="For Estimate Depth, or Track Points in 3D."
                )
            ],
        )

    @classmethod
    def execute(cls, name: str, kind: str, near: float, far: float, frames_at_once: int) -> io.NodeOutput:
        """Read the weights; the network goes to the device when it is used."""
        from ..pointvid.errors import PointVidError
        from .hosted_depth import load_depth

        if name == NOTHING:
            raise PointVidError(
                f"name: models/{FOLDER} holds no model's folder, expected one of the transformers library; "
                "run `python -m pointvid download zoedepth` in the pack's folder and refresh"
            )
        return io.NodeOutput(load_depth(model_choice_path(FOLDER, name), kind, frames_at_once, near, far))
