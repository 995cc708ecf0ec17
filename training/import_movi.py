"""`python -m training.import_movi FOLDER --out SHARDS`: Kubric MOVi-style scenes as training shards.

One folder a scene, as Kubric's workers write it:

    rgba_00000.png ...           the frames
    depth_00000.tiff ...         distance from the camera's centre, not along its axis, in metres, float32
    segmentation_00000.png ...   instance ids, 0 is background
    metadata.json                camera {focal_length, sensor_width, positions, quaternions},
                                 instances [{positions, quaternions, ...}], quaternions as (w, x, y, z)

Tracks are exact for rigid objects: a pixel of frame 0 is unprojected with its depth, taken into its object's frame, and
carried along with the object's pose and the camera's. Blender's camera looks along -z with y up; ours along +z, y down.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from pointvid.camera import Camera
from pointvid.commands.arguments import whole
from pointvid.ending import add_debug, one_line
from pointvid.errors import PointVidError
from pointvid.files.pictures import open_picture
from pointvid.files.sample import Sample, encode_sample
from pointvid.point_map import PointMap

from .data.shards import write_manifest, write_shard

_FLIP = np.diag([1.0, -1.0, -1.0])  # Blender's camera axes <-> ours


def read_scene(folder: Path, caption: str | None = None, fps: float = 12.0) -> Sample:
    """One scene as a sample; the moving objects of frame 0 are its foreground.

    Args:
        caption: None: taken from metadata["caption"], else made of the objects' names.
    Raises:
        PointVidError: a file is missing or does not fit the others.
    """
    try:
        metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
        camera, instances = metadata["camera"], metadata["instances"]
        count = len(camera["positions"])
        video = np.stack([_image(folder, "rgba", t)[..., :3] for t in range(count)])
        distance = np.asarray(_image(folder, "depth", 0), np.float64)
        objects = _image(folder, "segmentation", 0).astype(np.int32)
    except (OSError, KeyError, json.JSONDecodeError) as error:
        name = getattr(error, "filename", None) or repr(error)
        raise PointVidError(f"scene {folder}: {name} is missing or damaged, expected MOVi's files") from error
    height, width = video.shape[1:3]
    distance, objects = distance.reshape(distance.shape[:2]), objects.reshape(objects.shape[:2])
    for name, found in (("depth", distance), ("segmentation", objects)):
        if found.shape != (height, width):
            raise PointVidError(f"scene {folder}: {name} is {found.shape}, frames are {(height, width)} (HxW)")
    if objects.max() > len(instances):
        raise PointVidError(f"scene {folder}: segmentation has id {objects.max()}, metadata {len(instances)} instances")

    focal = camera["focal_length"] / camera["sensor_width"] * width
    ours = Camera(focal, focal, (width - 1) / 2, (height - 1) / 2)
    points = carry(distance, objects, ours, camera, instances)
    points = torch.from_numpy(points.astype(np.float32) * (objects > 0)[..., None])
    if caption is None:
        names = [item.get("asset_id", item.get("category", "object")) for item in instances]
        caption = metadata.get("caption") or "objects move: " + ", ".join(map(str, names))
    provenance = {"source": "movi", "scene": folder.name}
    point_map = PointMap(points, torch.from_numpy(objects), ours, "metric", fps)
    return Sample(torch.from_numpy(video), point_map, caption, (), None, provenance)


def carry(distance: np.ndarray, objects: np.ndarray, ours: Camera, camera: dict, instances: list[dict]) -> np.ndarray:
    """float64 [T,H,W,3]: (u, v, depth) in every frame of what each pixel of frame 0 sees."""
    height, width = distance.shape
    v, u = np.mgrid[:height, :width].astype(np.float64)
    ray = ours.unproject(torch.from_numpy(np.stack((u, v, np.ones_like(u)), -1))).numpy()
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)  # the depth file holds distances from the centre
    rotations = [rotation(q) @ _FLIP for q in camera["quaternions"]]
    centres = np.asarray(camera["positions"], np.float64)
    world = (ray * distance[..., None]) @ rotations[0].T + centres[0]
    points = np.empty((len(centres), height, width, 3))
    for t, (turn, centre) in enumerate(zip(rotations, centres)):
        moved = world.copy()
        for i, item in enumerate(instances, 1):
            at = objects == i
            start, now = (rotation(item["quaternions"][s]) for s in (0, t))
            local = (world[at] - np.asarray(item["positions"][0])) @ start
            moved[at] = local @ now.T + np.asarray(item["positions"][t])
        points[t] = ours.project(torch.from_numpy((moved - centre) @ turn)).numpy()
    return points


def rotation(quaternion: list[float]) -> np.ndarray:
    """Rotation matrix of (w, x, y, z), normalised."""
    w, x, y, z = np.asarray(quaternion, np.float64) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _image(folder: Path, name: str, frame: int) -> np.ndarray:
    suffix = "tiff" if name == "depth" else "png"
    with open_picture(folder / f"{name}_{frame:05d}.{suffix}") as image:
        return np.array(image)


def main() -> None:
    """Parse arguments, import."""
    parser = argparse.ArgumentParser(prog="python -m training.import_movi", description=__doc__)
    parser.add_argument("folder", type=Path, help="holds one folder a scene")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips-in-shard", type=whole(1, 10**6), default=100)
    add_debug(parser)
    options = parser.parse_args()
    scenes = sorted(path.parent for path in options.folder.glob("*/metadata.json"))
    if not scenes:
        raise SystemExit(f"error: {options.folder} holds no */metadata.json, expected one folder a scene")

    def rows(chosen: list[Path]) -> Iterator[tuple[str, dict[str, bytes], tuple[int, int, int]]]:
        for path in chosen:
            sample = read_scene(path)
            yield path.name.replace(".", "_"), encode_sample(sample), tuple(sample.video.shape[:3])

    manifest: dict = {"version": 1, "settings": {"made_by": "training.import_movi"}, "shards": {}}
    with one_line(debug=options.debug):
        for start in range(0, len(scenes), options.clips_in_shard):
            name = f"movi-{start // options.clips_in_shard:05d}.tar"
            record = write_shard(options.out / name, rows(scenes[start : start + options.clips_in_shard]))
            manifest["shards"][name] = record
            write_manifest(options.out, manifest)


if __name__ == "__main__":
    main()
