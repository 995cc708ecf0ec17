"""Algorithm 1, the smoother and the sample file, at the paper's size: 16 frames of 448x256, 6,400 tracks."""

from __future__ import annotations

import time

import numpy as np
import torch
from scipy.spatial import KDTree

from pointvid.files.sample import Sample, decode_sample, encode_sample
from pointvid.point_map import PointMap
from pointvid.points.densify import densify
from pointvid.points.point_range import PointRange
from pointvid.points.smoothing import smooth_tracks
from pointvid.tracks import PointTracks

from . import core_scene
from .figure import Figure
from .timing import best_ms


def figures() -> list[Figure]:
    """Speed against a literal transcription and other libraries; bytes and errors of a sample."""
    tracks = core_scene.tracks()
    return [*_densify(tracks), *_smoothing(tracks), *_sample(tracks)]


def _densify(tracks: PointTracks) -> list[Figure]:
    mask = core_scene.bodies() > 0
    unlabelled = tracks.replace(object_id=None)
    pixels = mask.flatten().nonzero()[:, 0]
    ready = densify(unlabelled, mask).points.flatten(1, 2)[:, pixels].contiguous()

    def write() -> torch.Tensor:
        points = torch.zeros(tracks.num_frames, mask.numel(), 3)
        for t in range(tracks.num_frames):
            points[t].index_copy_(0, pixels, ready[t])
        return points

    ours, floor = best_ms(lambda: densify(unlabelled, mask), write, repeats=15)
    started = time.perf_counter()
    expected = literal_algorithm_1(tracks.uvd.numpy(), mask.numpy())
    literal = (time.perf_counter() - started) * 1e3
    found = densify(unlabelled, mask, "absolute").points.numpy()
    # Which of two equally near tracks is taken is a matter of taste; everywhere else the two must agree.
    distance, _ = KDTree(tracks.queries.numpy()).query(np.argwhere(mask.numpy())[:, ::-1], k=4)
    untied = distance[:, 3] > distance[:, 2]
    agree = float((np.abs(found - expected).max((0, 3)) < 1e-3)[mask.numpy()][untied].mean())
    size = f"16x256x448, 6400 tracks, {len(pixels)} foreground pixels"
    return [
        Figure.at_least(
            "densify.vs_literal_loop", literal / ours, "x", 100, f"{ours:.1f} ms against {literal:.0f}; {size}"
        ),
        Figure.at_most(
            "densify.vs_writing_the_output", ours / floor, "x", 5, f"zero the tensor, put ready values: {floor:.1f} ms"
        ),
        Figure(
            "densify.agrees_with_literal_loop", 100 * agree, "% of pixels", context="absolute mode, pixels without ties"
        ),
    ]


def literal_algorithm_1(tracked: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The paper's pseudocode as it stands, a pixel at a time."""
    result = np.zeros((len(tracked), *mask.shape, 3), np.float32)
    starts = tracked[0, :, :2]
    tree = KDTree(starts)
    for v, u in np.argwhere(mask):
        found = np.flatnonzero((starts == (u, v)).all(1))
        if len(found):
            result[:, v, u] = tracked[:, found[0]]
        else:
            distance, index = tree.query((u, v), k=3)
            weight = 1 / distance
            result[:, v, u] = (tracked[:, index] * (weight / weight.sum())[:, None]).sum(1)
    return result


def _smoothing(tracks: PointTracks) -> list[Figure]:
    try:
        import simdkalman
    except ImportError:
        print("no simdkalman (pip install simdkalman): smoothing not compared")
        return []
    tau = 1.25
    model = simdkalman.KalmanFilter(
        state_transition=np.array([[1, 1], [0, 1]]),
        process_noise=np.array([[1 / 3, 1 / 2], [1 / 2, 1]]) / tau**4,
        observation_model=np.array([[1, 0]]),
        observation_noise=1.0,
    )
    series = tracks.uvd.double().flatten(1).T.contiguous().numpy()  # [N * 3, T], the layout it wants

    def theirs() -> object:
        return model.smooth(series, initial_value=np.zeros(2), initial_covariance=np.eye(2) * 1e6)

    seen = tracks.replace(visible=torch.ones_like(tracks.visible))
    shared, single, simd = best_ms(lambda: smooth_tracks(seen), lambda: smooth_tracks(tracks), theirs, repeats=5)
    return [
        Figure.at_least(
            "smoothing.vs_simdkalman",
            simd / shared,
            "x",
            20,
            f"{shared:.1f} ms against {simd:.0f}; 6400x16x3, all visible",
        ),
        Figure(
            "smoothing.vs_simdkalman_hidden",
            simd / single,
            "x",
            context=f"{single:.1f} ms; 10% hidden, noise of each its own",
        ),
    ]


def _sample(tracks: PointTracks) -> list[Figure]:
    ids = core_scene.bodies()
    frames = core_scene.video()
    point_map = densify(smooth_tracks(tracks), ids)
    sample = Sample(frames, point_map, "two bodies fall", ("body",), PointRange.fit([point_map]), {"made": "up"})
    members = encode_sample(sample)
    (decode,) = best_ms(lambda: decode_sample(members), repeats=3)
    found = decode_sample(members)
    raw = densify(tracks, ids)
    unsmoothed = encode_sample(Sample(frames, raw, "two bodies fall"))
    noise = (found.video.double() - frames.double()).square().mean().item()
    return [
        Figure.at_most("sample.size", _megabytes(members), "MB", 2, f"{_parts(members)}; textured, noisy video"),
        Figure("sample.size_unsmoothed", _megabytes(unsmoothed), "MB", context=_parts(unsmoothed)),
        Figure.at_most("sample.pixel_error", _pixel_error(found.point_map, point_map), "px", 0.01, "largest"),
        Figure("sample.video_psnr", 10 * np.log10(255**2 / noise), "dB"),
        Figure("sample.decode", decode, "ms", context="video and points"),
    ]


def _pixel_error(found: PointMap, truth: PointMap) -> float:
    return (found.points - truth.points)[:, truth.mask][..., :2].abs().max().item()


def _megabytes(members: dict[str, bytes]) -> float:
    return sum(map(len, members.values())) / 1e6


def _parts(members: dict[str, bytes]) -> str:
    return ", ".join(f"{name} {len(data) / 1e6:.2f}" for name, data in members.items())
