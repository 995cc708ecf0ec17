"""Checkpoint file -> MODEL, CLIP, CLIP_VISION, VAE."""

from __future__ import annotations

from comfy_api.latest import io

from .host import model_files

FOLDER = "pointvid"
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
                    tooltip="A .safetensors file that `pointvid convert` or the trainer wrote.",
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
    """What the loader offers: .safetensors files of models/pointvid, then of the host's own two folders."""
    found = []
    for folder in (FOLDER, "checkpoints", "diffusion_models"):
        found += [name for name in model_files(folder) if name.endswith(".safetensors")]
    return [*dict.fromkeys(found), SHIPPED]


def checkpoint_path(name: str):
    """The file behind a name of `list_checkpoints`.

    Raises:
        PointVidError: there is none.
    """
    from pathlib import Path

    import folder_paths

    from ..pointvid.commands.demo import SMALL_MODEL
    from ..pointvid.errors import PointVidError

    if name == SHIPPED:
        return SMALL_MODEL
    for folder in (FOLDER, "checkpoints", "diffusion_models"):
        path = folder_paths.get_full_path(folder, name)
        if path:
            return Path(path)
    raise PointVidError(f"name is {name!r}, expected a file in models/{FOLDER}, checkpoints or diffusion_models")
