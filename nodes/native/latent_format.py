"""One latent for two streams: channels 0-3 are the video's, 4-7 the points'."""

from __future__ import annotations

import comfy.latent_formats

# Rough RGB of a Stable Diffusion latent; the host previews with it. A checkpoint of another VAE brings its own.
STABLE_DIFFUSION_RGB = tuple(map(tuple, comfy.latent_formats.SD15().latent_rgb_factors))


class VideoPointLatent(comfy.latent_formats.LatentFormat):
    """[B, 8, T, h, w]. Both halves come from the same image VAE, so one scale factor serves both."""

    latent_channels = 8
    latent_dimensions = 3
    spacial_downscale_ratio = 8
    temporal_downscale_ratio = 1

    def __init__(self, scale_factor: float, downscale: int, rgb_factors: tuple[tuple[float, ...], ...]):
        self.scale_factor = scale_factor
        self.spacial_downscale_ratio = downscale
        # The live preview shows the RGB half only.
        self.latent_rgb_factors = [list(row) for row in rgb_factors] + [[0.0, 0.0, 0.0]] * 4
