"""Grounding DINO through transformers: names of objects -> boxes in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import PointVidError
from ..memory import free_cached, is_out_of_memory, memory_error
from ..progress import Progress, silent
from ..weights.pretrained import load_pretrained, load_processor

SOURCE = "Grounding DINO in transformers' layout, like IDEA-Research/grounding-dino-tiny (Apache 2.0)"
SMALLER = 480
"""Shorter side of the frame, pixels, where memory does not suffice for the 800 of the published models."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """K boxes, best score first.

    Attributes:
        labels: K of the names asked for.
        scores: float32 [K].
        boxes: float32 [K, 4], (left, top, right, bottom) in pixels, inside of the frame.
        notice: what memory made it do; else empty.
    """

    labels: list[str]
    scores: Tensor
    boxes: Tensor
    notice: str = ""


class GroundingDino:
    """Finds named things, each time they occur.

    Args:
        folder: in transformers' layout, with the tokenizer and the image processor.
        device: where the network runs; None is where the frame is.
    Raises:
        PointVidError: no such folder, or weights, tokenizer or processor are missing.
    """

    def __init__(self, folder: str | PathLike, device: str | torch.device | None = None) -> None:
        self.net: Any = load_pretrained("GroundingDinoForObjectDetection", folder, SOURCE)
        folder = Path(folder)
        # Without its files transformers makes a tokenizer that knows no word.
        if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.txt")):
            raise PointVidError(f"{folder} holds no tokenizer.json or vocab.txt, expected the whole of {SOURCE}")
        self._tokenizer = load_processor("AutoTokenizer", folder, f"the whole of {SOURCE}")
        self._processor = load_processor("AutoImageProcessor", folder, f"the whole of {SOURCE}")
        self.device = device

    @torch.no_grad()
    def detect(
        self,
        image: Tensor,
        labels: Sequence[str],
        box_threshold: float = 0.35,
        text_threshold: float = 0.25,
        progress: Progress = silent,
    ) -> Boxes:
        """Every box whose best word scores above `box_threshold`, under the label it fits best.

        Args:
            image: uint8 [H, W, 3].
            labels: names, in lower case. Many are asked for in several passes: a text holds 256 tokens.
            text_threshold: a label must score above it, as the mean over its words, to give its name to a box.
        Raises:
            PointVidError: a label that no text can hold, or not enough memory for a smaller frame either.
        """
        device = torch.device(self.device or image.device)
        self.net.to(device)
        texts = self._texts(labels)
        found: list[tuple[list[str], Tensor, Tensor]] = []
        notice = ""
        for done, names in enumerate(texts):
            progress(done, len(texts), "boxes")
            try:
                found.append(self._look(image, names, device, box_threshold, text_threshold))
                continue
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            free_cached()  # outside of the except block, which keeps the failed pass's tensors alive
            notice = f"memory was short: the frame was searched at {SMALLER} pixels instead of the model's own size"
            with memory_error(
                f"searching the frame with Grounding DINO at {SMALLER} pixels",
                "use grounding-dino-tiny, close other programs, or compute on the CPU",
            ):
                found.append(self._look(image, names, device, box_threshold, text_threshold, SMALLER))
        progress(len(texts), len(texts), "boxes")
        names = [name for some, _, _ in found for name in some]
        scores = torch.cat([score for _, score, _ in found]).to(image.device)
        boxes = torch.cat([box for _, _, box in found]).to(image.device)
        order = scores.argsort(descending=True, stable=True)
        return Boxes([names[k] for k in order.tolist()], scores[order], boxes[order], notice)

    def _look(
        self,
        image: Tensor,
        names: list[str],
        device: torch.device,
        box_threshold: float,
        text_threshold: float,
        side: int | None = None,
    ) -> tuple[list[str], Tensor, Tensor]:
        """One pass: (labels, scores [K], boxes [K, 4])."""
        height, width = image.shape[:2]
        text, spans = _text(names)
        tokens = self._tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
        offsets = tokens.pop("offset_mapping")[0].tolist()
        options = {} if side is None else {"size": {"shortest_edge": side, "longest_edge": 2 * side}}
        pixels = self._processor(images=image.cpu().permute(2, 0, 1), return_tensors="pt", **options)
        output = self.net(**{key: value.to(device) for key, value in {**pixels, **tokens}.items()})
        probability = output.logits[0].float().sigmoid().cpu()
        words = torch.zeros(len(names), probability.shape[1])
        for row, (start, end) in zip(words, spans):
            row[[k for k, (first, last) in enumerate(offsets) if start <= first < last <= end]] = 1
        best_word = (probability[:, None] * words).amax((1, 2))
        fit, which = (probability @ words.T / words.sum(1).clamp(min=1)).max(1)
        u, v, w, h = output.pred_boxes[0].float().cpu().unbind(-1)
        corners = torch.stack((u - w / 2, v - h / 2, u + w / 2, v + h / 2), -1).clamp(0, 1)
        corners = corners * corners.new_tensor([width, height, width, height])
        pixel = ((corners[:, 2:] - corners[:, :2]) >= 1).all(-1)
        kept = (best_word > box_threshold) & (fit > text_threshold) & pixel
        return [names[k] for k in which[kept].tolist()], best_word[kept], corners[kept]

    def _texts(self, labels: Sequence[str]) -> list[list[str]]:
        """The labels in groups that one text can hold each."""
        most = self.net.config.max_text_len
        texts: list[list[str]] = []
        for label in labels:
            if self._length([label]) > most:
                raise PointVidError(f"label {label[:60]!r}... is too long, expected a short name like 'red car'")
            if texts and self._length([*texts[-1], label]) <= most:
                texts[-1].append(label)
            else:
                texts.append([label])
        return texts

    def _length(self, names: list[str]) -> int:
        return len(self._tokenizer(_text(names)[0])["input_ids"])


def _text(names: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """`man. baseball bat.`, and where each name is in it. A full stop ends a name, so those in it become spaces."""
    text, spans = "", []
    for name in names:
        name = name.replace(".", " ").strip()
        spans.append((len(text), len(text) + len(name)))
        text += f"{name}. "
    return text.strip(), spans
