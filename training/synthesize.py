"""`python -m training.synthesize --out SHARDS --clips N --size 64x64 --split train`: MuJoCo clips as training shards.

Clip i is made from seed `--first-seed` + i. Run again after a kill, it goes on with the first incomplete shard.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from pointvid.errors import PointVidError
from pointvid.sample import Sample, encode_sample
from pointvid.synthetic import SCENES, SPLITS, ClipGenerator, SyntheticClip

from .data import MANIFEST, read_manifest, write_manifest, write_shard


def synthesize(
    out: Path,
    clips: int,
    size: tuple[int, int],
    split: str,
    frames: int = 16,
    fps: float = 24.0,
    scenes: tuple[str, ...] = (),
    first_seed: int = 0,
    clips_in_shard: int = 100,
) -> None:
    """Write `clips` samples to `out`; what is already there and made with the same settings is kept.

    Args:
        size: (H, W) pixels.
        scenes: names of `pointvid.synthetic.SCENES`, taken in turn; none: the seed chooses.
    Raises:
        PointVidError: `out` holds shards made with other settings, or nothing can be rendered here.
    """
    settings = {
        "made_by": "training.synthesize",
        "clips": clips,
        "size": list(size),
        "split": split,
        "frames": frames,
        "fps": fps,
        "scenes": list(scenes),
        "first_seed": first_seed,
        "clips_in_shard": clips_in_shard,
    }
    manifest = {"version": 1, "settings": settings, "shards": {}}
    if (out / MANIFEST).is_file():
        manifest = read_manifest(out)
        if manifest.get("settings") != settings:
            raise PointVidError(
                f"{out} holds shards made with other settings, expected an empty folder or the same ones"
            )
    with ClipGenerator(size) as generator, tqdm(total=clips, unit="clip") as bar:

        def samples(start: int) -> Iterator[tuple[str, dict[str, bytes], tuple[int, int, int]]]:
            for i in range(start, min(start + clips_in_shard, clips)):
                scene = scenes[i % len(scenes)] if scenes else None
                clip = generator(first_seed + i, split, frames, fps, scene)
                yield f"{split}{first_seed + i:08d}", encode_sample(to_sample(clip)), (frames, *size)
                bar.update()

        for start in range(0, clips, clips_in_shard):
            name = f"{split}-{start // clips_in_shard:05d}.tar"
            if name in manifest["shards"] and (out / name).is_file():
                bar.update(min(clips_in_shard, clips - start))
                continue
            manifest["shards"][name] = write_shard(out / name, samples(start))
            write_manifest(out, manifest)


def to_sample(clip: SyntheticClip) -> Sample:
    """The training sample of a synthetic clip: its exact points, provenance enough to make it again."""
    return Sample(
        video=clip.video,
        point_map=clip.point_map(),
        caption=clip.caption,
        labels=clip.labels,
        object_map=clip.object_map,
        provenance={"source": "synthetic", "scene": clip.scene, "seed": clip.seed, "split": clip.split},
    )


def main() -> None:
    """Parse arguments, synthesize."""
    parser = argparse.ArgumentParser(prog="python -m training.synthesize", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--clips", type=int, required=True)
    parser.add_argument("--size", type=_size, default=(256, 448), help="WIDTHxHEIGHT in pixels; default 448x256")
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--fps", type=float, default=24.0)
    parser.add_argument("--scenes", nargs="*", choices=list(SCENES), default=[], help="default: the seed chooses")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--clips-in-shard", type=int, default=100)
    options = parser.parse_args()
    try:
        synthesize(**{**vars(options), "scenes": tuple(options.scenes)})
    except PointVidError as error:
        raise SystemExit(f"error: {error}") from None


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"size is {text!r}, expected WIDTHxHEIGHT as in 448x256")
    return int(height), int(width)


if __name__ == "__main__":
    main()
