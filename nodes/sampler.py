"""Sampling with the base pipeline's exact start noise; stock KSampler works on the same MODEL."""

from __future__ import annotations

from .host_api import io


class VideoPointSampler(io.ComfyNode):
    """KSampler whose first step is the published pipeline's."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        import comfy.samplers

        return io.Schema(
            node_id="PointVid_VideoPointSampler",
            display_name="Video-Point Sampler",
            category="PointVid/generate",
            description="Denoises video and points together. As KSampler, but the noise is the base pipeline's: the "
            "video half is drawn as the base draws it from this seed, and a full denoise starts from unit noise, where "
            "KSampler with ddim_uniform starts a little fainter.",
            search_aliases=["ksampler", "denoise", "pointvid sampler", "generate video"],
            inputs=[
                io.Model.Input("model", tooltip="A joint model from Load PointVid Model, patched or not."),
                io.Conditioning.Input("positive", tooltip="From PointVid Image to Video."),
                io.Conditioning.Input("negative", tooltip="From PointVid Image to Video."),
                io.Latent.Input(
                    "latent", tooltip="The empty latent of PointVid Image to Video, or a joint latent to refine."
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Same seed and settings give the same video.",
                ),
                io.Int.Input(
                    "steps",
                    default=50,
                    min=1,
                    max=1000,
                    tooltip="Denoising steps. I2VGen-XL's default is 50; 25 is usable.",
                ),
                io.Float.Input(
                    "cfg",
                    default=9.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="Strength of the prompt and the image. I2VGen-XL's default is 9.",
                ),
                io.Combo.Input(
                    "sampler_name",
                    options=comfy.samplers.SAMPLER_NAMES,
                    default="ddim",
                    tooltip="ddim is what the base was published with.",
                ),
                io.Combo.Input(
                    "scheduler",
                    options=comfy.samplers.SCHEDULER_NAMES,
                    default="ddim_uniform",
                    tooltip="ddim_uniform is the published spacing of steps.",
                ),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="1 generates anew; less keeps more of the given latent.",
                ),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="Joint latent [B,2C,T,h,w] for Trajectory Decoder.")
            ],
        )

    @classmethod
    def execute(
        cls, model, positive, negative, latent, seed, steps, cfg, sampler_name, scheduler, denoise
    ) -> io.NodeOutput:
        """Scale the noise, then let the host sample, preview and cancel."""
        import comfy.sample
        import comfy.samplers
        import latent_preview

        from ..pointvid.diffusion.sampling import initial_noise
        from .native.loading import require_joint

        info = require_joint(model)
        samples = comfy.sample.fix_empty_latent_channels(model, latent["samples"])
        noise = initial_noise(tuple(samples.shape), seed)
        if denoise == 1.0 and info.process.prediction != "flow":  # whose noisiest step is noise alone, as it is
            sigmas = comfy.samplers.KSampler(model, steps, model.load_device, sampler_name, scheduler).sigmas
            noise = noise * unit_noise_scale(model.get_model_object("model_sampling"), float(sigmas[0]))
        out = comfy.sample.sample(
            model, noise, steps, cfg, sampler_name, scheduler, positive, negative, samples,
            denoise=denoise, noise_mask=latent.get("noise_mask"), seed=seed,
            callback=latent_preview.prepare_callback(model, steps),
        )  # fmt: skip
        return io.NodeOutput({**latent, "samples": out})


def unit_noise_scale(model_sampling, sigma: float) -> float:
    """What to multiply start noise by so that the network first sees noise of variance 1.

    With leading spacing the first step lies below the noisiest one, where the host adds the noise as `sigma * noise`
    and the network sees it divided by sqrt(1 + sigma^2). At the noisiest step the host does this scaling itself.
    """
    if sigma >= float(model_sampling.sigma_max) * (1 - 1e-5):
        return 1.0
    return (1 + sigma**2) ** 0.5 / sigma
