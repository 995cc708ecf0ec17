"""Guidance by points, as patches of the MODEL; any sampler then uses it."""

from __future__ import annotations

from .host_api import io


class InnerGuidance(io.ComfyNode):
    """VideoJAM's inner guidance: the model's own points steer its pixels."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_InnerGuidance",
            display_name="Inner Guidance",
            category="PointVid/generate",
            description="Replaces classifier-free guidance: steers away from what the model would do without "
            "the prompt and without its own points. One more model call a step. Only for checkpoints trained with "
            "point dropout; the sampler's cfg is then not used, as long as it is not 1.",
            search_aliases=["videojam", "cfg", "motion guidance", "point guidance"],
            inputs=[
                io.Model.Input("model", tooltip="A joint model from Load PointVid Model."),
                io.Float.Input(
                    "text_weight",
                    default=5.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="w1: away from ignoring the prompt. 5 is VideoJAM's; it equals a cfg of 1 + w1 when the "
                    "other weight is 0.",
                ),
                io.Float.Input(
                    "point_weight",
                    default=3.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="w2: away from ignoring the points. 3 is VideoJAM's; 0 switches the extra call off.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The model with guidance added.")],
        )

    @classmethod
    def execute(cls, model, text_weight, point_weight) -> io.NodeOutput:
        """Patch a clone's CFG function."""
        import comfy.samplers

        from ..pointvid.diffusion.guidance import inner_guidance, without_points
        from .native.loading import require_joint

        require_joint(model)
        patched = model.clone()
        sampling = patched.get_model_object("model_sampling")

        def guide(args):
            x, sigma = args["input"], args["sigma"]
            full = args["cond_denoised"]
            no_points = full
            if point_weight:
                nulled = without_points(x)
                (no_points,) = comfy.samplers.calc_cond_batch(
                    args["model"], [args["input_cond"]], nulled, sigma, args["model_options"]
                )
                # The equation is about network outputs. A denoised latent is skip(x) - scale * output, so one made
                # from another x differs by skip(x - nulled) as well.
                no_points = no_points + sampling.calculate_denoised(sigma, x.new_zeros(x.shape), x - nulled)
            guided = inner_guidance(full, args["uncond_denoised"], no_points, text_weight, point_weight)
            return x - guided

        patched.set_model_sampler_cfg_function(guide, disable_cfg1_optimization=True)
        return io.NodeOutput(patched)


class RigidityGuidance(io.ComfyNode):
    """The paper's rigidity loss (Eq. 2), applied while sampling instead of while training."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_RigidityGuidance",
            display_name="Rigidity Guidance",
            category="PointVid/generate",
            description="At every late step, moves the predicted points towards keeping the distances they had in the "
            "first frame. Needs no training; helps objects that should not bend, harms those that should.",
            search_aliases=["rigid", "shape", "morphing", "regularization", "point guidance"],
            inputs=[
                io.Model.Input("model", tooltip="A joint model from Load PointVid Model."),
                io.Vae.Input(
                    "vae", tooltip="The image VAE of the model; used once, to learn how its latents hold points."
                ),
                io.Float.Input(
                    "strength",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Share of the rigidity error that each step aims to remove.",
                ),
                io.Int.Input(
                    "start_at",
                    default=700,
                    min=1,
                    max=1000,
                    advanced=True,
                    tooltip="Timestep below which it acts (1000 is pure noise): earlier predictions are too vague.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The model with guidance added.")],
        )

    @classmethod
    def execute(cls, model, vae, strength, start_at) -> io.NodeOutput:
        """Fit the probe, then patch a clone after its CFG function."""
        import torch

        from ..pointvid.diffusion.guidance import point_decoder, rigidity_guidance
        from ..pointvid.diffusion.latents import join, split
        from ..pointvid.diffusion.point_probe import PointProbe, fit_point_probe
        from .native.latents import encode_half
        from .native.loading import require_joint

        info = require_joint(model)
        space = info.latent
        patched = model.clone()
        sampling = patched.get_model_object("model_sampling")
        latent_format = patched.get_model_object("latent_format")

        def encode(frames):
            half = encode_half(vae, frames, space)
            return split(latent_format.process_in(join(half, half)))[1]

        # The host runs nodes in inference mode, whose tensors can never take part in a gradient.
        probe = fit_point_probe(encode, frames=space.frames(1 if space.by_frame else 3))

        def guide(args):
            denoised = args["denoised"]
            if strength == 0 or float(sampling.timestep(args["sigma"]).max()) >= start_at:
                return denoised
            with torch.inference_mode(False):
                free = PointProbe(probe.weight.clone(), probe.bias.clone(), probe.error)
                to_points = point_decoder(free, info.point_range)
                moved = rigidity_guidance(denoised.clone().float(), to_points, strength=strength)
                return moved.to(denoised.dtype)

        patched.set_model_sampler_post_cfg_function(guide)
        return io.NodeOutput(patched)


class WithoutPoints(io.ComfyNode):
    """The joint model blind to its own points: the other half of every with/without comparison."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_WithoutPoints",
            display_name="Without Points",
            category="PointVid/generate",
            description="Shows the model zeros where its own points would be, so that the video is made from pixels "
            "alone. Sample the same seed with and without it to see what the points contribute. Of a converted, "
            "untrained checkpoint either way gives the base model.",
            search_aliases=["ablation", "compare", "base model", "point dropout"],
            inputs=[io.Model.Input("model", tooltip="A joint model from Load PointVid Model.")],
            outputs=[io.Model.Output(display_name="model", tooltip="The model without its points.")],
        )

    @classmethod
    def execute(cls, model) -> io.NodeOutput:
        """Patch a clone's network call."""
        from ..pointvid.diffusion.guidance import without_points
        from .native.loading import require_joint

        require_joint(model)
        patched = model.clone()
        patched.set_model_unet_function_wrapper(
            lambda apply, args: apply(without_points(args["input"]), args["timestep"], **args["c"])
        )
        return io.NodeOutput(patched)
