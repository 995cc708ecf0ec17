"""The video UNets in the host: CLIP, CLIP vision and Stable Diffusion's VAE are its own; the network is ours."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import comfy.clip_vision
import comfy.latent_formats
import comfy.model_management
import comfy.sd
import torch
from node_helpers import conditioning_set_values
from torch import Tensor

from .....pointvid.diffusion.checkpoint import wants_float32
from .....pointvid.errors import PointVidError
from ...host_model import FPS, HostModelConfig
from ...latents import VideoPointLatent
from .text_encoder import make_clip

if TYPE_CHECKING:
    from .....pointvid.diffusion.bases.unet.family import UNetBase
    from .....pointvid.diffusion.checkpoint import Checkpoint, CheckpointInfo

# Keys that `PointVid Image to Video` puts into a conditioning.
IMAGE_LATENT = "pointvid_image_latent"
IMAGE_EMBEDDING = "pointvid_image_embedding"

# `python -m benchmarks model` measures ours.
memory_usage_factor = 2.0


def config(info: CheckpointInfo) -> HostModelConfig:
    """The generic one."""
    return HostModelConfig(info)


def unet_config(info: CheckpointInfo) -> dict[str, Any]:
    """What nodes such as FreeU read of a UNet."""
    return {"model_channels": info.config.unet.block_out_channels[0]}


def latent_format(info: CheckpointInfo) -> VideoPointLatent:
    """Both halves come from the same image VAE, so one scale factor serves both."""
    # Rough RGB of a Stable Diffusion latent, where the checkpoint's VAE is not another.
    rgb_factors = info.latent.rgb_factors or comfy.latent_formats.SD15().latent_rgb_factors
    return VideoPointLatent(info.latent, rgb_factors, info.configs.get("vae", {}).get("scaling_factor", 0.18215))


def encoded(info: CheckpointInfo, given: dict[str, Any], noise: Tensor) -> dict[str, Tensor]:
    """Text, and what Image to Video put beside it."""
    text = {"text": given["cross_attn"]}
    if not info.config.unet.image_conditioning:
        return text
    latent, embedding = given.get(IMAGE_LATENT), given.get(IMAGE_EMBEDDING)
    if latent is None or embedding is None:
        what = "start image" if latent is None else "CLIP vision embedding"
        raise PointVidError(f"conditioning has no {what}: pass positive and negative through PointVid Image to Video")
    if latent.shape[-2:] != noise.shape[-2:]:
        strides = info.latent.strides[1:]
        here, there = (
            "x".join(str(n * stride) for n, stride in zip(tensor.shape[-2:], strides)) for tensor in (latent, noise)
        )
        raise PointVidError(f"start image is {here}, latent is {there} (HxW): use the latent of Image to Video")
    scaled = latent.to(noise.device, torch.float32) * latent_format(info).scale_factor
    return {**text, "image_latent": scaled, "image": embedding}


def image_to_video(
    info: CheckpointInfo | None,
    positive: list,
    negative: list,
    *,
    vae: comfy.sd.VAE,
    clip_vision: Any,
    image: Tensor,
    frames: int,
    fps: float,
    batch_size: int,
) -> tuple[list, list, dict[str, Any]]:
    """The image goes in twice, as I2VGen-XL wants it: through the VAE for its pixels, through CLIP for its content."""
    device = comfy.model_management.intermediate_device()
    if info is not None and not info.config.unet.image_conditioning:
        channels, *grid = info.latent.shape(frames, *image.shape[1:3])
        return positive, negative, {"samples": torch.zeros([batch_size, 2 * channels, *grid], device=device)}
    latent = vae.encode(image)
    embedding = clip_vision.encode_image(image, crop=True)["image_embeds"].unsqueeze(1)
    shared = {IMAGE_LATENT: latent, FPS: fps}
    positive = conditioning_set_values(positive, {**shared, IMAGE_EMBEDDING: embedding})
    # Guidance compares with a content-free image: the embedding is nulled, the pixels stay (I2VGen-XL pipeline).
    negative = conditioning_set_values(negative, {**shared, IMAGE_EMBEDDING: torch.zeros_like(embedding)})
    shape = [batch_size, 2 * latent.shape[1], frames, *latent.shape[-2:]]
    return positive, negative, {"samples": torch.zeros(shape, device=device)}


def clip(checkpoint: Checkpoint) -> comfy.sd.CLIP | None:
    """The checkpoint's CLIP text encoder and tokenizer."""
    from .....pointvid.diffusion.bases import base_model

    weights = checkpoint.parts.get("text_encoder")
    tokenizer = checkpoint.parts.get("tokenizer")
    if not weights or not tokenizer:
        return None
    adapter: UNetBase = base_model(checkpoint.info.base)
    return make_clip(weights, checkpoint.info.configs["text_encoder"], tokenizer, adapter.text_layers_skipped)


