"""SAM 2 through transformers: boxes in a frame -> a mask of what is in each box."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import PointVidError
from ..memory import memory_error, run_in_chunks
from ..progress import Progress, silent
from ..weights.check import check_keys
from ..weights.pretrained import load_pretrained
from .sam2_weights import SOURCE, config_of, from_meta, read_meta_weights

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ADVICE = "use a smaller SAM 2 (tiny), close other programs, or compute on the CPU"
CHUNK = 32
"""Boxes decoded at a time."""


class Sam2:
    """Masks of boxes, each box its own.

    Args:
        path: a folder in transformers' layout, or a `.pt` or `.safetensors` file in Meta's.
        device: where the network runs; None is where the frame is.
    Raises:
        PointVidError: no such weights, or not all of them.
    """

    def __init__(self, path: str | PathLike, device: str | torch.device | None = None) -> None:
        self.net: Any = load_sam2(path)
        self.device = device

    @torch.no_grad()
    def masks(self, image: Tensor, boxes: Tensor, progress: Progress = silent) -> Tensor:
        """bool [K, H, W] for `image` uint8 [H, W, 3] and `boxes` float32 [K, 4] (left, top, right, bottom), pixels.

        As Meta's predictor with one box a mask: one mask a box, the most stable where the first choice is not.

        Raises:
            PointVidError: not enough memory, even for one box at a time.
        """
        device = torch.device(self.device or image.device)
        self.net.to(device)
        height, width = image.shape[:2]
        side = self.net.config.prompt_encoder_config.image_size
        with memory_error(f"encoding the frame for SAM 2 at {side}x{side}", ADVICE):
            features = self.net.get_image_embeddings(_prepared(image.to(device), side))
        scale = boxes.new_tensor([side / width, side / height] * 2)
        scaled = (boxes * scale).to(device)
        found: list[Tensor] = []
        done = 0

        def decode(chunk: int) -> None:
            nonlocal done
            while done < len(boxes):
                progress(done, len(boxes), "masks")
                some = scaled[None, done : done + chunk]
                logits = self.net(image_embeddings=features, input_boxes=some, multimask_output=False).pred_masks[0]
                logits = F.interpolate(logits.float(), (height, width), mode="bilinear", align_corners=False)
                found.append((logits[:, 0] > 0).to(image.device))
                done += some.shape[1]

        run_in_chunks(decode, CHUNK, "decoding masks", ADVICE)
        progress(len(boxes), len(boxes), "masks")
        return torch.cat(found) if found else torch.zeros(0, height, width, dtype=torch.bool, device=image.device)


def load_sam2(path: str | PathLike) -> nn.Module:
    """`transformers.Sam2Model` from any of the layouts that `Sam2` takes; in evaluation mode, on the CPU.

    Raises:
        PointVidError: no such weights, or not all of them.
    """
    path = Path(path)
    if path.is_dir():
        return load_pretrained("Sam2Model", path, "SAM 2 in transformers' layout, like facebook/sam2.1-hiera-tiny")
    state = read_meta_weights(path)
    return build_sam2(from_meta(state), config_of(state), path.name)


def build_sam2(state: dict[str, Tensor], config: dict, name: str) -> nn.Module:
    """`transformers.Sam2Model` with these settings and weights.

    Raises:
        PointVidError: transformers is too old, or tensors are missing, unknown or of another shape; they are listed.
    """
    if not hasattr(transformers, "Sam2Model"):
        raise PointVidError(f"transformers {transformers.__version__} has no SAM 2, expected 4.57 or newer; update it")
    with torch.device("meta"):
        net = transformers.Sam2Model(transformers.Sam2Config(**config))
    check_keys(state, net, f"{name} ({SOURCE})")
    net.load_state_dict(state, assign=True)
    return net.eval().requires_grad_(False)


def _prepared(image: Tensor, side: int) -> Tensor:
    """uint8 [H, W, 3] -> float32 [1, 3, side, side], scaled and normalised as in training."""
    pixels = image.permute(2, 0, 1)[None].float() / 255
    pixels = F.interpolate(pixels, (side, side), mode="bilinear", align_corners=False, antialias=True)
    mean, deviation = (pixels.new_tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
    return (pixels - mean) / deviation
