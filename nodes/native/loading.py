"""A PointVid checkpoint -> the host's MODEL, CLIP, CLIP_VISION and VAE, in the order comfy/sd.py loads its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import comfy.clip_vision
import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.utils
import torch
from torch import Tensor

from ...pointvid.diffusion.bases.base import base_model
from ...pointvid.diffusion.checkpoint import Checkpoint, load_checkpoint, wants_float32
from ...pointvid.errors import PointVidError
from .host_model import JointConfig
from .text_encoder import make_clip

if TYPE_CHECKING:
    from ...pointvid.diffusion.checkpoint import CheckpointInfo

DTYPES = {"default": None, "fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


def load_parts(path: Path, dtype: str) -> tuple[Any, Any, Any, Any]:
    """MODEL, CLIP, CLIP_VISION, VAE; None for parts that the file does not hold.

    Args:
        dtype: a key of DTYPES; "default" leaves the choice to the host.
    """
    checkpoint = load_checkpoint(path)
    model = _model(checkpoint, DTYPES[dtype])
    model.cached_patcher_init = (load_model, (path, dtype))
    return model, _clip(checkpoint), _clip_vision(checkpoint), _vae(checkpoint)


def load_model(path: Path, dtype: str, disable_dynamic: bool = False) -> comfy.model_patcher.ModelPatcher:
    """The MODEL alone; the host calls it to make a clone for another device."""
    return _model(load_checkpoint(path), DTYPES[dtype], disable_dynamic)


def require_joint(model: comfy.model_patcher.ModelPatcher) -> CheckpointInfo:
    """What the checkpoint behind a MODEL says of itself.

    Raises:
        PointVidError: it is another kind of model.
    """
    config = getattr(model.model, "model_config", None)
    if not isinstance(config, JointConfig):
        raise PointVidError(
            f"model is a {type(model.model).__name__}, expected a joint video + point model from Load PointVid Model"
        )
    return config.pointvid


def _model(
    checkpoint: Checkpoint, dtype: torch.dtype | None, disable_dynamic: bool = False
) -> comfy.model_patcher.ModelPatcher:
    management = comfy.model_management
    config = JointConfig(checkpoint.info)
    supported = config.supported_inference_dtypes
    device, offload_device = management.get_torch_device(), management.unet_offload_device()
    dtype = dtype or management.unet_dtype(
        model_params=comfy.utils.calculate_parameters(checkpoint.unet),
        supported_dtypes=supported,
        weight_dtype=comfy.utils.weight_dtype(checkpoint.unet),
    )
    config.set_inference_dtype(dtype, management.unet_manual_cast(dtype, device, supported), device=device)
    model = config.get_model(checkpoint.unet)
    # Looked up at call time: the host rebinds it when it manages memory dynamically.
    kind = comfy.model_patcher.ModelPatcher if disable_dynamic else comfy.model_patcher.CoreModelPatcher
    patcher = kind(model, load_device=device, offload_device=offload_device)
    if not management.is_device_cpu(offload_device):
        model.to(offload_device)
    model.load_model_weights(dict(checkpoint.unet), "", assign=patcher.is_dynamic())
    return patcher


def _clip(checkpoint: Checkpoint) -> comfy.sd.CLIP | None:
    weights = checkpoint.parts.get("text_encoder")
    tokenizer = checkpoint.parts.get("tokenizer")
    if not weights or not tokenizer:
        return None
    skipped = base_model(checkpoint.info.base).text_layers_skipped
    return make_clip(weights, checkpoint.info.configs["text_encoder"], tokenizer, skipped)


def _clip_vision(checkpoint: Checkpoint) -> comfy.clip_vision.ClipVisionModel | None:
    weights = checkpoint.parts.get("image_encoder")
    if not weights:
        return None
    config = {"model_type": "clip_vision_model", "num_channels": 3, **checkpoint.info.configs["image_encoder"]}
    processor = checkpoint.info.configs.get("image_processor", {})
    config |= {key: processor[key] for key in ("image_mean", "image_std") if key in processor}
    encoder = comfy.clip_vision.ClipVisionModel(config)
    _require_all(encoder.load_sd(weights), "image encoder")
    return encoder


def _vae(checkpoint: Checkpoint) -> comfy.sd.VAE | None:
    weights = checkpoint.parts.get("vae")
    if not weights:
        return None
    channels = checkpoint.info.configs["vae"]["block_out_channels"]
    layers = checkpoint.info.configs["vae"].get("layers_per_block", 2)
    ddconfig = {
        "double_z": True, "z_channels": 4, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": channels[0],
        "ch_mult": [width // channels[0] for width in channels], "num_res_blocks": layers, "attn_resolutions": [],
        "dropout": 0.0,
    }  # fmt: skip
    dtype = torch.float32 if wants_float32(weights) else None
    vae = comfy.sd.VAE(sd=dict(weights), config={"params": {"ddconfig": ddconfig, "embed_dim": 4}}, dtype=dtype)
    vae.downscale_ratio = vae.upscale_ratio = 2 ** (len(channels) - 1)
    # The host's class has Stable Diffusion's 32 groups built in; a group norm's weights do not depend on their number.
    groups = checkpoint.info.configs["vae"].get("norm_num_groups", 32)
    for module in vae.first_stage_model.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.num_groups = groups
    return vae


def _require_all(result: Any, name: str) -> None:
    missing: list[str] = list(result.missing_keys)
    unknown: list[Tensor] = [key for key in result.unexpected_keys if not key.endswith("position_ids")]
    if missing or unknown:
        raise PointVidError(f"{name}: missing {missing[:8]}, unknown {unknown[:8]}; convert the checkpoint again")
