"""How good a generating checkpoint is on held-out clips of the training data's kind.

For each clip: its first frame and caption go in, video and points come out; measured are the agreement of
the two, rigidity, motion, and whether the object went where the caption says, by the generated tracks and
(independently) by tracking the generated video. Also the VAE's round trip of the true points.
"""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import torch
from torch import Tensor
from tqdm import tqdm

from pointvid.diffusion.generator import Generator
from pointvid.files.video import write_video
from pointvid.metrics.agreement import generation_figures
from pointvid.point_map import PointMap
from pointvid.trackers.pipeline import track_points

from .data.shards import Shards

WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


def evaluate(
    generator: Generator,
    shards: Shards,
    clips: int,
    *,
    steps: int | None = None,
    guidance: float | None = None,
    out: Path | None = None,
) -> dict[str, float]:
    """Means over `clips` held-out clips.

    Args:
        steps, guidance: of sampling; None: what the base recommends.
        out: where the generated videos go, beside the true ones.
    Returns:
        agreement, agreement_shuffled, agreement_still, rigidity, motion_px (of `agreement.GenerationFigures`),
        true_motion_px, direction, direction_video (shares of clips), foreground_iou, vae_px, vae_depth_percent,
        psnr_first (frame 0 against the image), clips, empty (clips without any generated foreground).
    """
    rows: list[dict[str, float]] = []
    for index in tqdm(range(min(clips, len(shards))), unit="clip", desc="evaluating"):
        sample = shards[index]
        plan = generator.plan([sample.caption], [sample.video[0]], steps=steps, guidance=guidance, seed=index)
        (made,) = generator.run(plan)
        truth, found = sample.point_map, made.points()
        union = (found.mask | truth.mask).sum()
        row = {
            "foreground_iou": ((found.mask & truth.mask).sum() / union).item(),
            "true_motion_px": (truth.points[-1] - truth.points[0])[truth.mask][:, :2].norm(dim=-1).mean().item(),
            "psnr_first": psnr(made.video[0], sample.video[0]),
            "empty": float(not found.mask.any()),
            **vae_round_trip(generator, truth),
        }
        way = next((word for word in sample.caption.split()[::-1] if word in WAYS), None)
        if found.mask.any():
            row |= generation_figures(made.video, found).as_dict()
            if way:
                shift = (found.points[-1] - found.points[0])[found.mask][:, :2].mean(0)
                row["direction"] = goes(shift, way)
        if way:
            row["direction_video"] = goes(video_shift(made.video, truth.mask), way)
        rows.append(row)
        if out:
            write_video(out / f"{index:03d}.mp4", torch.cat((sample.video, made.video), 2), truth.fps)
    keys = sorted({key for row in rows for key in row})
    return {key: mean(row[key] for row in rows if key in row) for key in keys} | {"clips": len(rows)}


def goes(shift: Tensor, way: str) -> float:
    """1.0 where (right, down) `shift` points more `way` than any other of the four ways, and by a pixel at least."""
    scores = {name: shift[0].item() * x + shift[1].item() * y for name, (x, y) in WAYS.items()}
    return float(max(scores, key=lambda name: scores[name]) == way and scores[way] >= 1.0)


def video_shift(video: Tensor, mask: Tensor) -> Tensor:
    """Median (right, down) in pixels that the pixels in `mask` [H,W] of frame 0 go, by our tracker without weights."""
    v, u = mask.nonzero(as_tuple=True)
    queries = torch.stack((u, v), -1).float()[:: max(1, len(u) // 64)]
    tracks = track_points(video, queries)
    return (tracks.uvd[-1] - tracks.uvd[0])[:, :2].median(0).values


@torch.no_grad()
def vae_round_trip(generator: Generator, truth: PointMap) -> dict[str, float]:
    """Error of the true points after encoding and decoding: mean pixels and mean percent of depth."""
    point_range, codec = generator.info.point_range, generator.encoders.points
    frames = point_range.encode(truth).transpose(0, 1)[None]
    decoded = codec.decode(codec.encode(frames))[0].cpu().transpose(0, 1)
    error = (point_range.decode_uvd(decoded) - truth.points)[:, truth.mask]
    depth = truth.points[:, truth.mask][..., 2]
    return {
        "vae_px": error[..., :2].norm(dim=-1).mean().item(),
        "vae_depth_percent": (100 * error[..., 2].abs() / depth).mean().item(),
    }


def psnr(a: Tensor, b: Tensor) -> float:
    """Of two uint8 images, dB."""
    return (-10 * ((a.float() - b.float()) / 255).square().mean().clamp(min=1e-9).log10()).item()
