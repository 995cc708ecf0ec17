"""The host's two model classes for the joint UNet: its configuration and the model that samplers call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import comfy.conds
import comfy.ldm.modules.attention
import comfy.model_base
import comfy.supported_models_base
import torch
from torch import Tensor

from ...pointvid.diffusion.bases.base import base_model, image_frames
from ...pointvid.errors import PointVidError
from .latent_format import STABLE_DIFFUSION_RGB, VideoPointLatent

if TYPE_CHECKING:
    from ...pointvid.diffusion.checkpoint import CheckpointInfo

# Keys that `PointVid Image to Video` puts into a conditioning.
IMAGE_LATENT = "pointvid_image_latent"
IMAGE_EMBEDDING = "pointvid_image_embedding"
FPS = "pointvid_fps"

# The host's names for diffusers' noise schedules.
BETA_SCHEDULES = {"scaled_linear": "linear", "linear": "sqrt_linear", "squaredcos_cap_v2": "cosine"}


class JointConfig(comfy.supported_models_base.BASE):
    """What the host wants to know of a joint checkpoint before it builds the model."""

    unet_extra_config: dict[str, Any] = {}  # noqa: RUF012 (the host's class attribute)
    # Bytes of activations against the host's estimate for its own UNets; `python -m benchmarks model` measures ours.
    memory_usage_factor = 2.0
    supported_inference_dtypes = [torch.float16, torch.bfloat16, torch.float32]  # noqa: RUF012

    def __init__(self, info: CheckpointInfo):
        self.pointvid = info
        self.unet_config = {}
        schedule = info.schedule
        self.sampling_settings = {
            "beta_schedule": BETA_SCHEDULES[schedule.beta_schedule],
            "linear_start": schedule.beta_start,
            "linear_end": schedule.beta_end,
            "timesteps": schedule.num_train_timesteps,
            "zsnr": schedule.zero_terminal_snr,
        }
        vae = info.configs.get("vae", {})
        self.latent_format = VideoPointLatent(
            scale_factor=vae.get("scaling_factor", 0.18215),
            downscale=2 ** (len(vae.get("block_out_channels", "1234")) - 1),
            rgb_factors=info.training.get("latent_rgb_factors", STABLE_DIFFUSION_RGB),
        )
        self.optimizations = dict(self.optimizations)

    def model_type(self, state_dict: dict[str, Tensor], prefix: str = "") -> comfy.model_base.ModelType:
        """v- or noise prediction, as the base was trained."""
        velocity = self.pointvid.schedule.prediction_type == "v_prediction"
        return comfy.model_base.ModelType.V_PREDICTION if velocity else comfy.model_base.ModelType.EPS

    def inpaint_model(self) -> bool:
        """False: the host would otherwise infer it from `in_channels`."""
        return False

    def get_model(self, state_dict: dict[str, Tensor], prefix: str = "", device: Any = None) -> JointModel:
        """An empty model for these weights."""
        return JointModel(self, self.model_type(state_dict, prefix), device)


class JointModel(comfy.model_base.BaseModel):
    """Hands the conditioning of I2VGen-XL to the joint UNet; everything else is the host's."""

    def __init__(self, config: JointConfig, model_type: comfy.model_base.ModelType, device: Any = None):
        super().__init__(config, model_type, device=device, unet_model=partial(_build, config.pointvid))

    def extra_conds(self, **kwargs: Any) -> dict[str, comfy.conds.CONDRegular]:
        """Conditions of one batch of prompts, as tensors that the host batches and moves."""
        out = super().extra_conds(**kwargs)
        cross_attn = kwargs.get("cross_attn")
        if cross_attn is not None:
            # Not CONDCrossAttn: it repeats tokens to align lengths, which would shift the balance between the text
            # and the image tokens that the UNet appends.
            out["c_crossattn"] = comfy.conds.CONDRegular(cross_attn)
        if self.diffusion_model.config.image_conditioning:
            out |= self._image_conds(kwargs["noise"], kwargs)
        return out

    def _image_conds(self, noise: Tensor, given: dict[str, Any]) -> dict[str, comfy.conds.CONDRegular]:
        latent, embedding = given.get(IMAGE_LATENT), given.get(IMAGE_EMBEDDING)
        if latent is None or embedding is None:
            what = "start image" if latent is None else "CLIP vision embedding"
            raise PointVidError(
                f"conditioning has no {what}: pass positive and negative through PointVid Image to Video"
            )
        if latent.shape[-2:] != noise.shape[-2:]:
            ratio = self.latent_format.spacial_downscale_ratio
            here, there = ("x".join(str(n * ratio) for n in tensor.shape[-2:]) for tensor in (latent, noise))
            raise PointVidError(f"start image is {here}, latent is {there} (HxW): use the latent of Image to Video")
        scaled = latent.to(noise.device, torch.float32) * self.latent_format.scale_factor
        return {
            "image_latents": comfy.conds.CONDNoiseShape(image_frames(scaled, noise.shape[2])),
            "image_embeds": comfy.conds.CONDRegular(embedding),
            "fps": comfy.conds.CONDRegular(torch.tensor([float(given.get(FPS, 8.0))])),
        }


def _build(
    info: CheckpointInfo, device: Any, operations: Any, dtype: torch.dtype | None = None, **_: Any
) -> torch.nn.Module:
    def attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        # Looked up at call time: the host chooses its kernel at start-up, and patches replace it.
        return comfy.ldm.modules.attention.optimized_attention(q, k, v, heads)

    return base_model(info.base).build(
        info.config, operations=operations, dtype=dtype, device=device, attention=attention
    )
