"""`pointvid info`: what is in a file."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "say what a track file, a sample, a shard or a video holds"
DETAILS = "Say what a track file (.npz), a training sample (.pointvid.tar), a shard of samples (.tar) or a video holds."
EXAMPLES = ("pointvid info demo/tracks.npz", "pointvid info clip.mp4")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE", help="a track file, a sample, a shard or a video")


def run(args: argparse.Namespace) -> None:
    """Print the facts."""
    from .terminal import table

    suffix = Path(args.file).suffix.lower()
    if suffix == ".npz":
        from ..files.track_file import load_tracks

        print(table(_track_rows(load_tracks(args.file))))
    elif suffix == ".tar":
        print(table(_sample_rows(args.file)))
    else:
        print(table(_video_rows(args.file)))


def _track_rows(tracks) -> list[tuple[str, object]]:
    height, width = tracks.image_size
    seen = tracks.uvd[..., 2][tracks.visible]
    unit = " m" if tracks.depth_unit == "metric" else ""
    rows: list[tuple[str, object]] = [
        ("tracks", tracks.num_points),
        ("frames", f"{tracks.num_frames} at {tracks.fps:g} fps"),
        ("image size", f"{width}x{height}"),
        ("camera", "fx {:.6g}, fy {:.6g}, cx {:.6g}, cy {:.6g}".format(*tracks.camera.intrinsics)),
        ("depth", tracks.depth_unit),
        ("visible", f"{100 * tracks.visible.float().mean().item() if tracks.visible.numel() else 0:.1f} %"),
    ]
    if len(seen):
        rows.append(("depth range", f"{seen.min().item():.4g} to {seen.max().item():.4g}{unit}"))
        step = (tracks.uvd[1:, :, :2] - tracks.uvd[:-1, :, :2]).norm(dim=-1)
        if step.numel():
            rows.append(("motion", f"median {step.median().item():.2f} px a frame"))
    if tracks.object_id is not None:
        rows.append(("objects", len(set(tracks.object_id.tolist()) - {0})))
    rows.append(("colours", "yes" if tracks.color is not None else "no"))
    return rows


def _sample_rows(path: str) -> list[tuple[str, object]]:
    from ..files.sample import read_sample

    captions = _shard_captions(path)
    if len(captions) > 1:
        shown = [(key, caption or "no caption") for key, caption in captions[:10]]
        return [("samples", len(captions)), *shown, *([("...", "")] if len(captions) > 10 else [])]
    sample = read_sample(path)
    frames, height, width, _ = sample.video.shape
    return [
        ("frames", f"{frames} at {sample.point_map.fps:g} fps"),
        ("image size", f"{width}x{height}"),
        ("foreground", f"{int(sample.point_map.mask.sum())} pixels"),
        ("camera", "fx {:.6g}, fy {:.6g}, cx {:.6g}, cy {:.6g}".format(*sample.point_map.camera.intrinsics)),
        ("depth", sample.point_map.depth_unit),
        ("caption", sample.caption or "none"),
        ("labels", ", ".join(sample.labels) or "none"),
        *((f"provenance: {key}", value) for key, value in sample.provenance.items()),
    ]


def _shard_captions(path: str) -> list[tuple[str, str]]:
    """(key, caption) of every sample in a tar; empty where it cannot be read, which `read_sample` then explains."""
    import json
    import tarfile

    try:
        with tarfile.open(path, "r:") as archive:
            facts = [entry for entry in archive if entry.name.endswith(".json")]
            return [(e.name.removesuffix(".json"), json.load(archive.extractfile(e)).get("caption")) for e in facts]
    except (OSError, tarfile.TarError, ValueError, AttributeError):
        return []


def _video_rows(path: str) -> list[tuple[str, object]]:
    from ..files.video import VideoFile

    with VideoFile(path) as video:
        frames, height, width, _ = video.shape
        seconds = frames / video.fps
        return [
            ("frames", f"{frames} at {video.fps:g} fps ({seconds:.2f} s)"),
            ("image size", f"{width}x{height}"),
        ]
