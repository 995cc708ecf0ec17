"""What is compared: each variant is two training runs of equal length, told apart by a few settings.

    first run (steps1):   stage 1, from scratch or from one base that all share
    second run (steps2):  stage 2, or stage 1 continued with stage 2's optimizer, from what the first run made

Variants that share their first run share its weights, seed by seed: they differ in the second run alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class First:
    """Stage 1.

    Attributes:
        entry_attention: of the small model (`pointvid.diffusion.bases.unet.entry`).
        points: which points it learns from: "exact", or those that `densify` makes of sparse tracks, "displacement"
            and "absolute" after its interpolations.
        changes: keys of `config.Augment`.
    """

    entry_attention: str = "spatial"
    points: str = "exact"
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """One row of the report.

    Attributes:
        name: of files and of JSON keys.
        title: of the report; says what differs from the full pipeline.
        group: "paper" (Figure 9, (i) to (v)) or "ours".
        first: a name in `FIRST`.
        stage: of the second run, "regularize" or "augment".
        changes: keys of `config.Regularize` or `config.Augment`, dotted for groups.
        has_points: False where the model never sees points, so that the points it generates mean nothing.
    """

    name: str
    title: str
    group: str = "ours"
    first: str = "joint"
    stage: str = "regularize"
    changes: dict[str, Any] = field(default_factory=dict)
    has_points: bool = True


RGB_ONLY = {"mode": "rgb_only"}

FIRST = {
    "joint": First(),
    "rgb_only": First(changes=RGB_ONLY),
    "entry_none": First(entry_attention="none"),
    "entry_temporal": First(entry_attention="temporal"),
    "entry_channel": First(entry_attention="channel"),
    "sparse_displacement": First(points="displacement"),
    "sparse_absolute": First(points="absolute"),
}

REFERENCE = "full"

# In order of importance: where time runs out, the last are missing.
VARIANTS = (
    Variant("full", "(i) full: points and regularization", "paper", changes={"grad_step": "x0_at_t"}),
    Variant("rgb_only", "(ii) RGB only", "paper", "rgb_only", "augment", RGB_ONLY, has_points=False),
    Variant("no_regularization", "(iii) points without regularization", "paper", stage="augment"),
    Variant("no_cross_attention", "(iv) without channel cross-attention", "paper", first="entry_none"),
    Variant("no_diffusion_loss", "(v) regularization without diffusion loss", "paper", changes={"weights.ddim": 0.0}),
    Variant("no_velocity", "without equation 1's velocity term", changes={"weights.velocity": 0.0}),
    Variant("grad_last", "gradient in the last DDIM step (the paper's words)", changes={"grad_step": "last"}),
    Variant("grad_random", "gradient in a random DDIM step", changes={"grad_step": "random"}),
    Variant("entry_temporal", "cross-attention over time", first="entry_temporal"),
    Variant("entry_channel", "cross-attention between channels", first="entry_channel"),
    Variant("sparse_displacement", "sparse tracks, displacement interpolated", first="sparse_displacement"),
    Variant("sparse_absolute", "sparse tracks, position interpolated (the paper's words)", first="sparse_absolute"),
)


def variant(name: str) -> Variant:
    """By name; KeyError where there is none."""
    return {item.name: item for item in VARIANTS}[name]
