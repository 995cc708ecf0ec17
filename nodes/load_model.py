"""Checkpoint file -> MODEL, CLIP, CLIP_VISION, VAE."""

from __future__ import annotations

from .host import checkpoint_names, existing_file, header_metadata
from .host_api import io

FOLDERS = ("pointvid", "checkpoints", "diffusion_models")
SHIPPED = "pointvid-small.safetensors (comes with the pack)"


class LoadModel(io.ComfyNode):
    """Loads a joint video + point checkpoint as native models."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_LoadModel",
            display_name="Load PointVid Model",
            category="PointVid/generate",
            description="Loads a joint video + point checkpoint from models/pointvid, models/checkpoints or "
            "models/diffusion_models. Parts that the file does not hold come from core's own loaders. The small model "
            "that comes with the pack animates 128x128 pictures of one ball or box. No official PointVid weights "
            "exist: `pointvid convert` makes an initial checkpoint of the published base model, the trainer makes "
            "better ones of that.",
            search_aliases=["load checkpoint", "i2vgen-xl", "pointvid checkpoint", "unet loader"],
            inputs=[
                io.Combo.Input(
                    "name",
                    options=list_checkpoints(),
                    default=SHIPPED,
                    tooltip="A .safetensors file that the trainer, Save PointVid Model or `pointvid convert` wrote. "
                    "Others are not listed.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=["default", "fp16", "bf16", "fp32"],
                    default="default",
                    advanced=True,
                    tooltip="Precision of the denoiser. default lets ComfyUI choose what suits the device.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The joint video and point model."),
                io.Clip.Output(display_name="clip", tooltip="The text encoder, where the file holds it."),
                io.ClipVision.Output(display_name="clip_vision", tooltip="The image encoder, where the file holds it."),
                io.Vae.Output(display_name="vae", tooltip="The image VAE, where the file holds it."),
            ],
        )

    @classmethod
    def validate_inputs(cls, name: str) -> bool:
        """Any name will do, listed or not: `execute` says what is wrong with it."""
        return True

    @classmethod
    def execute(cls, name, dtype) -> io.NodeOutput:
        """Read, build, and block the outputs the file cannot feed, with a word on what to use instead."""
        from comfy_execution.graph_utils import ExecutionBlocker

        from .native.loading import load_parts

        loaders = ("", "Load CLIP (type stable_diffusion)", "Load CLIP Vision", "Load VAE")
        parts = ("model", "text encoder", "image encoder", "VAE")
        outputs = [
            ExecutionBlocker(f"{name} holds no {part}: use {loader}") if value is None else value
            for value, part, loader in zip(load_parts(checkpoint_path(name), dtype), parts, loaders)
        ]
        return io.NodeOutput(*outputs)


def list_checkpoints() -> list[str]:
    """What the loader offers: the shipped model, then PointVid's files of the models folders and of output/."""
    return [SHIPPED, *checkpoint_names(FOLDERS)]


def checkpoint_path(name: str):
    """The file behind a name of `list_checkpoints`.

    Raises:
        PointVidError: there is none, or it is no joint checkpoint.
    """
    from pathlib import Path

    import folder_paths

    from ..pointvid.commands.demo import SMALL_MODEL
    from ..pointvid.errors import PointVidError

    if name == SHIPPED:
        return SMALL_MODEL
    if name.endswith(" [output]"):
        return existing_file(name, "name")
    paths = (folder_paths.get_full_path(folder, name) for folder in FOLDERS)
    path = next((Path(path) for path in paths if path), None)
    if path is None:
        raise PointVidError(f"name is {name!r}, expected a file in models/{', models/'.join(FOLDERS)}")
    metadata = header_metadata(path)  # None: damaged, which the loader says better
    if metadata is not None and "pointvid.format" not in metadata:
        raise PointVidError(
            f"name is {name!r}, a model without points; expected {SHIPPED!r}, or a file that the trainer or Save "
            "PointVid Model wrote, or that `pointvid convert` made of the folder of a published base model"
        )
    return path
