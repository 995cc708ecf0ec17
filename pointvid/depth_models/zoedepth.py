"""ZoeDepth (Bhat et al. 2023), the paper's depth estimator, used as its authors use it."""

from __future__ import annotations

import torch
from torch import Tensor

from ..camera import Camera
from .transformers_depth import TransformersDepth


class ZoeDepth(TransformersDepth):
    """Metres. An image and its mirror image are both estimated and averaged.

    The image processor pads images by reflection, against artefacts at the border, and cuts the padding off again.
    """

    def _predict(self, pixels: Tensor, size: tuple[int, int], camera: Camera | None) -> tuple[Tensor, list[float]]:
        outputs, mirrored = self.net(pixel_values=pixels), self.net(pixel_values=pixels.flip(-1))
        found = self.processor.post_process_depth_estimation(
            outputs, source_sizes=[size] * len(pixels), outputs_flipped=mirrored
        )
        return torch.stack([one["predicted_depth"] for one in found]), []
