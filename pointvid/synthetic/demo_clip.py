"""Makes the clip that comes with the package: `python -m pointvid.synthetic.demo_clip [FOLDER]`.

It writes demo.mp4, demo_depth.npz ("depth" float16 metres [T, H, W] and "intrinsics" fx, fy, cx, cy), demo_mask.png and
demo_tracks.npz, the truth at each eighth pixel of the foreground, to measure a tracker against; and start.png, a first
frame that the small model has not seen.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from torch.nn.functional import avg_pool2d

from ..files.atomic import atomic_path
from ..files.track_file import save_tracks
from ..files.video import write_video
from .clip import SyntheticClip
from .generator import generate_clip

SIZE = (256, 448)
PLAYED_FPS = 15.0
"""Half the simulated speed: a stack is down before one has looked."""


def demo_clip(size: tuple[int, int] = SIZE) -> SyntheticClip:
    """The clip itself: a hand knocks over a stack of boxes."""
    return generate_clip(7, "val", size, frames=24, fps=2 * PLAYED_FPS, scene="toppling")


def start_clip() -> SyntheticClip:
    """The clip whose first frame the small model gets: of the split "test", which is never trained on."""
    return generate_clip(12, "test", (128, 128), scene="simple")


def main(folder: Path) -> None:
    """Write the five files."""
    with atomic_path(folder / "start.png") as path:
        Image.fromarray(start_clip().video[0].numpy()).save(path)
    clip = demo_clip()
    # Rendered twice as large, then averaged: the pixel centres stay where they are and the edges become smooth.
    fine = demo_clip((2 * SIZE[0], 2 * SIZE[1])).video
    video = avg_pool2d(fine.movedim(-1, 1).float(), 2).round().byte().movedim(1, -1)
    write_video(folder / "demo.mp4", video, PLAYED_FPS, crf=17)
    intrinsics = np.array(clip.camera.intrinsics)
    with atomic_path(folder / "demo_depth.npz") as path:
        _save_lzma(path, depth=clip.depth.numpy().astype(np.float16), intrinsics=intrinsics)
    with atomic_path(folder / "demo_mask.png") as path:
        Image.fromarray(clip.mask.numpy()).save(path)
    tracks = clip.tracks(stride=8).replace(fps=PLAYED_FPS)
    assert tracks.object_id is not None
    save_tracks(tracks.select(tracks.object_id > 0), folder / "demo_tracks.npz")


def _save_lzma(path: Path, **arrays: np.ndarray) -> None:
    """An npz that any NumPy reads. LZMA finds the still background one frame earlier; Deflate cannot look that far."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "assets")
