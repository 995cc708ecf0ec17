"""Did a refactoring leave behaviour equal, bit for bit? Runs the project's doors and hashes all they write and say.

    python -m benchmarks.same_results --out before.json                       # the old code
    python -m benchmarks.same_results --against before.json [--checkout DIR]  # the new code: names what differs

The project is touched only by its commands, as subprocesses of one thread each, in a folder in which all paths are
relative: what is compared knows nothing of where modules, checkouts and folders lie. A hash is of contents: arrays of
npz and PNG, frames of mp4, tensors (each with its key) and metadata of safetensors and states, members of tars, values
of JSON, the bytes of anything else; and of what a command prints, and its exit status.

Left out, because they differ between two runs or two commits of the same code: revisions and versions, times and
speeds, sizes of files, hashes of whole checkpoints (their metadata has no order), and pages (HTML). Held still from
outside, for the same reason: x264's videos depend on the number of cores and on what its memory held before, so a
command gets one core and memory filled by malloc; low-rank updates start from chance that no setting seeds, so that
command gets a seed. Hashes mean something only on one machine with one set of libraries: kernels, the OpenGL renderer
and the video encoder are part of the result.

Needs the extra `train`; no weights, no network, no ComfyUI. Nodes, neural trackers, depth models, segmenters and the
ablation are not covered: the tests are for those.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
CONFIGS, ASSETS = "{checkout}/training/configs", "{checkout}/pointvid/assets"
SEEDED = (
    "import runpy, sys, torch; torch.manual_seed(0); del sys.argv[0]; runpy.run_module(sys.argv[0], {}, '__main__')"
)
FREE_KEYS = {"sha256", "revision", "pointvid", "pointvid.revision", "pointvid.version", "files"}
FREE_TEXT = re.compile(
    r"^time .*\n|\b[0-9a-f]{40}\b|\bpointvid \d+\.\d+\.\d+|\bseconds\S* [\d.e+-]+|\([\d.]+ [kMG]?i?B\)|\b[\d.]+ s\b",
    re.MULTILINE,
)
ENVIRONMENT = {
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")},
    "ACCELERATE_USE_CPU": "true",
    "COLUMNS": "100",
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "MALLOC_PERTURB_": "1",
    "POINTVID_MODELS": "no_models",
    "POINTVID_OFFLINE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "TRANSFORMERS_OFFLINE": "1",
}
MODEL = """
resolution: [64, 64]
frames: 4
fps: 6
point_range: {near: 0.9, far: 2.8, margin: 0.15}
unet: {block_out_channels: [8, 16], attention_levels: [false, true], cross_attention_dim: 8, attention_head_dim: 4,
  norm_num_groups: 4}
