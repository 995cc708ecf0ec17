"""`python -m experiments.ablation.measure`: what one trained model makes of held-out clips, in numbers and videos.

Figures that every variant has are taken from the generated video alone: points of the true foreground of frame 0, which
is the condition image, so all variants start there, are followed through it by our tracker without weights. Of shape
speak only points that the tracker follows well through the true clip: what it cannot follow (the far side of a rolling
ball) is not blamed on a model, and the choice depends on none. Figures of the generated points exist only where a
variant has points; they are named point_*.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path

import torch
from accelerate import PartialState
from torch import Tensor

from pointvid.diffusion.generator import Generated, Generator
from pointvid.diffusion.pixels import to_pixels, to_range
from pointvid.ending import add_debug, one_line
from pointvid.files.atomic import atomic_path
from pointvid.files.sample import Sample
from pointvid.files.video import write_video
from pointvid.metrics import color_constancy, retracking, rigidity, shape_change
from pointvid.metrics.trajectories import trajectories
from pointvid.trackers.pipeline import track_points
from training.data.shards import Shards
from training.heldout import WAYS, goes, psnr

SOURCES = ("joint", "video", "codec", "truth")
QUERIES = 64
FOLLOWED_PX = 2.0  # furthest from the truth, in any frame of the true clip, for a point to count
FEWEST = 8
VIDEOS = 6


def generate_held_out(
    generator: Generator, samples: list[Sample], *, steps: int, guidance: float, points: bool = True, batch: int = 8
) -> Iterator[Generated]:
    """What the model makes of each sample's caption and first frame, `batch` clips at a time; clip i from seed i.

    Args:
        points: False hides the point half from the model in every step, as it was in its training.
    """
    for start in range(0, len(samples), batch):
        part = samples[start : start + batch]
        plan = generator.plan(
            [item.caption for item in part],
            [item.video[0] for item in part],
            fps=[item.point_map.fps for item in part],
            steps=steps,
            guidance=guidance,
            seed=start,
            cameras=[item.point_map.camera for item in part],
            points=points,
        )
        yield from generator.run(plan, batch=batch)


def figures(made: Generated, sample: Sample, followed: Tensor, points: bool) -> dict[str, float]:
    """Everything measured of one generated clip; see `FIGURES` in report.py for what each means."""
    row = video_figures(made.video, sample, followed)
    return row | point_figures(made, sample) if points else row


def video_figures(video: Tensor, sample: Sample, followed: Tensor) -> dict[str, float]:
    """Figures of a video [T,H,W,3] uint8 that needs no points.

    Args:
        followed: which of `foreground_queries` speak of shape, see `followed_queries`; none, where they are too few.
    """
    queries = foreground_queries(sample.point_map.mask)
    tracks = track_points(video, queries)
    uv, true_uv = tracks.uvd[..., :2], at_pixels(sample.point_map.points, queries)[..., :2]
    true_motion = motion(true_uv)
    row = {
        "psnr": psnr(video, sample.video),
        "motion_px": motion(uv),
        "motion_share": motion(uv) / true_motion if true_motion > 0 else math.nan,
        "followed": float(len(followed)),
    }
    way = next((word for word in sample.caption.split()[::-1] if word in WAYS), None)
    if way:
        row["direction"] = goes((uv[-1] - uv[0]).quantile(0.5, 0), way)
    if len(followed) >= FEWEST:
        # all count, also where the tracker is unsure: an object that dissolves is not rigid because its points are lost
        whole = tracks.select(followed).replace(visible=torch.ones(len(uv), len(followed), dtype=torch.bool))
        row |= {
            "rigidity": rigidity(whole, relative=True).value,
            "shape_change": procrustes_change(uv[:, followed]),
            "survival": tracks.visible[-1, followed].float().mean().item(),
            "track_error_px": (uv - true_uv)[:, followed].norm(dim=-1).mean().item(),
        }
    return row


def point_figures(made: Generated, sample: Sample) -> dict[str, float]:
    """Figures of the generated points; a clip without any generated foreground has only the last two."""
    truth, found = sample.point_map, made.points()
    both = found.mask & truth.mask
    union = (found.mask | truth.mask).sum().item()
    row = {"point_iou": both.sum().item() / union if union else math.nan, "point_empty": float(not found.mask.any())}
    if not found.mask.any():
        return row
    start, end = found.points[0][found.mask], found.points[-1][found.mask]
    row |= {
        "point_rigidity": rigidity(found, relative=True).value,
        "point_shape_change": shape_change(found).value,
        "point_motion_px": (end - start)[:, :2].norm(dim=-1).quantile(0.5).item(),
        "point_agreement": color_constancy(made.video, found).value,
        "point_agreement_still": color_constancy(made.video, found, null="still").value,
    }
    if trajectories(found).on_screen[0].any():
        row["point_retrack_px"] = retracking(made.video, found, limit=QUERIES).value
    if both.any():
        error = (found.points - truth.points)[:, both]
        row["point_error_px"] = error[..., :2].norm(dim=-1).mean().item()
        row["point_depth_percent"] = (100 * error[..., 2].abs() / truth.points[:, both][..., 2]).mean().item()
    return row


def foreground_queries(mask: Tensor, most: int = QUERIES) -> Tensor:
    """At most `most` pixels (u, v) of a mask [H,W], evenly among its pixels in row order; float32 [N,2]."""
    v, u = mask.nonzero(as_tuple=True)
    picked = torch.linspace(0, len(u) - 1, min(most, len(u))).round().long()
    return torch.stack((u[picked], v[picked]), -1).float()


def followed_queries(sample: Sample, within: float = FOLLOWED_PX) -> Tensor:
    """Indices of the `foreground_queries` that the tracker follows through the true clip, always within so many px."""
    queries = foreground_queries(sample.point_map.mask)
    error = track_points(sample.video, queries).uvd - at_pixels(sample.point_map.points, queries)
    return (error[..., :2].norm(dim=-1).amax(0) <= within).nonzero()[:, 0]


def at_pixels(points: Tensor, queries: Tensor) -> Tensor:
    """The points [T,H,W,3] of whole pixels (u, v) [N,2]: [T,N,3]."""
    return points[:, queries[:, 1].long(), queries[:, 0].long()]


def procrustes_change(points: Tensor) -> float:
    """What of a shape's change no rotation, scaling and shift explains; points [T,N,D].

    Root mean square distance left after the best similarity transform between frame 0 and a later frame (Umeyama 1991),
    over the root mean square radius in that frame; mean over frames. 0: the shape is kept; 1: nothing is left of it.
    """
    centred = (points - points.mean(1, keepdim=True)).double()
    if len(points) < 2 or not centred[0].any():
        return math.nan
    shapes = centred / centred.norm(dim=(1, 2), keepdim=True).clamp(min=1e-12)
    u, s, vh = torch.linalg.svd(shapes[0].T @ shapes[1:])
    # without mirroring: where the best orthogonal matrix is a reflection, the weakest direction is turned round
    s[:, -1] *= torch.where(torch.linalg.det(u @ vh) < 0, -1.0, 1.0)
    return (1 - s.sum(1).square()).clamp(min=0).sqrt().mean().item()


def motion(uv: Tensor) -> float:
    """Median over points [T,N,2] of how far each is from its start in the last frame, pixels."""
    return (uv[-1] - uv[0]).norm(dim=-1).quantile(0.5).item()


@torch.no_grad()
def through_codec(generator: Generator, samples: list[Sample]) -> Iterator[Generated]:
    """The true clips and points after the autoencoder: what a model with perfect latents would get."""
    encoders, point_range = generator.encoders, generator.info.point_range
    for item in samples:
        halves = (encoders.video, to_range(item.video)), (encoders.points, point_range.encode(item.point_map))
        video, points = (
            codec.decode(codec.encode(x.transpose(0, 1)[None]))[0].cpu().transpose(0, 1) for codec, x in halves
        )
        point_map = point_range.decode(points, item.point_map.camera, fps=item.point_map.fps)
        yield Generated(to_pixels(video), point_map, torch.empty(0))


def measure_variant(
    source: str,
    checkpoint: Path | None,
    *,
    shards: Path,
    clips: int,
    steps: int,
    guidance: float,
    videos: Path | None,
    followed: Path | None,
) -> dict:
    """Rows of figures for the first `clips` clips of `shards`.

    Args:
        source: one of `SOURCES`.
        videos: folder for the first clips' videos, as 000.mp4.
        followed: JSON that this wrote for the truth, which says what points can be followed; None finds them anew.
    """
    device, data = PartialState().device, Shards(shards)
    samples = [data[i] for i in range(min(clips, len(data)))]
    if source == "truth":
        made: Iterator[Generated] = (Generated(s.video, s.point_map, torch.empty(0)) for s in samples)
    else:
        generator = Generator.load(checkpoint, device, torch.float32)
        if source == "codec":
            made = through_codec(generator, samples)
        else:
            made = generate_held_out(generator, samples, steps=steps, guidance=guidance, points=source == "joint")
    if followed is None:
        chosen = [followed_queries(item) for item in samples]
    else:
        stored = json.loads(followed.read_text(encoding="utf-8"))["followed"]
        chosen = [torch.tensor(indices, dtype=torch.int64) for indices in stored[: len(samples)]]
    rows = []
    for index, (clip, item) in enumerate(zip(made, samples)):
        rows.append(figures(clip, item, chosen[index], source != "video"))
        if videos is not None and index < VIDEOS:
            write_video(videos / f"{index:03d}.mp4", clip.video, item.point_map.fps)
    return {
        "rows": rows,
        "captions": [item.caption for item in samples],
        "followed": [indices.tolist() for indices in chosen],
        "device": _device_name(device),
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def main() -> None:
    """Command line: one model's figures as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.ablation.measure", description=str(__doc__).split("\n")[0]
    )
    parser.add_argument("source", choices=SOURCES, help="joint model, one that never saw points, or a reference")
    parser.add_argument("--checkpoint", type=Path, help="all-in-one; not needed for the truth")
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--videos", type=Path, help="folder for the first clips' videos")
    parser.add_argument("--followed", type=Path, help="the truth's JSON: which points can be followed")
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    add_debug(parser)
    args = parser.parse_args()
    with one_line(debug=args.debug):
        names = ("shards", "clips", "steps", "guidance", "videos", "followed")
        result = measure_variant(args.source, args.checkpoint, **{name: getattr(args, name) for name in names})
        with atomic_path(args.out) as temporary:
            temporary.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
