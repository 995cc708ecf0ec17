"""MODEL -> checkpoint file, so that a merge or a baked LoRA loads again."""

from __future__ import annotations

from .host import output_file
from .host_api import io
from .inputs import filename_prefix


class SaveModel(io.ComfyNode):
    """Writes a joint model with its metadata, which core's own save nodes drop."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_SaveModel",
            display_name="Save PointVid Model",
            category="PointVid/generate",
            description="Writes a merged joint model, or one with LoRAs in its weights, as a checkpoint that Load "
            "PointVid Model offers again. LoRAs of a CLIP are not saved.",
            search_aliases=["save checkpoint", "model save", "save merge", "bake lora"],
            inputs=[
                io.Model.Input("model", tooltip="The joint model to write, with every patch of its weights."),
                filename_prefix("pointvid/model"),
                io.Boolean.Input(
                    "with_encoders",
                    default=True,
                    optional=True,
                    tooltip="Also write the text encoder, image encoder and VAE that the model's file held.",
                ),
            ],
            outputs=[io.String.Output(display_name="path", tooltip="Where the file was written.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, model, filename_prefix: str, with_encoders: bool = True) -> io.NodeOutput:
        """Write a new numbered file."""
        from ..pointvid.diffusion.checkpoint import save_checkpoint
        from .native.loading import saved_checkpoint

        checkpoint = saved_checkpoint(model, with_encoders)
        path, saved = output_file(filename_prefix, ".safetensors")
        save_checkpoint(checkpoint, path)
        return io.NodeOutput(str(path), ui={"files": [saved]})
