"""A model of a few thousand weights and clips made by hand."""

from pathlib import Path

import torch

from pointvid.camera import Camera
from pointvid.files.sample import Sample, encode_sample
from pointvid.point_map import PointMap
from training.data.shards import write_manifest, write_shard

FRAMES, SIZE = 4, 16
SMALL = {
    "resolution": [SIZE, SIZE],
    "frames": FRAMES,
    "fps": 8,
    "point_range": {"near": 0.5, "far": 4.0, "margin": 0.25},
    "unet": {
        "block_out_channels": [8, 8],
        "attention_levels": [False, True],
        "layers_per_block": 1,
        "cross_attention_dim": 8,
        "attention_head_dim": 4,
        "norm_num_groups": 4,
    },
    "vae": {"channels": [8, 8], "groups": 4},
    "text": {"width": 8, "layers": 2, "heads": 2, "tokens": 12},
    "image": {"width": 8, "layers": 1, "heads": 2, "patch": 8, "size": 16},
    "words": ["a", "box", "goes", "left", "right"],
}


def moving_box(index: int, frames: int = FRAMES, size: int = SIZE) -> Sample:
    """A bright square on noise that goes left or right by a pixel a frame, coming nearer."""
    generator = torch.Generator().manual_seed(index)
    step = 1 if index % 2 else -1
    video = torch.randint(0, 80, (frames, size, size, 3), generator=generator, dtype=torch.uint8)
    mask = torch.zeros(size, size, dtype=torch.bool)
    mask[5:10, 5:10] = True
    v, u = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    points = torch.zeros(frames, size, size, 3)
    for t in range(frames):
        video[t, 5:10, 5 + step * t : 10 + step * t] = 200 + index
        points[t][mask] = torch.stack((u + step * t, v, torch.full_like(u, 2) - 0.1 * t), -1).float()[mask]
    point_map = PointMap(points, mask, Camera.default((size, size)), "metric", 8.0)
    return Sample(video, point_map, f"a box goes {'right' if step > 0 else 'left'}", ("box",))


def write_shards(folder: Path, samples: list[Sample], in_shard: int = 4) -> Path:
    manifest = {"version": 1, "settings": {"made_by": "tests"}, "shards": {}}
    for start in range(0, len(samples), in_shard):
        name = f"s-{start // in_shard:05d}.tar"
        chosen = samples[start : start + in_shard]
        rows = ((f"clip{start + i}", encode_sample(s), tuple(s.video.shape[:3])) for i, s in enumerate(chosen))
        manifest["shards"][name] = write_shard(folder / name, rows)
    write_manifest(folder, manifest)
    return folder
