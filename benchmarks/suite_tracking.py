"""Tracking as users run it: `track_clip` with its defaults, on exact truth, beside OpenCV in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

import pointvid
from pointvid.files.video import Clip, VideoFile
from pointvid.points.smoothing import smooth_tracks
from pointvid.synthetic import ClipGenerator, SyntheticClip
from pointvid.trackers.pipeline import track_clip, track_points
from pointvid.trackers.queries import grid_queries
from pointvid.trackers.settings import TrackSettings
from pointvid.tracks import PointTracks

from .figure import Figure
from .long_clips import KINDS, long_clip
from .tracking_scores import Scores, dis, lucas_kanade, mean, score

SHORT, LONG_SEEDS, DENSITIES = 16, (100,), (500, 2000, 8000)
RIVALS: dict[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = {"opencv_lk": lucas_kanade, "opencv_dis": dis}


def run() -> list[Figure]:
    """Every figure."""
    with ClipGenerator((256, 448)) as generator:
        clips = [generator(seed, "test") for seed in range(SHORT)]
    return [*_short(clips), *_density(clips[:4]), *_long(), *_smoothing(clips), *_speed()]


def _judge(video: Tensor, mask: Tensor, truth: Callable[[Tensor], PointTracks]) -> dict[str, tuple[Scores, Tensor]]:
    """Scores of ours and of the rivals, and the errors at visible points of the last frame."""
    found = track_clip(Clip(video, 24.0), mask=mask).tracks
    exact = truth(found.queries)
    results = {"pointvid": (found.uvd[..., :2], found.visible)}
    results |= {name: rival(video, found.queries) for name, rival in RIVALS.items()}
    seen = exact.visible[-1]
    return {
        name: (score(uv, visible, exact), (uv[-1] - exact.uvd[-1, :, :2]).norm(dim=-1)[seen])
        for name, (uv, visible) in results.items()
    }


def _short(clips: list[SyntheticClip]) -> list[Figure]:
    rows = [_judge(clip.video, clip.mask, clip.tracks) for clip in clips]
    context = f"{len(clips)} clips of the test split, 16 frames, defaults with the true mask"
    figures = []
    for name in rows[0]:
        error = torch.cat([row[name][1] for row in rows])
        total = mean([row[name][0] for row in rows])
        within, median = (error < 2).float().mean().item(), error.median().item()
        if name == "pointvid":
            figures += [
                Figure.at_least("tracking.short.within_2px", within, "share", 0.75, context),
                Figure.at_most("tracking.short.median", median, "px", 0.4, context),
                Figure.at_least("tracking.short.oa", total.oa, "share", 0.92, context),
            ]
        else:
            figures += [
                Figure(f"tracking.short.within_2px.{name}", within, "share", context="same points"),
                Figure(f"tracking.short.median.{name}", median, "px", context="same points"),
                Figure(f"tracking.short.oa.{name}", total.oa, "share", context="same points"),
            ]
        figures.append(Figure(f"tracking.short.aj.{name}", total.aj, "share", context="1, 2, 4, 8, 16 px"))
    return figures


def _density(clips: list[SyntheticClip]) -> list[Figure]:
    """The random queries are a prefix of those that are asked for when there are more: the same 500 are judged."""
    shares = []
    for count in DENSITIES:
        within = []
        for clip in clips:
            settings = TrackSettings(grid=4, extra=count)
            found = track_clip(Clip(clip.video, 24.0), mask=clip.mask, settings=settings).tracks
            grid = int(clip.mask[tuple(grid_queries(clip.image_size, 4).long().flip(-1).T)].sum())
            judged = found.select(torch.arange(grid, grid + 500))
            exact = clip.tracks(judged.queries)
            within.append(score(judged.uvd[..., :2], judged.visible, exact).within)
        shares.append(sum(within) / len(within))
    figures = [
        Figure(f"tracking.density.{count}", share, "share", context=f"{len(clips)} clips; the same 500 points, 2 px")
        for count, share in zip(DENSITIES, shares)
    ]
    spread = max(shares) - min(shares)
    return [*figures, Figure.at_most("tracking.density.spread", spread, "share", 0.02, "largest less smallest")]


def _long() -> list[Figure]:
    figures, rows = [], []
    for kind in KINDS:
        row: dict[str, list[Scores]] = {}
        for seed in LONG_SEEDS:
            clip = long_clip(kind, seed)
            for name, (scores, _) in _judge(clip.video, clip.mask, clip.tracks).items():
                row.setdefault(name, []).append(scores)
        means = {name: mean(scores) for name, scores in row.items()}
        rows.append(means)
        best = max(means[name].aj for name in RIVALS)
        context = f"seeds {LONG_SEEDS}; median at the end {means['pointvid'].median:.2f} px"
        figures += [
            Figure.at_least(
                f"tracking.long.{kind}.aj", means["pointvid"].aj, "share", best, f"{context}; OpenCV's best"
            ),
            Figure(f"tracking.long.{kind}.oa", means["pointvid"].oa, "share", context=_others(means, "oa")),
            Figure(f"tracking.long.{kind}.back", means["pointvid"].back, "share", context=_others(means, "back")),
        ]
    total = mean([row["pointvid"] for row in rows])
    return [
        *figures,
        Figure.at_least("tracking.long.aj", total.aj, "share", 0.65, "120 frames, mean over the kinds"),
        Figure.at_least("tracking.long.oa", total.oa, "share", 0.90, "same"),
        Figure.at_least("tracking.long.back", total.back, "share", 0.5, "re-appeared within 2 px, same"),
    ]


def _others(means: dict[str, Scores], figure: str) -> str:
    return ", ".join(f"{name} {getattr(means[name], figure):.2f}" for name in RIVALS)


def _smoothing(clips: list[SyntheticClip]) -> list[Figure]:
    errors, settings = [], TrackSettings()
    for clip in clips:
        exact = clip.tracks(stride=8)
        exact = exact.select(exact.object_id > 0)
        found = smooth_tracks(exact, tau=settings.tau, tau_depth=settings.tau_depth)
        errors.append((found.uvd - exact.uvd)[..., :2].norm(dim=-1)[exact.visible])
    error = torch.cat(errors)
    t = torch.arange(24.0)
    hand = torch.stack((torch.minimum(8 * t, torch.tensor(56.0)), 100 + 10 * torch.sin(torch.pi * t / 2)), -1)
    hand = torch.cat((hand, torch.full((24, 1), 2.0)), -1)[:, None]
    made = PointTracks(hand, torch.ones(24, 1, dtype=torch.bool), (256, 448), clips[0].camera)
    moved = smooth_tracks(made, tau=settings.tau, tau_depth=settings.tau_depth).uvd - hand
    return [
        Figure.at_most("tracking.smoothing.median", error.median().item(), "px", 0.05, "of exact tracks, test split"),
        Figure.at_most("tracking.smoothing.worst", error.max().item(), "px", 0.3, "same"),
        Figure.at_most("tracking.smoothing.stop", moved[..., 0].abs().max().item(), "px", 0.3, "from 8 px a frame"),
        Figure.at_most(
            "tracking.smoothing.drum", moved[..., 1].abs().max().item(), "px", 0.3, "10 px, period 4 frames"
        ),
    ]


def _speed() -> list[Figure]:
    assets = f"{pointvid.__path__[0]}/assets"
    video = VideoFile(f"{assets}/demo.mp4")
    frames = torch.stack([video[t] for t in range(len(video))])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    queries = grid_queries((256, 448), 56)
    began = time.process_time()
    track_points(Clip(frames, 15.0), queries)
    ours = time.process_time() - began
    began = time.process_time()
    lucas_kanade(frames, queries)
    theirs = time.process_time() - began
    began = time.process_time()
    track_clip(Clip(frames, 15.0))
    whole = time.process_time() - began
    torch.set_num_threads(threads)
    return [
        Figure.at_most(
            "tracking.speed.vs_opencv_lk", ours / theirs, "x", 4, f"{len(queries)} points, 24 frames of 448x256"
        ),
        Figure("tracking.speed.demo", whole, "CPU s", context="the demo clip without a mask, defaults, one thread"),
    ]
