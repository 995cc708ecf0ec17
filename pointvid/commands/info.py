"""`pointvid info`: what is in a file."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

HELP = "say what a file holds: tracks, a sample, shards, a video, a model"
DETAILS = """Say what a track file (.npz), a training sample (.pointvid.tar), a shard of samples (.tar), a folder of
shards, a video or a model (.safetensors: base, stage, size, point range, schedule, parts; .pth, .pt: whose weights)
holds. Of a model no weights are read."""
EXAMPLES = (
    "pointvid info demo/tracks.npz",
    "pointvid info clip.mp4",
    "pointvid info shards --verify",
    "pointvid info pointvid-initial.safetensors --tensors",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE", help="a track file, a sample, shards or their folder, a video, a model")
    parser.add_argument("--verify", action="store_true", help="check every shard and sample")
    parser.add_argument("--json", action="store_true", help="of a checkpoint: print its metadata as JSON")
    parser.add_argument("--tensors", action="store_true", help="of a .safetensors file: also list every tensor")


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
    elif suffix == ".safetensors":
        _print_model(Path(args.file), args.json, args.tensors)
    elif suffix in (".pt", ".pth", ".ckpt", ".bin"):
        print(table(_pickle_rows(Path(args.file))))
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

    manifest = (verify_shards if verify else read_manifest)(folder)
    unlisted = sorted(path.name for path in folder.glob("*.tar") if path.name not in manifest["shards"])
    shards = manifest["shards"].values()
    return [
        ("shards", len(shards)),
        ("samples", sum(len(record["samples"]) for record in shards)),
        ("size", file_size(sum(record["bytes"] for record in shards))),
        ("verified", "yes, every hash is as the manifest has it" if verify else "no, --verify reads every shard"),
        *(("not used", f"{name}, the manifest does not list it") for name in unlisted),
    ]


def _sample_rows(path: str) -> list[tuple[str, object]]:
    from ..files.sample import read_sample

    captions = list(_shard_captions(path))
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


def _shard_captions(path: str) -> Iterator[tuple[str, str]]:
    """(key, caption) of every sample in a tar."""
    from ..files.document import Maybe, parse_document
    from ..files.tar import read_member, tar_members

    for member in tar_members(Path(path), path):
        if member.name.endswith(".json"):
            what, expected = f"{path}: {member.name}", "a sample's facts"
            facts = parse_document(read_member(Path(path), member, what), what, expected, {"caption?": Maybe(str)})
            yield member.name.removesuffix(".json"), facts.get("caption") or ""


def _video_rows(path: str) -> list[tuple[str, object]]:
    from ..files.video import VideoFile

    with VideoFile(path) as video:
        frames, height, width, _ = video.shape
        seconds = frames / video.fps
        return [
            ("frames", f"{frames} at {video.fps:g} fps ({seconds:.2f} s)"),
            ("image size", f"{width}x{height}"),
        ]


def _print_model(path: Path, as_json: bool, list_tensors: bool) -> None:
    """A checkpoint of ours, or any other safetensors file."""
    import json
    from math import prod

    from ..diffusion.checkpoint import NETWORK_PREFIX, PART_PREFIXES, CheckpointInfo, inspect_file
    from ..files.readable import readable
    from .terminal import table

    metadata, tensors = inspect_file(path)
    mine = {key.removeprefix("pointvid."): value for key, value in metadata.items() if key.startswith("pointvid.")}
    if as_json:
        with readable(path.name, "metadata as `pointvid convert` or training writes it"):
            print(json.dumps({key: json.loads(value) for key, value in mine.items()}, indent=1))
        return
    if mine:
        print(table(_checkpoint_rows(CheckpointInfo.from_metadata(metadata, path.name))))
    else:
        print(f"{path.name}: no pointvid metadata, not a joint checkpoint (`pointvid convert` makes one)")
    prefixes = {"denoiser": NETWORK_PREFIX, **PART_PREFIXES}
    rest = "denoiser" if mine else "tensors"
    groups: dict[str, list[str]] = {}
    for key in tensors:
        groups.setdefault(next((name for name in prefixes if key.startswith(prefixes[name])), rest), []).append(key)
    rows: list[tuple[str, object]] = []
    for part, keys in groups.items():
        count = sum(prod(tensors[key][1]) for key in keys)
        dtypes = ", ".join(sorted({tensors[key][0] for key in keys}))
        rows.append((part, f"{len(keys)} tensors, {count:,} values, {dtypes}"))
    print(table(rows or [("tensors", 0)]))
    if list_tensors:
        for key, (dtype, shape) in tensors.items():
            print(f"{key} {dtype} {shape}")


def _checkpoint_rows(info) -> list[tuple[str, object]]:
    from ..diffusion.bases import base_model

    height, width = info.resolution
    span = info.point_range
    return [
        ("base", info.base),
        ("stage", f"{info.stage}, points untrained" if info.stage == "initial" else f"{info.stage}, step {info.step}"),
        ("trained at", f"{width}x{height} (WxH), {info.frames} frames, {info.fps:g} fps"),
        ("point range", f"depth {span.near:g} to {span.far:g}, margin {span.margin:g}"),
        ("schedule", info.process.describe()),
        *base_model(info.base).describe(info.config),
        ("written by", f"pointvid {info.version}, revision {info.revision}"),
    ]


def _pickle_rows(path: Path) -> list[tuple[str, object]]:
    from ..errors import PointVidError
    from ..trackers.registry import tracker_of
    from ..weights.read import state_dict_keys

    keys = state_dict_keys(path, "a state dict")
    try:
        owner = tracker_of(path).name
    except PointVidError:
        owner = "no tracker that PointVid knows"
    return [("tensors", len(keys)), ("weights of", owner)]
