"""Grounding DINO's boxes, SAM 2's masks: the segmenter of the paper's Appendix A."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import PointVidError
from ..progress import Progress, silent
from ..weights.pretrained import model_type
from .base import Objects, check_request
from .grounding_dino import GroundingDino
from .sam2 import Sam2

SAM2_TYPES = ("sam2", "sam2_video")


class GroundedSam2:
    """Names of objects -> a mask of each.

    Args:
        detector: finds the boxes.
        masker: fills them.
        box_threshold: boxes below this score are dropped; lower finds more, and more that is not there.
        text_threshold: how well a label must fit its box to give its name to it.
        overlap: of two boxes that share more than this (intersection over union), the better one is kept.
        most: how many objects at most; the best by score are kept, and `Objects.notice` says so.
    """

    def __init__(
        self,
        detector: GroundingDino,
        masker: Sam2,
        box_threshold: float = 0.35,
        text_threshold: float = 0.25,
        overlap: float = 0.8,
        most: int = 100,
    ) -> None:
        self.detector, self.masker = detector, masker
        self.box_threshold, self.text_threshold = box_threshold, text_threshold
        self.overlap, self.most = overlap, most

    def segment(self, image: Tensor, labels: Sequence[str], progress: Progress = silent) -> Objects:
        """As `Segmenter.segment`.

        Raises:
            PointVidError: no label is given, none is found (they are listed), or not enough memory.
        """
        names = check_request(image, labels)
        found = self.detector.detect(image, names, self.box_threshold, self.text_threshold, progress)
        kept = keep_distinct(found.boxes, self.overlap)
        notices = [found.notice] if found.notice else []
        if len(kept) > self.most:
            notices.append(f"{len(kept)} objects found, the best {self.most} are kept")
            kept = kept[: self.most]
        boxes = found.boxes[kept]
        masks = self.masker.masks(image, boxes, progress)
        full = masks.flatten(1).any(1)
        kept, boxes, masks = kept[full], boxes[full], masks[full]
        if not len(kept):
            raise PointVidError(
                f"found none of: {', '.join(names)}; lower the box threshold ({self.box_threshold:g}), "
                "use plainer labels, or give a mask"
            )
        return Objects([found.labels[k] for k in kept.tolist()], found.scores[kept], boxes, masks, "; ".join(notices))


def keep_distinct(boxes: Tensor, overlap: float) -> Tensor:
    """Index of the boxes that share at most `overlap` with every better one; `boxes` [K, 4] come best first."""
    left_top = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    right_bottom = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = (right_bottom - left_top).clamp(min=0).prod(-1)
    area = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(-1)
    same = (shared > overlap * (area[:, None] + area - shared)).cpu()
    kept: list[int] = []
    for k in range(len(boxes)):
        if not same[k, kept].any():
            kept.append(k)
    return torch.tensor(kept, dtype=torch.long, device=boxes.device)


def load_grounded_sam2(
    folder: str | PathLike, device: str | torch.device | None = None, **options: Any
) -> GroundedSam2:
    """The segmenter whose two models lie below one folder, such as ComfyUI's `models`.

    Args:
        folder: holds, itself or up to two folders below, Grounding DINO in transformers' layout, and SAM 2 in that
            layout or as Meta's `.pt` or `.safetensors` file with "sam2" in its name.
        options: of `GroundedSam2`.
    Raises:
        PointVidError: one of the two is not there, or cannot be read.
    """
    detector, masker = find_models(folder)
    return GroundedSam2(GroundingDino(detector, device), Sam2(masker, device), **options)


def find_models(folder: str | PathLike) -> tuple[Path, Path]:
    """(folder of Grounding DINO, folder or file of SAM 2); where there are several, the first by name.

    Raises:
        PointVidError: one of the two is not there.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PointVidError(f"segmenter is {folder}, expected a folder that holds Grounding DINO and SAM 2")
    below = [folder, *sorted(folder.glob("*")), *sorted(folder.glob("*/*"))]
    kinds = {path: model_type(path) for path in below if path.is_dir()}
    detectors = [path for path, kind in kinds.items() if kind == "grounding-dino"]
    maskers = [path for path, kind in kinds.items() if kind in SAM2_TYPES]
    maskers += [path for path in below if path.suffix in (".pt", ".safetensors") and path.is_file() and _is_sam2(path)]
    if not detectors or not maskers:
        lacking = " and ".join(name for name, found in (("Grounding DINO", detectors), ("SAM 2", maskers)) if not found)
        raise PointVidError(
            f"segmenter {folder} holds no {lacking}, expected grounding-dino-tiny and sam2.1-hiera-* below it; "
            "docs/perception.md tells where they are published"
        )
    return detectors[0], maskers[0]


def _is_sam2(path: Path) -> bool:
    return any(name in path.name.lower() for name in ("sam2", "sam_2"))