vae: {channels: [12, 12, 24, 24], groups: 4}
text: {width: 8, layers: 2, heads: 2, tokens: 12}
image: {width: 8, layers: 1, heads: 2, patch: 8, size: 16}
words: [the, a, is, to, blue, red, ball, box, pushed, lifted, left, right, up, down]
"""

# name -> a command line after `python -m`. One named "refused..." must fail, "any..." may; "seeded..." gets a seed.
DEMO, CLIP = "demo/tracks.npz", "synth/val_000004"
TRUTH = f"--mask {CLIP}/mask.png --depth {CLIP}/depth.npz --fov 40"
PERCEPTION = {
    "help": "pointvid --help",
    "demo": "pointvid demo --out demo --grid 30 --seed 3",
    "synth": "pointvid synth --out synth --count 2 --frames 8 --size 128x96 --seed 3 --split val",
    "track": f"pointvid track {CLIP}/clip.mp4 --out track --frames 8 --grid 24 {TRUTH}",
    "track_resized": f"pointvid track {CLIP}/clip.mp4 --out track_resized --frames 5 --size 64x64 --start 0.1 --all "
    "--no-smooth --grid 12 --camera 120,120,63.5,47.5",
    "track_moving": f"pointvid track {ASSETS}/demo.mp4 --out track_moving --frames 8 --queries grid --grid 16",
    "export": f"pointvid export {DEMO} --out export --format glb ply usda csv json html npz blender nuke after_effects "
    "--points 9 --size 640x480 --first-frame 1001 --frames 21",
    "export_hidden": f"pointvid export {DEMO} --out export_hidden --format glb ply usda --hidden",
    "track_rough": f"pointvid track {CLIP}/clip.mp4 --out track_rough --frames 8 --grid 24 --no-smooth {TRUTH}",
    "measure": f"pointvid measure track/tracks.npz --video {CLIP}/clip.mp4 --against track_rough/tracks.npz "
    "--out measure/report.json measure/report.png",
    "measure_video": f"pointvid measure {CLIP}/clip.mp4",
    "info": f"pointvid info {DEMO}",
    "info_video": f"pointvid info {CLIP}/clip.mp4",
    "view": f"pointvid view {DEMO} --out view/page.html --no-open",
    "info_model": f"pointvid info {ASSETS}/pointvid-small.safetensors --tensors",
    "generate": f"pointvid generate {ASSETS}/pointvid-small.safetensors --image {ASSETS}/start.png --out generate "
    "--prompt blue --negative-prompt red --steps 3 --guidance 2 --seed 7 --frames 8",
    "build": "training.build_dataset list.csv --out build --set clip.size=[96,128] clip.frames=8 clip.fps=null "
    "speed.workers=0 tracks.grid=24 tracks.extra=100 gates.min_tracks=8 clips_in_shard=1",
    "info_sample": "pointvid info build/clips-00000.tar",
    "measure_sample": "pointvid measure build/clips-00000.tar",
    "import_movi": "training.import_movi movi --out movi_shards",
    "refused_track": f"pointvid track {CLIP}/clip.mp4 --out refused --frames 99",
    "refused_depth": f"pointvid track {CLIP}/clip.mp4 --out refused --frames 8 --depth list.csv",
    "refused_tracks": "pointvid export list.csv --format glb",
}
SMALL = (
    "data.shards=shards/train data.workers=0 precision=fp32 batch_size=2 steps=4 save_every=2 keep=9 log_every=1 "
    "trackers=[] optimizer.warmup_steps=1"
)
VALID = (
    "data.val_shards=shards/val data.cache=latents validation.every=2 validation.samples=1 validation.sample_steps=2"
)
STAGE1 = f"training.augment {CONFIGS}/tiny_stage1.yaml {SMALL} {VALID} model.tiny=model.yaml model.vae=vae/vae"
STAGE2 = f"training.regularize {CONFIGS}/tiny_stage2.yaml {SMALL} {VALID} validation.batches=1"
PLAIN = "optimizer.schedule=constant"  # under which a run may be prolonged
CALIBRATED = f"{STAGE2} model.checkpoint=refit.safetensors {PLAIN} weights={{}} grad_step=x0_at_t"
ROWS = "--clips 2 --steps 2"
TRAINING = {
    "synthesize": "training.synthesize --out shards/train --clips 8 --size 64x64 --frames 4 --fps 6 --scenes simple "
    "--clips-in-shard 4",
    "synthesize_val": "training.synthesize --out shards/val --clips 3 --size 64x64 --frames 4 --fps 6 --split val",
    "vae": f"training.train_vae {CONFIGS}/tiny_vae.yaml {SMALL} out=vae model=model.yaml",
    "stage1": f"{STAGE1} out=stage1 {PLAIN}",
    "stopped": f"{STAGE1} out=resumed {PLAIN} steps=2",
    "resumed": f"{STAGE1} out=resumed {PLAIN}",
    "exported": f"{STAGE1} out=resumed {PLAIN} --export-only",
    "rgb_only": f"{STAGE1} out=rgb_only mode=rgb_only accumulate=2 precision=bf16 ema_decay=0 min_snr_gamma=5 seed=1 "
    "conditioning.offset_noise=0.1 model.train_encoders=false steps=2 point_weight=2",
    "refit": "training.refit_decoder stage1/model.safetensors --shards shards/train --out refit.safetensors --clips 3",
    "seeded_lora": f"training.augment {CONFIGS}/consumer_24gb_lora.yaml {SMALL} {VALID} out=lora steps=2 "
    "model.lora_rank=2 model.lora_alpha=4 model.checkpoint=refit.safetensors optimizer.kind=adamw",
    "stage2": f"{CALIBRATED} out=stage2",
    "stage2_stopped": f"{CALIBRATED} out=stage2_resumed steps=2",
    "stage2_resumed": f"{CALIBRATED} out=stage2_resumed",
    "stage2_random": f"{STAGE2} model.checkpoint=refit.safetensors out=stage2_random steps=2 ddim_steps=4 "
    "max_points=64 decode_chunk=3 precision=bf16",
    "stage2_last": f"{STAGE2} model.checkpoint=refit.safetensors out=stage2_last steps=2 ddim_steps=3 grad_step=last "
    "space=uvd weights={} weights.calibrate_by=gradient",
    "evaluate": f"training.evaluate stage2/model.safetensors --against refit.safetensors --shards shards/val {ROWS} "
    "--out evaluate",
    "suites": f"{{compare}} stage2/model.safetensors --shards shards/val {ROWS} --out suites --suite",
    "any_generate": "pointvid generate stage2/model.safetensors --image {checkout}/pointvid/assets/start.png "
    "--prompt ball --out generate_small --steps 2 --size 64x64",
    "convert_to": "pointvid convert stage2/model.safetensors diffusers",
    "convert_back": "pointvid convert diffusers back.safetensors --dtype bf16 --size 64x64 --frames 4 --far 20",
    "convert_unet": "pointvid convert diffusers unet.safetensors --unet-only --entry-attention channel",
    "info_back": "pointvid info back.safetensors",
    "refused_key": f"{STAGE1} out=refused optimizer.rl=1",
    "refused_start": f"{STAGE2} model.checkpoint=back.safetensors out=refused",
}


def run(name: str, command: str, checkout: Path, work: Path) -> None:
    """Go through one door; what it says and its exit status go into a file beside what it writes."""
    compare = "experiments.compare" if (checkout / "experiments").is_dir() else "training.evaluate"  # where it was once
    words = command.replace("{checkout}", str(checkout)).replace("{compare}", compare).split()
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": str(checkout)}
    began = time.perf_counter()
    how = ["-c", SEEDED] if name.startswith("seeded") else ["-m"]
    done = subprocess.run([sys.executable, *how, *words], cwd=work, env=environment, capture_output=True, text=True)
    print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
    if not name.startswith("any") and (done.returncode != 0) != name.startswith("refused"):
        print(f"{name}: exit status {done.returncode}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}", flush=True)
    error = done.stderr.splitlines()[-1:] if done.returncode else []
    said = "\n".join((done.stdout, *error, f"exit status {done.returncode}")).replace(str(checkout), ".")
    (work / "said" / f"{name}.txt").write_text(FREE_TEXT.sub("", said), encoding="utf-8")


def prepare(work: Path) -> None:
    """What the doors are given: a small model's settings, a list of clips, a Kubric scene."""
    (work / "said").mkdir()
    (work / "model.yaml").write_text(MODEL, encoding="utf-8")
    rows = ["video,caption", *(f"synth/val_00000{i}/clip.mp4,a ball rolls to box {i}" for i in (3, 4))]
    (work / "list.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    scene = work / "movi" / "scene_1"
    scene.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (4, 16, 24, 3), dtype=np.uint8)
    objects = np.zeros((16, 24), np.uint8)
    objects[4:10, 6:14] = 1
    for t in range(4):
        Image.fromarray(pixels[t]).save(scene / f"rgba_{t:05d}.png")
    Image.fromarray(np.float32(4 - objects)).save(scene / "depth_00000.tiff")
    Image.fromarray(objects).save(scene / "segmentation_00000.png")
    turns = [[1, 0, 0.02 * t, 0] for t in range(4)]
    camera = {"positions": [[0, 0, 5]] * 4, "quaternions": [[1, 0, 0, 0]] * 4, "focal_length": 35, "sensor_width": 32}
    moving = {"positions": [[0.1 * t, 0, 2] for t in range(4)], "quaternions": turns, "category": "box"}
    (scene / "metadata.json").write_text(json.dumps({"camera": camera, "instances": [moving]}), encoding="utf-8")


