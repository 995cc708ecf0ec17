"""What every segmenter is: a frame and names of objects in, a mask of each object out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..errors import PointVidError
from ..progress import Progress, silent


@dataclass(frozen=True, eq=False)
class Objects:
    """K objects found in one frame, best score first. All tensors are on one device.

    Attributes:
        labels: K names, each one of those asked for; a name may come several times.
        scores: float32 [K], 0 to 1.
        boxes: float32 [K, 4], (left, top, right, bottom) in pixels of the frame, edges: a frame spans 0..W, 0..H.
        masks: bool [K, H, W]. Masks may overlap.
        notice: what the user should know of how they were found, one line; empty where there is nothing to say.
    """

    labels: list[str]
    scores: Tensor
    boxes: Tensor
    masks: Tensor
    notice: str = ""

    def __post_init__(self) -> None:
        count = len(self.labels)
        shapes = [list(value.shape) for value in (self.scores, self.boxes, self.masks)]
        if shapes != [[count], [count, 4], [count, *shapes[2][1:]]] or len(shapes[2]) != 3:
            raise PointVidError(
                f"{count} labels with scores {shapes[0]}, boxes {shapes[1]} and masks {shapes[2]}; "
                "expected [K], [K, 4] and [K, H, W]"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def mask(self) -> Tensor:
        """bool [H, W]: the pixels of any object."""
        return self.masks.any(0)

    @property
    def object_map(self) -> Tensor:
        """int32 [H, W]: 0 is background, k + 1 is object k. Where masks overlap the smaller object is in front.

        A bat covers part of its player, not the other way round.
        """
        ids = torch.zeros(self.masks.shape[1:], dtype=torch.int32, device=self.masks.device)
        for k in self.masks.flatten(1).sum(1).argsort(descending=True, stable=True).tolist():
            ids[self.masks[k]] = k + 1
        return ids

    def to(self, device: torch.device | str) -> Objects:
        """The same on another device."""
        tensors = (value.to(device) for value in (self.scores, self.boxes, self.masks))
        return Objects(self.labels, *tensors, self.notice)


class Segmenter(Protocol):
    """Finds objects by name."""

    def segment(self, image: Tensor, labels: Sequence[str], progress: Progress = silent) -> Objects:
        """Find `labels` in `image`.

        Args:
            image: uint8 [H, W, 3], in a clip its first frame.
            labels: names of objects, as `labels.LabelSource` gives them.
            progress: may raise to cancel.
        Returns:
            At least one object, on the device of `image`.
        Raises:
            PointVidError: no label is given, or none of them is found; they are listed.
        """
        ...


def check_request(image: Tensor, labels: Sequence[str]) -> list[str]:
    """The labels, stripped and each once, in their order.

    Raises:
        PointVidError: `image` is no frame, or `labels` holds no name.
    """
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != torch.uint8 or not image.numel():
        raise PointVidError(f"image is {image.dtype} {list(image.shape)}, expected a frame, uint8 [H, W, 3]")
    if isinstance(labels, str):
        raise PointVidError(f"labels is the text {labels!r}, expected a list of names; split it at the commas")
    names = list(dict.fromkeys(" ".join(str(label).lower().split()) for label in labels))
    names = [name for name in names if name]
    if not names:
        raise PointVidError("labels is empty, expected at least one object to look for, such as 'dog' or 'red car'")
    return names
