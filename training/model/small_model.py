"""A small model of the full-size model's classes, from scratch: UNet, AutoencoderKL, two CLIP towers, tokenizer."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, CLIPVisionConfig, CLIPVisionModelWithProjection

from pointvid.diffusion.bases.unet.config import UNetConfig
from pointvid.diffusion.bases.unet.encoders import published_weights
from pointvid.diffusion.bases.unet.i2vgen import I2VGenXL
from pointvid.diffusion.bases.unet.joint import JointConfig, JointUNet
from pointvid.diffusion.checkpoint import Checkpoint, CheckpointInfo
from pointvid.diffusion.process import Diffusion
from pointvid.errors import PointVidError
from pointvid.points.point_range import PointRange

from .small_model_config import Autoencoder, SmallModel
from .vae_start import start_as_resizer

# Of OpenAI's CLIP: what image encoders in hosts expect.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_SPECIAL = ("<|startoftext|>", "<|endoftext|>")


def joint_config(small: SmallModel) -> JointConfig:
    """The joint UNet's shape."""
    return JointConfig(UNetConfig(**small.unet.model_dump()), small.entry_attention)


def make_vae(config: Autoencoder) -> AutoencoderKL:
    """Stable Diffusion's layout: 4 latent channels, attention in the middle. Starts as `vae_start` says."""
    levels = len(config.channels)
    vae = AutoencoderKL(
        block_out_channels=config.channels,
        layers_per_block=config.layers_per_block,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=4,
        norm_num_groups=config.groups,
    )
    if min(config.channels) >= 12:
        start_as_resizer(vae)
    return vae


def load_vae(path: Path) -> AutoencoderKL:
    """A diffusers folder, in eval mode."""
    try:
        return AutoencoderKL.from_pretrained(path, local_files_only=True).eval()
    except Exception as error:  # whatever the library raises for a bad folder
        raise PointVidError(f"vae {path}: cannot be read ({' '.join(str(error).split())[:160]})") from error


def make_text_encoder(small: SmallModel, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Random weights, as wide as the UNet's context."""
    text = small.text
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=text.width,
        intermediate_size=4 * text.width,
        projection_dim=small.unet.cross_attention_dim,
        num_hidden_layers=text.layers,
        num_attention_heads=text.heads,
        max_position_embeddings=text.tokens,
        hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def make_image_encoder(small: SmallModel) -> CLIPVisionModelWithProjection:
    """Random weights; projects to the width of the UNet's context."""
    image = small.image
    config = CLIPVisionConfig(
        hidden_size=image.width,
        intermediate_size=4 * image.width,
        projection_dim=small.unet.cross_attention_dim,
        num_hidden_layers=image.layers,
        num_attention_heads=image.heads,
        image_size=image.size,
        patch_size=image.patch,
        hidden_act="gelu",
    )
    return CLIPVisionModelWithProjection(config)


def tokenizer_files(words: list[str]) -> dict[str, bytes]:
    """vocab.json and merges.txt of a CLIP tokenizer to which each of `words` is one token.

    A byte-pair encoding whose merges build exactly these words, letter by letter; any other word is spelled out in
    letters, so every prompt has tokens, and any program that reads CLIP tokenizers reads this one.
    """
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + [*"0123456789.,'!?-"]
    vocabulary = letters + [f"{letter}</w>" for letter in letters]
    merges: list[tuple[str, str]] = []
    for word in dict.fromkeys(word.lower() for word in words):
        left = word[0]
        for right in [*word[1:-1], f"{word[-1]}</w>"] if len(word) > 1 else []:
            if (left, right) not in merges:
                merges.append((left, right))
                vocabulary.append(left + right)
            left += right
    vocabulary = [*dict.fromkeys(vocabulary), *_SPECIAL]
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges), ""]
    return {
        "vocab.json": json.dumps({token: i for i, token in enumerate(vocabulary)}).encode(),
        "merges.txt": "\n".join(lines).encode(),
        "tokenizer_config.json": json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}).encode(),
    }


def load_tokenizer(files: dict[str, bytes], tokens: int) -> CLIPTokenizer:
    """The tokenizer in `files`; prompts are cut and padded to `tokens`."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        return CLIPTokenizer.from_pretrained(folder, model_max_length=tokens)


def as_tensors(files: dict[str, bytes]) -> dict[str, Tensor]:
    """Files as a checkpoint holds them: uint8 tensors."""
    return {name: torch.frombuffer(bytearray(content), dtype=torch.uint8) for name, content in files.items()}


def make_small_model(small: SmallModel, vae: AutoencoderKL, seed: int) -> Checkpoint:
    """An all-in-one checkpoint with random denoiser and encoders and a trained VAE: what stage 1 starts from.

    The denoiser is random throughout, not a widened base: from scratch there is no base to keep.
    """
    torch.manual_seed(seed)
    files = tokenizer_files(small.words)
    tokenizer = load_tokenizer(files, small.text.tokens)
    text, image = make_text_encoder(small, tokenizer), make_image_encoder(small)
    config = joint_config(small)
    unet = JointUNet(config)
    for weight in (unet.conv_out.weight, unet.conv_out.bias):
        torch.nn.init.zeros_(weight)  # starts from predicting zero, the mean of the target
    size = {"height": small.image.size, "width": small.image.size}
    info = CheckpointInfo(
        base=I2VGenXL.name,
        config=config,
        process=Diffusion(timestep_spacing="trailing"),  # starts where training ends, however few the steps
        resolution=small.resolution,
        frames=small.frames,
        fps=small.fps,
        point_range=PointRange(**small.point_range.model_dump()),
        configs={
            "vae": {"_class_name": "AutoencoderKL", **_plain(dict(vae.config))},
            "text_encoder": _plain(text.config.to_dict()),
            "image_encoder": _plain(image.config.to_dict()),
            "image_processor": {"crop_size": size, "size": size, "image_mean": CLIP_MEAN, "image_std": CLIP_STD},
        },
    )
    parts = {
        "vae": published_weights(vae, "vae"),
        "text_encoder": published_weights(text, "text_encoder"),
        "image_encoder": published_weights(image, "image_encoder"),
        "tokenizer": as_tensors(files),
    }
    return Checkpoint(info, dict(unet.state_dict()), parts)


def _plain(config: dict) -> dict:
    """Only what JSON holds."""
    return json.loads(json.dumps({key: value for key, value in config.items() if not key.startswith("_")}, default=str))
