"""Conditioning of the joint model: start image, prompt, frame rate -> conditioning and an empty joint latent."""

from __future__ import annotations

from .host_api import io


class ImageToVideo(io.ComfyNode):
    """What core's WanImageToVideo is to Wan, for the joint video + point model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_ImageToVideo",
            display_name="PointVid Image to Video",
            category="PointVid/generate",
            description="Adds the start image and the frame rate to the prompts and makes the empty video + point "
            "latent. The first generated frame is the start image; the points need no start.",
            search_aliases=["i2v", "i2vgen-xl", "image2video", "start image", "pointvid conditioning"],
            inputs=[
                io.Conditioning.Input("positive", tooltip="The prompt, from CLIP Text Encode."),
                io.Conditioning.Input(
                    "negative", tooltip="The negative prompt; empty text is what the base was trained on."
                ),
                io.Vae.Input("vae", tooltip="The image VAE of the model. It encodes the start image."),
                io.ClipVision.Input(
                    "clip_vision", tooltip="The model's CLIP vision encoder (I2VGen-XL's is OpenCLIP ViT-H)."
                ),
                io.Image.Input(
                    "start_image", tooltip="First frame of the video. It is resized to cover the size and cropped."
                ),
                io.Int.Input(
                    "width", default=448, min=16, max=4096, step=8, tooltip="Pixels. PointVid's paper uses 448."
                ),
                io.Int.Input(
                    "height", default=256, min=16, max=4096, step=8, tooltip="Pixels. PointVid's paper uses 256."
                ),
                io.Int.Input("length", default=16, min=1, max=256, tooltip="Frames. PointVid's paper uses 16."),
                io.Float.Input(
                    "fps",
                    default=8.0,
                    min=1.0,
                    max=60.0,
                    step=0.5,
                    tooltip="Frame rate the model is told: lower means more motion between frames.",
                ),
                io.Int.Input("batch_size", default=1, min=1, max=64, optional=True, tooltip="Videos made at once."),
                io.Model.Input(
                    "model",
                    optional=True,
                    tooltip="The joint model, which says what it is told and how its latent is laid out. Without it: "
                    "as I2VGen-XL and the small model have it.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="Prompt, image and frame rate."),
                io.Conditioning.Output(display_name="negative", tooltip="The same for what to avoid."),
                io.Latent.Output(display_name="latent", tooltip="Empty joint latent [B,2C,T,h,w] for a sampler."),
            ],
        )

    @classmethod
    def execute(
        cls, positive, negative, vae, clip_vision, start_image, width, height, length, fps, batch_size=1, model=None
    ) -> io.NodeOutput:
        """Frame the image, then let the host half of the model's base do the rest."""
        import comfy.utils

        from .join_split import SPACE
        from .native.bases import host_half
        from .native.loading import require_joint

        info = None if model is None else require_joint(model)
        if info is not None:
            info.latent.check_clip(length, height, width)
        image = comfy.utils.common_upscale(start_image[:1, ..., :3].movedim(-1, 1), width, height, "bicubic", "center")
        positive, negative, latent = host_half(info).image_to_video(
            info,
            positive,
            negative,
            vae=vae,
            clip_vision=clip_vision,
            image=image.movedim(1, -1).clamp(0, 1),
            frames=length,
            fps=fps,
            batch_size=batch_size,
        )
        space = {} if info is None else {SPACE: info.latent.to_dict()}
        return io.NodeOutput(positive, negative, {**latent, "pointvid_fps": fps, **space})
