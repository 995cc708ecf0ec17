"""`python -m training.synthesize --out SHARDS --clips N --size 64x64 --split train`: MuJoCo clips as training shards.

Clip i is made from seed `--first-seed` + i. Run again after a kill, it goes on with the shards that are missing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from tqdm import tqdm

from pointvid.commands import arguments
from pointvid.ending import add_debug, one_line
from pointvid.errors import PointVidError
from pointvid.files.manifest import MANIFEST, read_manifest
from pointvid.files.sample import Sample, encode_sample
from pointvid.synthetic import SCENES, SPLITS, ClipGenerator, SyntheticClip

from .data.shards import write_manifest, write_shard


@dataclass(frozen=True)
class _Shard:
    """What one shard holds: clips of the seeds `first` up to `last`, exclusive; scenes are taken in turn."""

    path: Path
    first: int
    last: int
    first_seed: int
    size: tuple[int, int]
    split: str
    frames: int
    fps: float
    scenes: tuple[str, ...]

    def make(self) -> dict:
        """Render and write it; its manifest record."""
        with ClipGenerator(self.size) as generator:
            return write_shard(self.path, self._samples(generator))

    def _samples(self, generator: ClipGenerator) -> Iterator[tuple[str, dict[str, bytes], tuple[int, int, int]]]:
        for i in range(self.first, self.last):
            scene = self.scenes[i % len(self.scenes)] if self.scenes else None
            clip = generator(self.first_seed + i, self.split, self.frames, self.fps, scene)
            yield f"{self.split}{self.first_seed + i:08d}", encode_sample(to_sample(clip)), (self.frames, *self.size)


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
    jobs: int = 1,
) -> None:
    """Write `clips` samples to `out`; what is already there and made with the same settings is kept.

    Args:
        size: (H, W) pixels.
        scenes: names of `pointvid.synthetic.SCENES`, taken in turn; none: the seed chooses.
        jobs: processes, each of which makes whole shards; the result does not depend on it.
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
    done: dict[str, dict] = {}
    if (out / MANIFEST).is_file():
        manifest = read_manifest(out)
        if manifest.get("settings") != settings:
            raise PointVidError(
                f"{out} holds shards made with other settings, expected an empty folder or the same ones"
            )
        done = {name: record for name, record in manifest["shards"].items() if (out / name).is_file()}
    shards = [
        _Shard(
            out / f"{split}-{first // clips_in_shard:05d}.tar",
            first,
            min(first + clips_in_shard, clips),
            first_seed,
            size,
            split,
            frames,
            fps,
            scenes,
        )
        for first in range(0, clips, clips_in_shard)
    ]
    missing = [shard for shard in shards if shard.path.name not in done]
    kept = sum(len(record["samples"]) for record in done.values())
    with tqdm(total=clips, initial=kept, unit="clip") as bar:

        def finished(shard: _Shard, record: dict) -> None:
            done[shard.path.name] = record
            write_manifest(out, {"version": 1, "settings": settings, "shards": dict(sorted(done.items()))})
            bar.update(shard.last - shard.first)

        if jobs == 1:
            for shard in missing:
                finished(shard, shard.make())
            return
        # Spawned, not forked: an OpenGL library that was loaded here would not survive a fork.
        with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
            futures: dict[Future[dict], _Shard] = {pool.submit(shard.make): shard for shard in missing}
            for future in as_completed(futures):
                finished(futures[future], future.result())


def to_sample(clip: SyntheticClip) -> Sample:
    """The training sample of a synthetic clip: its exact points, provenance enough to make it again."""
    return Sample(
        video=clip.video,
        point_map=clip.point_map(),
        caption=clip.caption,
        labels=clip.labels,
        provenance={"source": "synthetic", "scene": clip.scene, "seed": clip.seed, "split": clip.split},
    )


def main() -> None:
    """Parse arguments, synthesize."""
    parser = argparse.ArgumentParser(prog="python -m training.synthesize", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--clips", type=arguments.whole(1, 10**9), required=True)
    parser.add_argument("--size", type=arguments.size, default=(256, 448), help="WIDTHxHEIGHT; default 448x256")
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--frames", type=arguments.whole(1, 10_000), default=16)
    parser.add_argument("--fps", type=arguments.number(0.1, arguments.MOST_FPS), default=24.0)
    parser.add_argument("--scenes", nargs="*", choices=list(SCENES), default=[], help="default: the seed chooses")
    parser.add_argument("--first-seed", type=arguments.whole(0, arguments.LARGEST_SEED // 2), default=0)
    parser.add_argument("--clips-in-shard", type=arguments.whole(1, 10**6), default=100)
    parser.add_argument("--jobs", type=arguments.whole(1, 4096), default=1, help="processes; each makes whole shards")
    add_debug(parser)
    options = parser.parse_args()
    with one_line(debug=options.debug):
        synthesize(**{**vars(options), "scenes": tuple(options.scenes)})


if __name__ == "__main__":
    main()
