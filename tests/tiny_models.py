"""Tiny random networks with the structure of the published ones, built by diffusers and transformers."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

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


def text_encoder() -> torch.nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel

    return randomize(
        CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(VOCABULARY),
                hidden_size=BLOCKS["cross_attention_dim"],
                intermediate_size=32,
                num_hidden_layers=3,
                num_attention_heads=2,
                max_position_embeddings=77,
                bos_token_id=0,
                eos_token_id=1,
                pad_token_id=1,
            )
        )
    )


def image_encoder() -> torch.nn.Module:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return randomize(
        CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                image_size=32,
                patch_size=8,
                projection_dim=BLOCKS["cross_attention_dim"],
            )
        )
    )


def vae() -> torch.nn.Module:
    from diffusers import AutoencoderKL

    channels = (32, 32, 64, 64)  # ComfyUI's VAE is built with 32 groups, and only then told of another number
    return randomize(
        AutoencoderKL(
            block_out_channels=channels,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            norm_num_groups=4,
        )
    )


VOCABULARY = ["<|startoftext|>", "<|endoftext|>", "!", "!</w>", *"abdegklor", *(f"{c}</w>" for c in "abdegklor")]
IMAGE_PROCESSOR = {
    "crop_size": {"height": 32, "width": 32},
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_processor_type": "CLIPImageProcessor",
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "size": {"shortest_edge": 32},
}
SCHEDULERS = {
    "I2VGenXLUNet": {
        "beta_schedule": "squaredcos_cap_v2",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "clip_sample": False,
        "num_train_timesteps": 1000,
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "set_alpha_to_one": True,
        "steps_offset": 1,
        "timestep_spacing": "leading",
    },
    "UNet3DConditionModel": {
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "clip_sample": False,
        "num_train_timesteps": 1000,
        "prediction_type": "epsilon",
        "set_alpha_to_one": False,
        "steps_offset": 1,
    },
}


def published_folder(folder: Path, unet: torch.nn.Module, variant: str | None = None, **saving: object) -> Path:
    """A model folder in the layout of ali-vilab/i2vgen-xl (or ModelScope's): its files, its keys, random weights."""
    from diffusers import DDIMScheduler

    image = type(unet).__name__ == "I2VGenXLUNet"
    parts = {"unet": unet, "vae": vae(), "text_encoder": text_encoder()}
    if image:
        parts["image_encoder"] = image_encoder()
    for name, part in parts.items():
        if variant == "fp16":
            part = part.half()
        part.save_pretrained(folder / name, variant=variant, **(saving if name == "unet" else {}))
    # the published text encoder dates from before transformers 5 dropped this prefix
    (file,) = (folder / "text_encoder").glob("*.safetensors")
    weights = {f"text_model.{key.removeprefix('text_model.')}": value for key, value in load_file(file).items()}
    save_file(weights, file, {"format": "pt"})
    DDIMScheduler(**SCHEDULERS[type(unet).__name__]).save_pretrained(folder / "scheduler")
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir()
    vocabulary = {token: index for index, token in enumerate(VOCABULARY)}
    (tokenizer / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (tokenizer / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    if image:
        (folder / "feature_extractor").mkdir()
        processor = folder / "feature_extractor" / "preprocessor_config.json"
        processor.write_text(json.dumps(IMAGE_PROCESSOR), encoding="utf-8")
    return folder
