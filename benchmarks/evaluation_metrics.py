"""Metrics on clips whose scores are known: exact synthetic scenes, and morphs, noise and lies of known size in them."""

from __future__ import annotations

import math
from statistics import mean

import torch
import torch.nn.functional as F

from pointvid.metrics import (
    acceleration,
    color_constancy,
    jitter,
    motion,
    reconstruction,
    retracking,
    rigidity,
    shape_change,
    tapvid3d_metrics,
    track_video,
)
from pointvid.point_map import PointMap
from pointvid.synthetic import SyntheticClip, generate_clip
from pointvid.tracks import PointTracks

from .cube_clip import cube_clip
from .figure import Figure

CLIPS = 8
MORPHS = (0.01, 0.05, 0.2)
LIE = 6.0  # pixels
NOISE = 0.01  # metres, each axis


def figures(clips: int = CLIPS) -> list[Figure]:
    """Known answers: first on a cube and a ball that move rigidly, then on rendered test scenes."""
    return [*_rigid(), *_morphs(), *_temporal(), *_videos(), *_scenes(clips)]


def _bodies() -> PointTracks:
    """Two rigid bodies, every point seen in every frame."""
    tracks, _ = cube_clip(4000)
    return tracks.replace(visible=torch.ones_like(tracks.visible))


def _rigid() -> list[Figure]:
    tracks = _bodies()
    still = tracks.replace(uvd=tracks.uvd[:1].expand_as(tracks.uvd).contiguous())
    context = "a turning cube and a ball, 4000 points, 16 frames, about 4 m away"
    return [
        Figure.at_most("metrics.rigid_rigidity", rigidity(tracks).value, "m", 1e-5, f"truth 0; {context}"),
        Figure.at_most("metrics.rigid_shape_change", shape_change(tracks).value, "%", 1e-3, f"truth 0; {context}"),
        Figure("metrics.rigid_motion", motion(tracks).value, "px", context=context),
        Figure.at_most("metrics.still_motion", motion(still).value, "px", 0.0, "the same, frame 0 in every frame"),
    ]


def _morphs() -> list[Figure]:
    """Each body grows about its middle: shape change and relative rigidity error are the growth."""
    tracks, rows = _bodies(), []
    for size in MORPHS:
        grown = tracks.xyz.double()
        scale = 1 + size * torch.linspace(0, 1, tracks.num_frames, dtype=torch.float64)[:, None, None]
        for body in tracks.object_id.unique():
            own = tracks.object_id == body
            middle = grown[:, own].mean(1, keepdim=True)
            grown[:, own] = middle + (grown[:, own] - middle) * scale
        morphed = tracks.replace(uvd=tracks.camera.project(grown).float())
        for name, metric in (("shape_change", shape_change), ("rigidity", lambda p: rigidity(p, relative=True))):
            last = metric(morphed).per_frame[-1]
            rows.append(
                Figure.at_most(
                    f"metrics.morph_{size:.0%}_{name}".replace("%", "pc"),
                    abs(last / (100 * size) - 1) * 100,
                    "% off",
                    1.0,
                    f"both bodies grow by {size:.0%}; scored {last:.4g} % in the last frame",
                )
            )
    return rows


def _temporal() -> list[Figure]:
    """Free fall at 24 fps, and the same with noise."""
    fps, g, generator = 24.0, 9.81, torch.Generator().manual_seed(0)
    tracks = _bodies()
    t = torch.arange(16, dtype=torch.float64)[:, None, None] / fps
    fall = tracks.xyz[:1].double() + 0.5 * g * t * t * torch.tensor([0.0, 1.0, 0.0])
    falling = tracks.replace(uvd=tracks.camera.project(fall).float(), fps=fps)
    noisy = fall + NOISE * torch.randn(fall.shape, generator=generator, dtype=torch.float64)
    noisy = falling.replace(uvd=tracks.camera.project(noisy).float())
    found, expected = jitter(noisy).value, NOISE * math.sqrt(3)
    return [
        Figure.at_most(
            "metrics.free_fall_acceleration",
            abs(acceleration(falling).value / g - 1) * 100,
            "% off",
            0.1,
            f"truth {g} m/s^2, 16 frames at {fps:g} fps",
        ),
        Figure.at_most("metrics.free_fall_jitter", jitter(falling).value, "m", 1e-5, "truth 0"),
        Figure.at_most(
            "metrics.noise_jitter",
            abs(found / expected - 1) * 100,
            "% off",
            3.0,
            f"truth {expected:.4g} m: white noise of {NOISE} m on each axis; scored {found:.4g} m",
        ),
    ]


