"""A PointVid checkpoint -> the host's MODEL, CLIP, CLIP_VISION and VAE, in the order comfy/sd.py loads its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import comfy.model_management
import comfy.model_patcher
import comfy.utils
import torch

from ...pointvid.diffusion.bases import base_model
from ...pointvid.diffusion.checkpoint import Checkpoint, load_checkpoint
from ...pointvid.errors import PointVidError
from ..host_api import call_with_known
from .bases import host_half

if TYPE_CHECKING:
    from ...pointvid.diffusion.checkpoint import CheckpointInfo

DTYPES = {"default": None, "fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


class NoImageEncoder:
    """Stands for the CLIP vision of a base that looks at no image through one, so that one graph serves all bases."""

    def encode_image(self, *_: Any, **__: Any) -> None:
        """There is nothing to encode with."""
        raise PointVidError(
            "this model has no image encoder, expected that none is asked for: connect the MODEL to PointVid Image to "
            "Video too"
        )


def load_parts(path: Path, dtype: str) -> tuple[Any, Any, Any, Any]:
    """MODEL, CLIP, CLIP_VISION, VAE; None for parts that the file does not hold.

    Args:
        dtype: a key of DTYPES; "default" leaves the choice to the host.
    """
    checkpoint = load_checkpoint(path)
    half = host_half(checkpoint.info)
    model = _model(checkpoint, DTYPES[dtype])
    model.cached_patcher_init = (load_model, (path, dtype))
    vision = half.clip_vision(checkpoint)
    if vision is None and "image_encoder" not in base_model(checkpoint.info.base).parts:
        vision = NoImageEncoder()
    return model, half.clip(checkpoint), vision, half.vae(checkpoint)


def load_model(path: Path, dtype: str, disable_dynamic: bool = False) -> comfy.model_patcher.ModelPatcher:
    """The MODEL alone; the host calls it to make a clone for another device."""
    return _model(load_checkpoint(path), DTYPES[dtype], disable_dynamic)


def saved_checkpoint(model: comfy.model_patcher.ModelPatcher, with_encoders: bool) -> Checkpoint:
    """The checkpoint of a MODEL as it is now: merged, and with its LoRAs in the weights.

    Args:
        with_encoders: also what else the file held that the model came from: text and image encoder, VAE.
    """
    info = require_joint(model)
    if hasattr(model, "model_state_dict_for_saving"):
        comfy.model_management.load_models_gpu([model])
        weights = model.model_state_dict_for_saving(model.model.diffusion_model, "diffusion_model.")
    else:  # an older host
        comfy.model_management.load_models_gpu([model], force_patch_weights=True)
        weights = model.model.diffusion_model.state_dict()
    # .to() is where the host patches a weight that it holds unpatched.
    weights = {key: value.to("cpu") for key, value in weights.items()}
    origin = getattr(model, "cached_patcher_init", None)
    parts = load_checkpoint(origin[1][0]).parts if with_encoders and origin else {}
    return Checkpoint(info, weights, parts)


def require_joint(model: comfy.model_patcher.ModelPatcher) -> CheckpointInfo:
    """What the checkpoint behind a MODEL says of itself.

    Raises:
        PointVidError: it is another kind of model.
    """
    info = getattr(getattr(model.model, "model_config", None), "pointvid", None)
    if info is None:
        raise PointVidError(
            f"model is a {type(model.model).__name__}, expected a joint video + point model from Load PointVid Model"
        )
    return info


def _model(
    checkpoint: Checkpoint, dtype: torch.dtype | None, disable_dynamic: bool = False
) -> comfy.model_patcher.ModelPatcher:
    management = comfy.model_management
    config = host_half(checkpoint.info).config(checkpoint.info)
    supported = config.supported_inference_dtypes
    device, offload_device = management.get_torch_device(), management.unet_offload_device()
    dtype = dtype or management.unet_dtype(
        model_params=comfy.utils.calculate_parameters(checkpoint.weights),
        supported_dtypes=supported,
        weight_dtype=comfy.utils.weight_dtype(checkpoint.weights),
    )
    call_with_known(
        config.set_inference_dtype, dtype, management.unet_manual_cast(dtype, device, supported), device=device
    )
    model = config.get_model(checkpoint.weights)
    # Looked up at call time: the host rebinds it when it manages memory dynamically.
    plain = comfy.model_patcher.ModelPatcher
    kind = plain if disable_dynamic else getattr(comfy.model_patcher, "CoreModelPatcher", plain)
    patcher = kind(model, load_device=device, offload_device=offload_device)
    if not management.is_device_cpu(offload_device):
        model.to(offload_device)
    dynamic = hasattr(patcher, "is_dynamic") and patcher.is_dynamic()  # older hosts manage no memory dynamically
    call_with_known(model.load_model_weights, dict(checkpoint.weights), "", assign=dynamic)
    return patcher
