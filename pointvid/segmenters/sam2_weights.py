"""SAM 2 weights as Meta publishes them, and as ComfyUI users keep them, made into those of transformers.

The four published sizes are told by the width and the number of blocks of their image encoder; SAM 2 and SAM 2.1 differ
only in parts that follow objects through a video, which a first frame does not need.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor

from ..errors import PointVidError
from ..weights.read import read_state_dict

SOURCE = "SAM 2 or 2.1 weights: sam2.1_hiera_*.pt of facebookresearch/sam2 (Apache 2.0), or the same as safetensors"
PREFIXES = ("image_encoder.", "sam_mask_decoder.", "sam_prompt_encoder.", "no_mem_embed")
"""Beginnings of the keys that the segmentation of one image needs; the others follow objects through a video."""


@dataclass(frozen=True)
class Size:
    """What the tensors of an image encoder do not tell of it.

    Attributes:
        stages: blocks in each of the four stages.
        heads: attention heads in each stage.
        windows: side of the attention windows in each stage.
        everywhere: blocks that attend to the whole image.
    """

    stages: tuple[int, ...]
    heads: tuple[int, ...]
    windows: tuple[int, ...]
    everywhere: tuple[int, ...]


SIZES = {
    (96, 12): Size((1, 2, 7, 2), (1, 2, 4, 8), (8, 4, 14, 7), (5, 7, 9)),
    (96, 16): Size((1, 2, 11, 2), (1, 2, 4, 8), (8, 4, 14, 7), (7, 10, 13)),
    (112, 24): Size((2, 3, 16, 3), (2, 4, 8, 16), (8, 4, 14, 7), (12, 16, 20)),
    (144, 48): Size((2, 6, 36, 4), (2, 4, 8, 16), (8, 4, 16, 8), (23, 33, 43)),
}
"""(width, blocks) of tiny, small, base plus and large, as published."""


def read_meta_weights(path: str | PathLike) -> dict[str, Tensor]:
    """The state dict of a `.pt` or `.safetensors` file in Meta's layout; nothing in the file is executed.

    Raises:
        PointVidError: no file, or no SAM 2 weights in it.
    """
    state = read_state_dict(path, SOURCE)
    if not any(key.startswith("sam_mask_decoder.") for key in state):
        raise PointVidError(f"{Path(path).name} holds no SAM 2, expected {SOURCE}")
    return {key: value for key, value in state.items() if key.startswith(PREFIXES)}


def config_of(state: dict[str, Tensor], image_size: int = 1024, sizes: dict[tuple[int, int], Size] = SIZES) -> dict:
    """The settings of `transformers.Sam2Config` for weights in Meta's layout.

    Args:
        image_size: side of the square that images are scaled to; published weights are for 1024.
    Raises:
        PointVidError: an image encoder of none of `sizes`.
    """
    trunk = "image_encoder.trunk."
    try:
        width = state[trunk + "patch_embed.proj.weight"].shape[0]
        background = list(state[trunk + "pos_embed"].shape[-2:])
        neck = state["image_encoder.neck.convs.0.conv.weight"].shape[0]
    except KeyError as error:
        raise PointVidError(f"the weights lack {error.args[0]}, expected {SOURCE}") from error
    blocks = len({key.split(".")[3] for key in state if key.startswith(trunk + "blocks.")})
    if (width, blocks) not in sizes:
        known = ", ".join(f"{w} wide with {b} blocks" for w, b in sizes)
        raise PointVidError(f"the image encoder is {width} wide with {blocks} blocks, expected one of: {known}")
    size = sizes[width, blocks]
    widths = [width * 2**stage for stage in range(4)]
    sides = [image_size // 4, image_size // 8, image_size // 16]
    prompt = {"hidden_size": neck, "image_size": image_size}
    return {
        "vision_config": {
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "hidden_size": width,
                "num_attention_heads": size.heads[0],
                "image_size": [image_size, image_size],
                "window_positional_embedding_background_size": background,
                "blocks_per_stage": list(size.stages),
                "embed_dim_per_stage": widths,
                "num_attention_heads_per_stage": list(size.heads),
                "window_size_per_stage": list(size.windows),
                "global_attention_blocks": list(size.everywhere),
            },
            "backbone_channel_list": widths[::-1],
            "backbone_feature_sizes": [[side, side] for side in sides],
            "fpn_hidden_size": neck,
        },
        "prompt_encoder_config": prompt,
        "mask_decoder_config": {"hidden_size": neck},
    }


_RENAMED = (
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"^image_encoder\.neck\.convs\.(\d+)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"^sam_prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
    (r"^sam_prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
    (r"^sam_prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
    (r"^sam_prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
    (r"^sam_prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
    (r"^sam_prompt_encoder\.", "prompt_encoder."),
    (r"^sam_mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
    (r"^sam_mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
    (r"^sam_mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
    (r"^sam_mask_decoder\.", "mask_decoder."),
    (r"^no_mem_embed$", "no_memory_embedding"),
    (r"\.patch_embed\.proj\.", ".patch_embed.projection."),
    (r"\.out_proj\.", ".o_proj."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"\.norm(\d)\.", r".layer_norm\1."),
)
# Meta numbers the layers of a perceptron; transformers names the first and the last.
_TWO_LAYERS = re.compile(r"\.mlp\.layers\.([01])\.")
_THREE_LAYERS = re.compile(r"(_head|output_hypernetworks_mlps\.\d+)\.layers\.([012])\.")
_POSITIONS = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_CORNERS = re.compile(r"^sam_prompt_encoder\.point_embeddings\.(\d)\.weight$")


def from_meta(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights in Meta's layout -> in that of `transformers.Sam2Model`, in float32."""
    converted: dict[str, Tensor] = {}
    corners: dict[int, Tensor] = {}
    for key, value in state.items():
        value = value.float()
        if key == _POSITIONS:
            converted["shared_image_embedding.positional_embedding"] = value
            converted["prompt_encoder.shared_embedding.positional_embedding"] = value.clone()
        elif corner := _CORNERS.match(key):
            corners[int(corner[1])] = value
        else:
            converted[_renamed(key)] = value
    if corners:
        converted["prompt_encoder.point_embed.weight"] = torch.cat([corners[index] for index in sorted(corners)])
    return converted


def _renamed(key: str) -> str:
    for pattern, replacement in _RENAMED:
        key = re.sub(pattern, replacement, key)
    key = _TWO_LAYERS.sub(lambda found: f".mlp.{('proj_in', 'proj_out')[int(found[1])]}.", key)
    return _THREE_LAYERS.sub(lambda found: f"{found[1]}.{('proj_in', 'layers.0', 'proj_out')[int(found[2])]}.", key)
