"""The host's two model classes for a joint network of ours: its configuration and the model that samplers call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import comfy.conds
import comfy.ldm.modules.attention
import comfy.model_base
import comfy.patcher_extension
import comfy.supported_models_base
import torch
from torch import Tensor

from ...pointvid.diffusion.bases import base_model
from ...pointvid.errors import PointVidError
from .bases import host_half

if TYPE_CHECKING:
    from ...pointvid.diffusion.checkpoint import CheckpointInfo

FPS = "pointvid_fps"
"""Key that `PointVid Image to Video` puts into a conditioning."""

# The host's names for diffusers' noise schedules.
BETA_SCHEDULES = {"scaled_linear": "linear", "linear": "sqrt_linear", "squaredcos_cap_v2": "cosine"}


class HostModelConfig(comfy.supported_models_base.BASE):
    """What the host wants to know of a joint checkpoint before it builds the model."""

    unet_extra_config: dict[str, Any] = {}  # noqa: RUF012 (the host's class attribute)
    supported_inference_dtypes = [torch.float16, torch.bfloat16, torch.float32]  # noqa: RUF012

    def __init__(self, info: CheckpointInfo):
        self.pointvid = info
        half = host_half(info)
        self.unet_config = half.unet_config(info) if hasattr(half, "unet_config") else {}
        self.sampling_settings = sampling_settings(info)
        self.latent_format = half.latent_format(info)
        self.memory_usage_factor = half.memory_usage_factor
        self.optimizations = dict(self.optimizations)

    def model_type(self, state_dict: dict[str, Tensor], prefix: str = "") -> comfy.model_base.ModelType:
        """By what the network predicts."""
        kinds = comfy.model_base.ModelType
        return {"epsilon": kinds.EPS, "v": kinds.V_PREDICTION, "flow": kinds.FLOW}[self.pointvid.process.prediction]

    def inpaint_model(self) -> bool:
        """False: the host would otherwise infer it from `in_channels`."""
        return False

    def get_model(self, state_dict: dict[str, Tensor], prefix: str = "", device: Any = None) -> JointModel:
        """An empty model for these weights."""
        return JointModel(self, self.model_type(state_dict, prefix), device)


class JointModel(comfy.model_base.BaseModel):
    """Hands a conditioning to the joint network as its base wants it; everything else is the host's."""

    def __init__(self, config: HostModelConfig, model_type: comfy.model_base.ModelType, device: Any = None):
        super().__init__(config, model_type, device=device, unet_model=partial(_build, config.pointvid))

    def scale_latent_inpaint(self, latent_image: Tensor, **kwargs: Any) -> Tensor:
        """What a noise mask keeps: clean where the base is shown its known part so, else noised as the rest is."""
        if base_model(self.model_config.pointvid.base).gives_known:
            return latent_image
        return super().scale_latent_inpaint(latent_image=latent_image, **kwargs)

    def extra_conds(self, **kwargs: Any) -> dict[str, comfy.conds.CONDRegular]:
        """Conditions of one batch of prompts, as tensors that the host batches and moves."""
        for what in ("control", "gligen"):
            if kwargs.get(what) is not None:
                name = "a ControlNet" if what == "control" else "GLIGEN"
                raise PointVidError(
                    f"positive or negative carries {name}, which a joint video + point model has no use for; take the "
                    "node out that applies it"
                )
        out = super().extra_conds(**kwargs)
        info, noise = self.model_config.pointvid, kwargs["noise"]
        if kwargs.get("cross_attn") is None:
            return out
        encoded = host_half(info).encoded(info, kwargs, noise)
        fps = torch.tensor([float(kwargs.get(FPS, info.fps))])
        conditions = dict(base_model(info.base).conditions(encoded, noise.shape[2], fps))
        # Not CONDCrossAttn: it repeats tokens to align lengths, which would shift the balance between the text and
        # tokens that a network appends.
        out["c_crossattn"] = comfy.conds.CONDRegular(conditions.pop("context"))
        for name, value in conditions.items():
            like_noise = value.ndim == noise.ndim and value.shape[2:] == noise.shape[2:]
            out[name] = (comfy.conds.CONDNoiseShape if like_noise else comfy.conds.CONDRegular)(value)
        return out

    def _apply_model(self, x: Tensor, t: Tensor, *args: Any, transformer_options: Any = None, **kwargs: Any) -> Tensor:
        """As the host's, after a look at what its patches will do with five dimensions."""
        options = args[3] if len(args) > 3 else transformer_options or {}
        for patch in (options.get("patches_replace") or {}).get("attn1", {}).values():
            if getattr(patch, "__module__", "").endswith("nodes_sag"):
                raise PointVidError(
                    "model goes through Self-Attention Guidance, which can blur pictures but no video latent; take it "
                    "out, or use Perturbed-Attention Guidance"
                )
        if len(args) <= 3:
            kwargs["transformer_options"] = options
        return super()._apply_model(x, t, *args, **kwargs)


def sampling_settings(info: CheckpointInfo) -> dict[str, Any]:
    """The noise law, in the host's words."""
    process: Any = info.process  # a Flow or a Diffusion, as its prediction says
    if process.prediction == "flow":
        return {"shift": process.shift, "multiplier": process.num_train_timesteps}
    return {
        "beta_schedule": BETA_SCHEDULES[process.beta_schedule],
        "linear_start": process.beta_start,
        "linear_end": process.beta_end,
        "timesteps": process.num_train_timesteps,
        "zsnr": process.zero_terminal_snr,
    }


def _build(
    info: CheckpointInfo, device: Any, operations: Any, dtype: torch.dtype | None = None, **_: Any
) -> torch.nn.Module:
    def attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        # Looked up at call time: the host chooses its kernel at start-up, and patches replace it.
        return comfy.ldm.modules.attention.optimized_attention(q, k, v, heads)

    network = base_model(info.base).build(
        info.config, operations=operations, dtype=dtype, device=device, attention=attention
    )
    network.__class__ = type(type(network).__name__, (_Wrapped, type(network)), {})
    return network


class _Wrapped:
    """Before a network's class: runs what other nodes wrap around it, of which the library knows nothing."""

    def forward(self, x: Tensor, timesteps: Tensor, **options: Any) -> Tensor:
        wrappers = comfy.patcher_extension.get_all_wrappers(
            comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, options.get("transformer_options") or {}
        )
        executor = comfy.patcher_extension.WrapperExecutor.new_class_executor(super().forward, self, wrappers)
        return executor.execute(x, timesteps, **options)
