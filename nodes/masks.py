"""The host's MASK as the library's foreground of the first frame.

A graph's habits are kept: a mask of another size is resized, Load Image's empty mask stands for none, and the masks of
a batch are objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ..pointvid.errors import PointVidError

# What Load Image gives for a picture without alpha.
_NONE_SIZE = (64, 64)
_NONE_CAUSE = "Load Image gives such a mask where the picture has no alpha"

# A part of a mask is an object of its own from this many pixels, and this share of the mask, on.
_LEAST_PIXELS, _LEAST_SHARE = 16, 0.02


@dataclass(frozen=True, eq=False)
class Marked:
    """A MASK, read.

    Attributes:
        objects: int32 [H, W], the object of each pixel of the first frame, 0 for the background; None: no mask.
        notes: what a report says of how it was read.
    """

    objects: Tensor | None
    notes: tuple[str, ...] = ()


def mask_from_host(mask: Tensor | None, image_size: tuple[int, int], frames: int, *, split: bool = True) -> Marked:
    """The foreground of frame 0, with an id for each object.

    Args:
        mask: [H,W] or [B,H,W], selected above one half. As many masks as the clip has frames are one a frame, of which
            the first counts; otherwise each mask of a batch is an object, and where two overlap the first has it.
        image_size: (H, W) of the clip; a mask of another size is resized to it.
        frames: of the clip.
        split: whether the separate parts of a single mask are objects of their own.
    Returns:
        No objects for no mask, and for the empty one of Load Image.
    Raises:
        PointVidError: it is no mask, or nothing in it is selected.
    """
    if mask is None:
        return Marked(None)
    if mask.ndim == 4 and 1 in (mask.shape[1], mask.shape[-1]):  # [B,1,H,W], [B,H,W,1]: as some packs give it
        mask = mask.squeeze(1) if mask.shape[1] == 1 else mask.squeeze(-1)
    masks = mask[None] if mask.ndim == 2 else mask
    if masks.ndim != 3 or 0 in masks.shape:
        raise PointVidError(f"mask is {list(mask.shape)}, expected MASK [masks, height, width]")
    selected = masks.cpu() > 0.5
    size = tuple(selected.shape[1:])
    if size == _NONE_SIZE and not selected.any():
        return Marked(None, (f"mask: empty, so read as none ({_NONE_CAUSE})",))
    notes = []
    if size != tuple(image_size):
        was, now = ("x".join(map(str, pair)) for pair in (size, image_size))
        notes.append(f"mask: resized from {was} to the clip's {now} (HxW)")
        selected = torch.nn.functional.interpolate(selected[None].float(), tuple(image_size), mode="nearest-exact")[0]
        selected = selected > 0.5
    if len(selected) == frames > 1 and not _apart(selected):
        notes.append(f"mask: one a frame, the first of {len(selected)} counts")
        selected = selected[:1]
    if not selected.any():
        raise PointVidError("mask selects no pixel above 0.5, expected the foreground of the first frame in white")
    if len(selected) == 1:
        if not split:
            return Marked(selected[0].to(torch.int32), tuple(notes))
        objects = _parts(selected[0])
        if (count := int(objects.max())) > 1:
            notes.append(f"mask: {count} separate parts, each an object of its own")
        return Marked(objects, tuple(notes))
    numbers = torch.arange(1, len(selected) + 1, dtype=torch.int32)
    objects = torch.zeros(image_size, dtype=torch.int32)
    for number, part in zip(numbers.flip(0), selected.flip(0)):
        objects[part] = number
    left = [int(number) for number in numbers if not (objects == number).any()]
    notes.append(f"mask: {len(selected) - len(left)} objects, one a mask")
    if left:
        notes.append(f"mask: nothing of mask {', '.join(map(str, left))} is left: empty, or under an earlier one")
    return Marked(objects, tuple(notes))


def require_mask(mask: Tensor, image_size: tuple[int, int], frames: int) -> Tensor:
    """`mask_from_host` where there has to be one: bool [H, W] of a single mask, int32 [H, W] of a batch of objects.

    Raises:
        PointVidError: as `mask_from_host`, and for the empty mask of Load Image.
    """
    objects = mask_from_host(mask, image_size, frames, split=False).objects
    if objects is None:
        raise PointVidError(
            f"mask is empty ({_NONE_CAUSE}), expected a foreground: draw one in the mask editor, or use Load Image (as "
            "Mask)"
        )
    return objects if objects.max() > 1 else objects != 0


def _apart(selected: Tensor) -> bool:
    """Whether several of the masks select something and no two the same pixel: objects, not one object's frames."""
    return int(selected.flatten(1).any(1).sum()) > 1 and int(selected.sum(0).max()) <= 1


def _parts(selected: Tensor) -> Tensor:
    """int32 [H, W]: the parts of a mask that do not touch, the largest first; specks belong to the nearest part."""
    labels, count = cast(tuple[np.ndarray, int], ndimage.label(selected.numpy(), np.ones((3, 3))))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    order = np.argsort(-sizes, kind="stable")
    large = [i + 1 for i in order if sizes[i] >= max(_LEAST_PIXELS, _LEAST_SHARE * sizes.sum())] or [order[0] + 1]
    number = np.zeros(count + 1, np.int32)
    number[large] = np.arange(1, len(large) + 1)
    parts = number[labels]
    nearest = cast(np.ndarray, ndimage.distance_transform_edt(parts == 0, return_distances=False, return_indices=True))
    return torch.from_numpy(np.where(selected.numpy(), parts[tuple(nearest)], 0).astype(np.int32))
