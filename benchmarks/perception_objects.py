"""Labels read from captions whose labels are known; SAM 2 at its published size beside Meta's implementation."""

from __future__ import annotations

import os

import torch
from torch.nn import functional as F

from pointvid.segmenters.sam2 import Sam2, _prepared, build_sam2
from pointvid.segmenters.sam2_weights import PREFIXES, config_of, from_meta
from tests import caption_scores
from tests import sam2_reference as reference

from .figure import Figure
from .timing import best_ms

SIDE, HEIGHT, WIDTH = 1024, 256, 448


def figures() -> list[Figure]:
    """Of the rule-based extractor, and of SAM 2 where a checkout is named."""
    found = [
        *_labels("hand", caption_scores.hand_labelled(), "captions labelled by hand before the extractor was written"),
        *_labels("synthetic", caption_scores.synthetic(), "captions of the synthetic scenes"),
    ]
    if checkout := os.environ.get("SAM2_REFERENCE"):
        return [*found, *_sam2(checkout)]
    print("sam2.*: not measured, SAM2_REFERENCE names no checkout of facebookresearch/sam2")
    return found


def _labels(name: str, rows: list, context: str) -> list[Figure]:
    recall, precision = caption_scores.scores(rows)
    context = f"{len(rows)} {context}; a label counts when it is exactly right"
    return [
        Figure(f"labels.{name}_recall", recall, "share", context=context),
        Figure(f"labels.{name}_precision", precision, "share", context=context),
    ]


def _sam2(checkout: str) -> list[Figure]:
    """SAM 2.1 tiny, 3 boxes of one frame, each side from pixels to masks."""
    theirs = reference.reference_model(checkout, tiny=False)
    named = {key: value.shape for key, value in theirs.state_dict().items() if key.startswith(PREFIXES)}
    state = reference.seeded_state(named)
    theirs.load_state_dict(state, strict=False)
    ours = Sam2.__new__(Sam2)
    ours.net, ours.device = build_sam2(from_meta(state), config_of(state), "random weights"), None
    frame = reference.seeded_frame(HEIGHT, WIDTH)
    boxes = reference.BOXES * (WIDTH / reference.WIDTH)
    boxes[:, 3] = boxes[:, 3].clamp(max=HEIGHT)
    expected: list[torch.Tensor] = []

    def run_theirs() -> None:
        expected[:] = reference.reference_masks(theirs, frame, boxes)

    reference_ms, ms = best_ms(run_theirs, lambda: ours.masks(frame, boxes), repeats=2)
    features = ours.net.get_image_embeddings(_prepared(frame, SIDE))
    scaled = boxes * torch.tensor([SIDE / WIDTH, SIDE / HEIGHT] * 2)
    logits = ours.net(image_embeddings=features, input_boxes=scaled[None], multimask_output=False).pred_masks[0]
    logits = F.interpolate(logits, (HEIGHT, WIDTH), mode="bilinear", align_corners=False)[:, 0]
    error = (logits - expected[0]).abs().max() / expected[0].abs().max()
    differing = ((logits > 0) != (expected[0] > 0)).float().mean()
    context = f"SAM 2.1 tiny at {SIDE}, 3 boxes, same random weights, fp32, CPU, {torch.get_num_threads()} threads"
    return [
        Figure.at_most("sam2.error", error.item(), "relative", 1e-4, f"largest of the mask logits; {context}"),
        Figure("sam2.pixels_that_differ", differing.item(), "share", context=context),
        Figure("sam2.seconds", ms / 1e3, "s", context=context),
        Figure("sam2.vs_reference", ms / reference_ms, "x", context=f"time in turns, best of 2; {context}"),
    ]