def hashed(data: bytes) -> str:
    """Short: two contents of one name, not of all the world, are told apart by it."""
    return hashlib.sha256(data).hexdigest()[:20]


def contents(name: str, data: bytes) -> Iterator[tuple[str, str]]:
    """Names and hashes of what a file holds."""
    suffix = Path(name).suffix
    if suffix == ".npz":
        with np.load(io.BytesIO(data)) as arrays:
            yield from ((f"{name}:{key}", array_hash(arrays[key])) for key in arrays)
    elif suffix == ".png":
        yield name, array_hash(np.asarray(Image.open(io.BytesIO(data))))
    elif suffix == ".mp4":
        with av.open(io.BytesIO(data)) as file:
            rate = str(file.streams.video[0].average_rate)
            frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        yield name, hashed((rate + array_hash(np.stack(frames))).encode())
    elif suffix == ".safetensors":
        header, body = json.loads(data[8 : (size := 8 + int.from_bytes(data[:8], "little"))]), memoryview(data)[size:]
        metadata = header.pop("__metadata__", {})
        tensors = {key: [v["dtype"], v["shape"], hashed(body[slice(*v["data_offsets"])])] for key, v in header.items()}
        yield f"{name}:tensors", hashed(canonical(tensors))
        yield f"{name}:metadata", hashed(canonical(metadata))
    elif suffix == ".pt":
        yield name, hashed(canonical(tensors_hashed(torch.load(io.BytesIO(data), weights_only=True))))
    elif suffix == ".tar":
        yield name, hashed(data)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                yield from contents(f"{name}/{member.name}", tar.extractfile(member).read())
    elif suffix == ".json":
        yield name, hashed(canonical(json.loads(data)))
    elif suffix != ".html":
        yield name, hashed(data)