def clip_vision(checkpoint: Checkpoint) -> comfy.clip_vision.ClipVisionModel | None:
    """The checkpoint's CLIP image encoder."""
    weights = checkpoint.parts.get("image_encoder")
    if not weights:
        return None
    configs = checkpoint.info.configs
    settings = {"model_type": "clip_vision_model", "num_channels": 3, **configs["image_encoder"]}
    processor = configs.get("image_processor", {})
    settings |= {key: processor[key] for key in ("image_mean", "image_std") if key in processor}
    with tempfile.TemporaryDirectory() as folder:  # older hosts take a file only
        path = Path(folder, "config.json")
        path.write_text(json.dumps(settings), encoding="utf-8")
        encoder = comfy.clip_vision.ClipVisionModel(str(path))
    _require_all(encoder.load_sd(weights), "image encoder")
    return encoder


def vae(checkpoint: Checkpoint) -> comfy.sd.VAE | None:
    """The checkpoint's image VAE, whatever its size."""
    weights = checkpoint.parts.get("vae")
    if not weights:
        return None
    settings, space = checkpoint.info.configs["vae"], checkpoint.info.latent
    channels = settings["block_out_channels"]
    ddconfig = {
        "double_z": True, "z_channels": space.channels, "resolution": 256, "in_channels": 3, "out_ch": 3,
        "ch": channels[0], "ch_mult": [width // channels[0] for width in channels],
        "num_res_blocks": settings.get("layers_per_block", 2), "attn_resolutions": [], "dropout": 0.0,
    }  # fmt: skip
    dtype = torch.float32 if wants_float32(weights) else None
    params = {"ddconfig": ddconfig, "embed_dim": space.channels}
    made = HalfVAE(sd=dict(weights), config={"params": params}, dtype=dtype)
    made.downscale_ratio = made.upscale_ratio = space.strides[1]
    # The host's class has Stable Diffusion's 32 groups built in; a group norm's weights do not depend on their number.
    for module in made.first_stage_model.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.num_groups = settings.get("norm_num_groups", 32)
    return made


class HalfVAE(comfy.sd.VAE):
    """The host's VAE, which says what to use where it is given both halves at once."""

    def decode(self, samples_in: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """One half, [B,C,h,w] or [B,C,T,h,w]."""
        self._require_half(samples_in)
        return super().decode(samples_in, *args, **kwargs)

    def decode_tiled(self, samples: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """As `decode`."""
        self._require_half(samples)
        return super().decode_tiled(samples, *args, **kwargs)

    def _require_half(self, samples: Tensor) -> None:
        if samples.ndim == 5 and samples.shape[1] == 2 * self.latent_channels:
            raise PointVidError(
                f"samples is a joint latent {list(samples.shape)} of video and points: use Trajectory Decoder, or "
                "Split Video and Points first"
            )


def _require_all(result: Any, name: str) -> None:
    missing: list[str] = list(result.missing_keys)
    unknown: list[str] = [key for key in result.unexpected_keys if not key.endswith("position_ids")]
    if missing or unknown:
        raise PointVidError(f"{name}: missing {missing[:8]}, unknown {unknown[:8]}; convert the checkpoint again")
