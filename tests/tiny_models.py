"""Tiny random networks with the structure of the published ones, built by diffusers and transformers."""

import torch

BLOCKS = {
    "block_out_channels": (32, 64, 64),
    "down_block_types": ("CrossAttnDownBlock3D", "CrossAttnDownBlock3D", "DownBlock3D"),
    "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D", "CrossAttnUpBlock3D"),
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "cross_attention_dim": 24,
    "attention_head_dim": 8,
}


def randomize(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Weights that no initialisation left at zero or one, so that every tensor matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            scale = 0.7 / max(1, parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.2
            noise = torch.randn(parameter.shape, generator=generator) * scale
            parameter.copy_(noise + (1 if parameter.ndim == 1 and parameter.mean() > 0.5 else 0))
    return module.eval()


def i2vgen_unet(**changes: object) -> torch.nn.Module:
    from diffusers import I2VGenXLUNet

    return randomize(I2VGenXLUNet(**{**BLOCKS, **changes}))


def modelscope_unet(**changes: object) -> torch.nn.Module:
    from diffusers import UNet3DConditionModel

    return randomize(UNet3DConditionModel(**{**BLOCKS, **changes}))


def unet_config(unet: torch.nn.Module) -> dict:
    return {"_class_name": type(unet).__name__, **unet.config}


def inputs(batch: int, frames: int, height: int, width: int, channels: int = 4, seed: int = 1) -> dict:
    """What VideoUNet.forward takes, random."""
    generator = torch.Generator().manual_seed(seed)

    def randn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    return {
        "x": randn(batch, channels, frames, height, width),
        "timesteps": torch.arange(1, batch + 1) * 250 + 1,
        "context": randn(batch, 7, BLOCKS["cross_attention_dim"]),
        "image_latents": randn(batch, 4, frames, height, width),
        "image_embeds": randn(batch, 1, BLOCKS["cross_attention_dim"]),
        "fps": torch.full((batch,), 8.0),
    }