def array_hash(array: np.ndarray) -> str:
    """Of type, shape and values."""
    return hashed(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())


def tensors_hashed(value: Any) -> Any:
    """A nested state dict as JSON."""
    if isinstance(value, torch.Tensor):
        raw = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
        return [str(value.dtype), list(value.shape), array_hash(raw)]
    if isinstance(value, dict):
        return {str(key): tensors_hashed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [tensors_hashed(item) for item in value]
    return repr(value)


def canonical(value: Any) -> bytes:
    """JSON without what may differ."""

    def cleaned(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: cleaned(entry) for key, entry in item.items() if key not in FREE_KEYS and "seconds" not in key}
        return [cleaned(entry) for entry in item] if isinstance(item, list | tuple) else item

    return json.dumps(cleaned(value), sort_keys=True).encode()


def run_all(checkout: Path, work: Path) -> None:
    """The two chains of commands, side by side."""
    prepare(work)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]

    def go(core: int, commands: dict[str, str]) -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {core})  # of this thread and what it starts
        for name, command in commands.items():
            run(name, command, checkout, work)

    with ThreadPoolExecutor() as pool:
        list(pool.map(go, (cores[0], cores[-1]), (PERCEPTION, TRAINING)))


def collect(work: Path) -> dict[str, str]:
    """Every name and its hash."""
    found: dict[str, str] = {}
    for path in sorted(path for path in work.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if path.suffix in (".jsonl", ".txt"):
            data = data.replace(str(work).encode(), b".")
        found |= dict(contents(path.relative_to(work).as_posix(), data))
    return found


def main() -> None:
    """Parse arguments, run, write or compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_results", description=__doc__.splitlines()[0])
    parser.add_argument("--checkout", type=Path, default=ROOT, help="the code to run; default: this checkout")
    parser.add_argument("--out", type=Path, help="write names and hashes to this JSON")
    parser.add_argument("--against", type=Path, help="compare with such a JSON; exit status 1 where anything differs")
    parser.add_argument("--keep", type=Path, help="a new folder that the commands' files stay in")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.keep or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=options.keep is None)
        run_all(options.checkout.resolve(), work)
        found = collect(work)
    if options.out:
        options.out.write_text(json.dumps(found, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    if options.against:
        expected = json.loads(options.against.read_text(encoding="utf-8"))
        for name in sorted(expected.keys() | found.keys()):
            if found.get(name) != expected.get(name):
                print(f"{'missing' if name not in found else 'new' if name not in expected else 'differs'}: {name}")
        same = sum(found.get(name) == value for name, value in expected.items())
        print(f"{same} of {len(expected)} are equal, {len(found.keys() - expected.keys())} are new")
        raise SystemExit(found != expected)
    print(f"{len(found)} names")


if __name__ == "__main__":
    main()
