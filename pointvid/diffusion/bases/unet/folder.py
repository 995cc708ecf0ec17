"""The published folders of the video UNets, in diffusers' layout: read, and written back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ....errors import PointVidError
from ....progress import Progress
from ...folders import cast, component_weights, files_as_tensors, read_json, write_component, write_json
from ...process import process_from_diffusers
from ..base import PublishedFolder
from .config import UNetConfig
from .joint import JointConfig

if TYPE_CHECKING:
    from ...checkpoint import Checkpoint

_CLASSES = {
    "text_encoder": ("transformers", "CLIPTextModel"),
    "image_encoder": ("transformers", "CLIPVisionModelWithProjection"),
    "tokenizer": ("transformers", "CLIPTokenizer"),
    "feature_extractor": ("transformers", "CLIPImageProcessor"),
    "vae": ("diffusers", "AutoencoderKL"),
}
# How files saved before 2023 name the parts of the VAE's attention.
_OLD_VAE_NAMES = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


def is_folder_of(folder: Path, unet_class: str) -> bool:
    """Whether its UNet is of that class of diffusers."""
    path = folder / "unet" / "config.json"
    return path.is_file() and read_json(path).get("_class_name") == unet_class


def read_unet_folder(
    folder: Path, parts: list[str], entry_attention: str, dtype: torch.dtype | None, progress: Progress
) -> PublishedFolder:
    """unet/, scheduler/, and `parts`; with any of them, the tokenizer and the image processor too.

    Raises:
        PointVidError: something is missing or not what it should be.
    """
    config = UNetConfig.from_diffusers(read_json(folder / "unet" / "config.json"))
    total = len(parts) + 1
    progress(0, total, "reading unet")
    unet = cast(component_weights(folder / "unet", dtype), dtype)
    process = process_from_diffusers(read_json(folder / "scheduler" / "scheduler_config.json"))
    weights, configs = {}, {}
    for done, name in enumerate(parts, 1):
        progress(done, total, f"reading {name}")
        weights[name] = cast(_published_names(name, component_weights(folder / name, dtype)), dtype)
        configs[name] = read_json(folder / name / "config.json")
    if parts:
        weights["tokenizer"] = files_as_tensors(folder / "tokenizer", "vocab.json and merges.txt")
        if config.image_conditioning:
            configs["image_processor"] = read_json(folder / "feature_extractor" / "preprocessor_config.json")
    progress(total, total, "read")
    return PublishedFolder(JointConfig(config, entry_attention), unet, process, weights, configs)


def write_unet_folder(checkpoint: Checkpoint, unet: Mapping[str, Tensor], pipeline: str, folder: Path) -> None:
    """The inverse, for the base part `unet` of a joint model."""
    info = checkpoint.info
    config = info.config.unet.to_diffusers()
    index: dict[str, Any] = {"_class_name": pipeline}
    write_component(folder / "unet", "diffusion_pytorch_model", unet, config)
    write_json(folder / "scheduler" / "scheduler_config.json", info.process.to_diffusers())
    index["unet"] = ["diffusers", config["_class_name"]]
    index["scheduler"] = ["diffusers", info.process.to_diffusers()["_class_name"]]
    for name, part in checkpoint.parts.items():
        if name not in _CLASSES:
            raise PointVidError(f"checkpoint holds {name}, which has no place in the published layout")
        index[name] = list(_CLASSES[name])
        if name == "tokenizer":
            (folder / name).mkdir(parents=True)
            for file, data in part.items():
                (folder / name / Path(file).name).write_bytes(data.numpy().tobytes())
        else:
            stem = "diffusion_pytorch_model" if name == "vae" else "model"
            write_component(folder / name, stem, part, info.configs[name])
    if "image_processor" in info.configs:
        index["feature_extractor"] = list(_CLASSES["feature_extractor"])
        write_json(folder / "feature_extractor" / "preprocessor_config.json", info.configs["image_processor"])
    write_json(folder / "model_index.json", index)


def _published_names(part: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names as in the published folders, whichever version of the libraries saved them."""
    renamed = {}
    for key, value in weights.items():
        if key.endswith("position_ids"):  # a constant that old files hold
            continue
        if part == "text_encoder" and not key.startswith(("text_model.", "text_projection.")):
            key = f"text_model.{key}"
        if part == "vae" and ".attentions." in key:
            for old, new in _OLD_VAE_NAMES.items():
                key = key.replace(old, new)
        renamed[key] = value
    return renamed