def _videos() -> list[Figure]:
    """A rendered picture that grows, or turns, as a whole: what the pixels alone tell, by tracking them."""
    clip = generate_clip(0, split="test")
    mask = torch.zeros(clip.image_size, dtype=torch.bool)
    mask[64:192, 112:336] = True
    rows = []
    for size in MORPHS:
        last = shape_change(track_video(_warped(clip.video[0], 1 + size, 0.0), mask)).per_frame[-1]
        rows.append(
            Figure.at_most(
                f"metrics.video_morph_{100 * size:.0f}pc",
                abs(last / (100 * size) - 1) * 100,
                "% off",
                10.0,
                f"a picture that grows by {size:.0%}, tracked; scored {last:.4g} % in the last frame",
            )
        )
    turned = shape_change(track_video(_warped(clip.video[0], 1.0, math.radians(20)), mask)).value
    rows.append(Figure.at_most("metrics.video_turn", turned, "%", 0.5, "truth 0: the picture turns by 20 degrees"))
    return rows


def _warped(picture: torch.Tensor, scale: float, angle: float, frames: int = 16) -> torch.Tensor:
    """uint8 [T, H, W, 3]: the picture scaled and turned about its middle, evenly to the given amount."""
    height, width = picture.shape[:2]
    made = []
    for part in torch.linspace(0, 1, frames).tolist():
        c, s = math.cos(angle * part), math.sin(angle * part)
        back = torch.tensor([[[c, -s * height / width, 0.0], [s * width / height, c, 0.0]]]) / (1 + (scale - 1) * part)
        grid = F.affine_grid(back, (1, 3, height, width), align_corners=False)
        image = picture.permute(2, 0, 1)[None].float()
        warped = F.grid_sample(image, grid, "bicubic", "border", align_corners=False)
        made.append(warped[0].permute(1, 2, 0).clamp(0, 255).round().byte())
    return torch.stack(made)


def _scenes(clips: int) -> list[Figure]:
    rows: dict[str, list[float]] = {}

    def add(name: str, value: float) -> None:
        rows.setdefault(name, []).append(value)

    for seed in range(clips):
        clip = generate_clip(seed, split="test")
        v, u = (clip.mask & _lattice(clip.mask)).nonzero(as_tuple=True)
        tracks = clip.tracks(torch.stack((u, v), -1).float())
        add("agreement", color_constancy(clip.video, tracks).value)
        add("shuffled", color_constancy(clip.video, tracks, "shuffled").value)
        add("chance", _chance(tracks))
        add("still", color_constancy(clip.video, tracks, "still").value)
        add("retracking", retracking(clip.video, tracks).value)
        lie = tracks.uvd.clone()
        lie[1:, :, 0] += LIE
        add("lie", retracking(clip.video, tracks.replace(uvd=lie)).value)
        add("recon_lie", mean(reconstruction(tracks.replace(uvd=lie), tracks, "image").per_frame[1:]))
        add("apd", tapvid3d_metrics(tracks, tracks).apd)
        if (solid := _solid(clip)) is not None:
            add("rigidity", rigidity(solid).value)
    means = {name: mean(values) for name, values in rows.items()}
    context = f"{clips} test clips 16x256x448 with exact tracks of movable objects, every 4th pixel, means"
    return [
        Figure.at_least("metrics.truth_agreement", means["agreement"], "share", 0.95, context),
        Figure.at_most(
            "metrics.shuffled_agreement_vs_chance",
            abs(means["shuffled"] - means["chance"]),
            "share",
            0.03,
            f"shuffled {means['shuffled']:.3f}, chance (frame 0's own colours dealt out) {means['chance']:.3f}",
        ),
        Figure("metrics.still_agreement", means["still"], "share", context="the same points, not moving"),
        Figure.at_most("metrics.truth_retracking", means["retracking"], "px", 0.5, context),
        Figure.at_most(
            "metrics.lie_retracking",
            abs(means["lie"] / LIE - 1) * 100,
            "% off",
            5.0,
            f"all points {LIE:g} px beside the truth from frame 1 on; scored {means['lie']:.3f} px",
        ),
        Figure.at_most(
            "metrics.lie_recon", abs(means["recon_lie"] / LIE - 1) * 100, "% off", 0.1, "the same, against the truth"
        ),
        Figure.at_least("metrics.truth_apd", means["apd"], "share", 1.0, "truth against truth"),
        Figure.at_most(
            "metrics.simulated_rigidity",
            means["rigidity"],
            "m",
            1e-4,
            "what is acted on in the same clips, cloth and lids left out",
        ),
    ]


def _solid(clip: SyntheticClip) -> PointMap | None:
    """What is acted on, where that is a rigid body: neither cloth nor something with a lid."""
    if clip.action.verb in ("drape", "open", "close"):
        return None
    mask = clip.object_map == clip.action.target_id
    return clip.point_map().restricted(mask) if mask.any() else None


def _lattice(mask: torch.Tensor) -> torch.Tensor:
    picked = torch.zeros_like(mask)
    picked[::4, ::4] = True
    return picked


def _chance(tracks: PointTracks) -> float:
    """What two unrelated points of the same frame agree to."""
    colors = tracks.color.double() / 255
    order = torch.randperm(len(colors), generator=torch.Generator().manual_seed(1))
    return 1 - (colors - colors[order]).abs().mean().item()
