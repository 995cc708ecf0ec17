"""The host's IMAGE and MASK on one side, the library's uint8 frames and bool masks on the other."""

from __future__ import annotations

import torch
from torch import Tensor

from ..pointvid.errors import PointVidError


class ImageFrames:
    """An IMAGE [T, H, W, C] as the library's video: uint8 RGB frames made one at a time, on the device asked for.

    Long clips are not copied as a whole. Grey becomes RGB; alpha is dropped, as core's nodes do.
    """

    def __init__(self, image: Tensor, device: torch.device | str = "cpu"):
        if image.ndim != 4 or image.shape[-1] not in (1, 3, 4):
            raise PointVidError(f"image is {list(image.shape)}, expected IMAGE [frames, height, width, channels]")
        self._image = image
        self._device = device

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, H, W, 3)."""
        return (*self._image.shape[:3], 3)

    def __len__(self) -> int:
        return self._image.shape[0]

    def __getitem__(self, index: int) -> Tensor:
        """Frame `index`, uint8 [H, W, 3]."""
        return to_uint8(self._image[index]).to(self._device)


def to_uint8(image: Tensor) -> Tensor:
    """IMAGE values [..., C] in [0, 1] -> uint8 [..., 3]."""
    rgb = image[..., :3] if image.shape[-1] >= 3 else image[..., :1].expand(*image.shape[:-1], 3)
    return rgb.mul(255).round().clamp(0, 255).to(torch.uint8)


def to_image(frames: Tensor) -> Tensor:
    """uint8 frames [T, H, W, 3] -> IMAGE, float32 in [0, 1] on the CPU."""
    return frames.cpu().float().div_(255)


def check_clip(image: ImageFrames | None, frames: int, what: str) -> None:
    """Raise PointVidError unless the input `image` has as many frames as the input `what`."""
    if image is not None and len(image) != frames:
        raise PointVidError(
            f"image has {len(image)} frames, {what} has {frames}; expected the clip that was tracked, or none"
        )
