"""Depth Pro (Bochkovskii et al. 2024): metres, and the focal length with it."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

from ..camera import Camera
from ..errors import PointVidError
from .transformers_depth import TransformersDepth


class DepthPro(TransformersDepth):
    """Inverse depth for a focal length of one image width, scaled to the camera's own, given or estimated."""

    def _predict(self, pixels: Tensor, size: tuple[int, int], camera: Camera | None) -> tuple[Tensor, list[float]]:
        outputs = self.net(pixel_values=pixels)
        width = size[1]
        if camera is not None:
            focal = pixels.new_full((len(pixels),), camera.fx)
        elif outputs.field_of_view is not None:
            focal = 0.5 * width / (0.5 * math.pi / 180 * outputs.field_of_view.float()).tan()
        else:
            raise PointVidError(
                "camera is not given, and this Depth Pro estimates no field of view; expected one of both"
            )
        inverse = outputs.predicted_depth * (width / focal)[:, None, None]
        inverse = F.interpolate(inverse[:, None], size, mode="bilinear", align_corners=False)[:, 0]
        return inverse.clamp(1e-4, 1e4).reciprocal(), focal.tolist()
