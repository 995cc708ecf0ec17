"""`pointvid info`: what is in a file."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "say what a track file, a sample, shards or a video holds"
DETAILS = """Say what a track file (.npz), a training sample (.pointvid.tar), a shard of samples (.tar), a folder of
shards or a video holds."""
EXAMPLES = ("pointvid info demo/tracks.npz", "pointvid info clip.mp4", "pointvid info shards --verify")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE", help="a track file, a sample, a shard, a folder of shards or a video")
    parser.add_argument("--verify", action="store_true", help="compare shards with the hashes in their manifest")


def run(args: argparse.Namespace) -> None:
    """Print the facts."""
    from ..errors import PointVidError
    from .terminal import table

    suffix = Path(args.file).suffix.lower()
    if args.verify and not Path(args.file).is_dir():
        raise PointVidError(f"--verify is given with {args.file}, expected a folder of shards beside their manifest")
    if Path(args.file).is_dir():
        print(table(_shard_rows(Path(args.file), args.verify)))
    elif suffix == ".npz":
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


def _shard_rows(folder: Path, verify: bool) -> list[tuple[str, object]]:
    from ..files.manifest import read_manifest, verify_shards
    from .terminal import file_size

    shards = (verify_shards if verify else read_manifest)(folder)["shards"].values()
    return [
        ("shards", len(shards)),
        ("samples", sum(len(record["samples"]) for record in shards)),
        ("size", file_size(sum(record["bytes"] for record in shards))),
        ("verified", "yes, every hash is as the manifest has it" if verify else "no, --verify reads every shard"),
    ]


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
