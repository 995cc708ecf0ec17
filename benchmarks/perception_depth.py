"""The figure for depth flicker against noise that is known, and what that noise does to tracks."""

from __future__ import annotations

import torch
from torch import Tensor

from pointvid.depth_models.flicker import measure_flicker
from pointvid.points.smoothing import smooth_tracks
from pointvid.synthetic import generate_clip
from pointvid.trackers.lift import lift_tracks
from pointvid.trackers.queries import random_queries

from .figure import Figure

CLIPS, POINTS = 8, 512
SHAPE, WHOLE = 0.02, 0.03
"""Standard deviations of log-depth: of parts of a frame, and of whole frames."""


def smooth_noise(shape: tuple[int, int, int], sigma: float, seed: int) -> Tensor:
    """float32 [T, H, W]: independent from frame to frame, smooth over about 50 pixels, as estimators' errors are."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(shape[0], 1, shape[1] // 50 + 2, shape[2] // 50 + 2, generator=generator)
    noise = torch.nn.functional.interpolate(coarse, shape[1:], mode="bicubic", align_corners=True)[:, 0]
    return noise / noise.std() * sigma


def figures(clips: int = CLIPS) -> list[Figure]:
    """Flicker of true depth and of true depth with known noise; error of tracks' depth before and after smoothing."""
    still, parts, wholes = [], [], []
    for seed in range(clips):
        depth = generate_clip(seed, split="test").depth
        still.append(measure_flicker(depth)[0])
        parts.append(measure_flicker(depth * smooth_noise(tuple(depth.shape), SHAPE, seed).exp())[0])
        wobble = torch.randn(len(depth), 1, 1, generator=torch.Generator().manual_seed(seed)) * WHOLE
        bend = wobble[2:] - 2 * wobble[1:-1] + wobble[:-2]  # of a short clip, not exactly WHOLE
        true = (bend.square().mean() / 6).sqrt().item()
        wholes.append(measure_flicker(depth * wobble.exp())[1] / true)
    context = f"{clips} synthetic test clips 16x256x448, seeds 0..{clips - 1}, camera and objects moving as they do"
    part = sum(parts) / clips / SHAPE - 1
    whole = sum(wholes) / clips - 1
    return [
        Figure.at_most("flicker.of_true_depth", max(still), "of depth", 0.002, f"largest; {context}"),
        Figure.at_most(
            "flicker.error_shape", abs(part), "relative", 0.15, f"smooth noise of {SHAPE} a frame; {context}"
        ),
        Figure.at_most("flicker.error_scale", abs(whole), "relative", 0.05, f"noise of {WHOLE} a frame; {context}"),
        *_tracks(clips),
    ]


def _tracks(clips: int) -> list[Figure]:
    found = []
    for sigma in (0.01, 0.05):
        before, after = [], []
        for seed in range(clips):
            clip = generate_clip(seed, split="test")
            truth = clip.tracks(random_queries(clip.mask, POINTS, seed))
            noise = smooth_noise(tuple(clip.depth.shape), sigma, seed)
            uvd = lift_tracks(truth.uvd[..., :2], truth.visible, clip.depth * noise.exp())
            lifted = truth.replace(uvd=uvd)
            for errors, tracks in ((before, lifted), (after, smooth_tracks(lifted))):
                errors.append((tracks.uvd[..., 2] / truth.uvd[..., 2]).log()[truth.visible].square())
        context = f"true (u, v), depth with smooth noise of {sigma:g} a frame, visible points, {clips} clips"
        for name, errors in (("raw", before), ("smoothed", after)):
            value = torch.cat(errors).mean().sqrt().item()
            found.append(Figure(f"flicker.track_depth_error_{name}_{sigma:g}", value, "of depth", context=context))
    return found
