"""What all runs of an ablation share, made once: the autoencoder, model files, other points, latents.

python -m experiments.ablation.prepare points   --shards S --out FOLDER --interpolation absolute --spacing 4
python -m experiments.ablation.prepare latents  --shards S --vae V --model M --cache C --rank 0 --ranks 4 --mark FILE
python -m experiments.ablation.prepare latents  --shards S --checkpoint BASE --cache C --rank 0 --ranks 4 --mark FILE
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import PartialState

from pointvid.diffusion.bases import base_model
from pointvid.diffusion.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from pointvid.diffusion.encoders import load_encoders
from pointvid.ending import add_debug, one_line
from pointvid.errors import PointVidError
from pointvid.files.atomic import atomic_path
from pointvid.files.sample import replace_points
from pointvid.point_map import PointMap
from pointvid.points.densify import INTERPOLATIONS, densify
from training.config import load_config, save_config
from training.data.cache import build_cache
from training.data.shards import Shards, write_manifest, write_shard
from training.model.small_model import load_vae, make_small_model
from training.model.small_model_config import SmallModel


def prepare_vae(source: Path, folder: Path) -> None:
    """Put the autoencoder of a diffusers folder, or of an all-in-one checkpoint, into a diffusers folder.

    Its weights are rounded to half precision, as every exported checkpoint holds them: so the latents encoded for
    stage 1 are also those of stage 2, and one cache serves all runs.
    """
    if source.suffix == ".safetensors":
        vae = load_encoders(load_checkpoint(source, torch.float32)).video.model
    else:
        vae = load_vae(source)
    with torch.no_grad():
        for value in vae.state_dict().values():
            if value.is_floating_point():
                value.copy_(value.half().float())
    vae.save_pretrained(folder)


def prepare_model(source: Path, entry_attention: str, path: Path) -> None:
    """The small model's YAML with another entry attention."""
    small = load_config(SmallModel, source)
    save_config(small.model_copy(update={"entry_attention": entry_attention}), path)


def prepare_start(base: Path, entry_attention: str, path: Path) -> None:
    """What stage 1 starts from: the video half of a trained checkpoint, widened by an untrained point half.

    This is what `pointvid convert` makes of a published model: at first the point half predicts zero and the video
    half is the base's.

    Raises:
        PointVidError: `base` was trained with points; cutting them off would not make it a model that never saw any.
    """
    checkpoint = load_checkpoint(base)
    mode = checkpoint.info.training.get("config", {}).get("mode")
    if mode != "rgb_only":
        raise PointVidError(f"base {base.name}: was trained with mode {mode}, expected rgb_only (training.augment)")
    config = replace(checkpoint.info.config, entry_attention=entry_attention)
    adapter = base_model(checkpoint.info.base)
    weights = adapter.expand(adapter.extract(checkpoint.weights, checkpoint.info.config), config)
    info = checkpoint.info.replace(config=config, stage="initial", step=0, training={"base": base.name})
    save_checkpoint(Checkpoint(info, weights, checkpoint.parts), path)


def sparse_points(point_map: PointMap, interpolation: str, spacing: int) -> PointMap:
    """Every `spacing`-th row and column of an exact point map, and the rest filled in as the data set's builder does.

    A foreground too small for that spacing is thinned less: interpolation takes three tracks.
    """
    tracks = point_map.to_tracks(stride=spacing)
    while tracks.num_points < 3 and spacing > 1:
        spacing -= 1
        tracks = point_map.to_tracks(stride=spacing)
    return densify(tracks, point_map.objects, interpolation)


def rewrite_points(source: Path, out: Path, interpolation: str, spacing: int) -> None:
    """The same clips with the points of `sparse_points`; the manifest comes last, so it marks the end."""
    shards = Shards(source)
    settings = {**shards.manifest.get("settings", {}), "points_from_sparse": [interpolation, spacing]}
    manifest = {"version": 1, "settings": settings, "shards": {}}
    for name in shards.manifest["shards"]:

        def samples(name: str = name) -> Iterator[tuple[str, dict[str, bytes], tuple[int, int, int]]]:
            for index, entry in enumerate(shards.entries):
                if entry.shard == name:
                    changed = sparse_points(shards.points(index), interpolation, spacing)
                    yield entry.key, replace_points(shards.members(index), changed), entry.size

        manifest["shards"][name] = write_shard(out / name, samples())
    write_manifest(out, manifest)


def encode_latents(shards: Path, start: Checkpoint, cache: Path, rank: int, ranks: int) -> None:
    """One rank's share of the latents that `cache.build` keeps for models whose other encoders are trained."""
    device = PartialState().device
    encoders = load_encoders(start, device, torch.float32)
    build_cache(
        Shards(shards),
        cache,
        encoders=encoders,
        point_range=start.info.point_range,
        trained_encoders=True,
        device=device,
        rank=rank,
        ranks=ranks,
    )


def main() -> None:
    """Command line of both preparations."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.ablation.prepare", description=str(__doc__).split("\n")[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    points = commands.add_parser("points", help="shards with points interpolated from sparse tracks")
    points.add_argument("--out", type=Path, required=True)
    points.add_argument("--interpolation", choices=INTERPOLATIONS, required=True)
    points.add_argument("--spacing", type=int, default=4)
    latents = commands.add_parser("latents", help="encode the latents that all runs read")
    for name in ("--cache", "--mark"):
        latents.add_argument(name, type=Path, required=True)
    for name in ("--vae", "--model", "--checkpoint"):
        latents.add_argument(name, type=Path)
    latents.add_argument("--rank", type=int, default=0)
    latents.add_argument("--ranks", type=int, default=1)
    for command in (points, latents):
        command.add_argument("--shards", type=Path, required=True)
    add_debug(parser)
    args = parser.parse_args()
    with one_line(debug=args.debug):
        if args.command == "points":
            rewrite_points(args.shards, args.out, args.interpolation, args.spacing)
        else:
            if args.checkpoint:
                start = load_checkpoint(args.checkpoint)
            else:
                start = make_small_model(load_config(SmallModel, args.model), load_vae(args.vae), seed=0)
            encode_latents(args.shards, start, args.cache, args.rank, args.ranks)
            with atomic_path(args.mark) as temporary:
                temporary.write_text("latents encoded\n", encoding="utf-8")


if __name__ == "__main__":
    main()
