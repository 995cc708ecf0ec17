"""The suites: each takes a folder of clips and gives back scores by name and clip.

Scores are kept as files next to the clips as soon as they are known, so that a killed run goes on.
"""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from pointvid.errors import PointVidError
from pointvid.files.atomic import atomic_path
from pointvid.files.track_file import load_tracks
from pointvid.files.video import read_clip
from pointvid.metrics import measure, track_video

from .clips import check_clips, clip_path
from .environments import needed, run_in, versions
from .inputs import Item

VBENCH_DIMENSIONS = (
    "subject_consistency",
    "background_consistency",
    "motion_smoothness",
    "aesthetic_quality",
    "imaging_quality",
    "dynamic_degree",
)
_RUNNER = Path(__file__).parent / "vbench_runner.py"


@dataclass(frozen=True)
class Scores:
    """clips: score -> clip -> value; versions: of what scored."""

    clips: dict[str, dict[str, float]]
    versions: dict

    def means(self) -> dict[str, float]:
        """Of every score, over the clips that have it."""
        return {name: sum(values.values()) / len(values) for name, values in self.clips.items() if values}


@dataclass(frozen=True)
class Places:
    """Where a suite finds and puts things.

    Attributes:
        out: its folder in the evaluation; shared: what all methods' runs of it share, its weights.
        python: of an environment with its libraries.
        code, weights: VideoPhy's checkout, and the folder of its rater's weights.
    """

    out: Path
    shared: Path
    python: Path | None = None
    code: Path | None = None
    weights: Path | None = None


def vbench(folder: Path, items: Sequence[Item], places: Places) -> Scores:
    """Six dimensions of VBench that custom videos have; weights are downloaded by VBench itself on its first run.

    Raises:
        PointVidError: clips are missing, no Python for it was given, or a dimension fails.
    """
    check_clips(folder, items)
    missing = [name for name in VBENCH_DIMENSIONS if not (places.out / f"{name}_eval_results.json").is_file()]
    python = needed("vbench", places.python)
    if missing:
        # The suite takes every video of a folder, so it gets one with these clips and nothing else.
        videos = places.out / "videos"
        shutil.rmtree(videos, ignore_errors=True)
        videos.mkdir(parents=True)
        for item in items:
            shutil.copyfile(clip_path(folder, item), videos / f"{item.name}.mp4")
        prompts = places.out / "prompts.json"
        with atomic_path(prompts) as path:
            path.write_text(json.dumps({f"{item.name}.mp4": item.prompt for item in items}), encoding="utf-8")
        for dimension in missing:
            scratch = places.out / "scratch"
            shutil.rmtree(scratch, ignore_errors=True)
            arguments = [_RUNNER, videos.absolute(), prompts.absolute(), dimension, scratch.absolute()]
            log = places.out / f"{dimension}.log"
            weights = (places.shared / "vbench-weights").absolute()  # not into the user's own cache
            caches = {"VBENCH_CACHE_DIR": str(weights), "TORCH_HOME": str(weights / "torch")}
            run_in(python, [str(part) for part in arguments], log, f"vbench {dimension}", defaults=caches)
            found = scratch / f"{dimension}_eval_results.json"
            if not found.is_file():
                raise PointVidError(f"vbench {dimension} wrote no scores; see {log}")
            found.replace(places.out / found.name)
        shutil.rmtree(places.out / "scratch", ignore_errors=True)
        shutil.rmtree(videos, ignore_errors=True)
    clips = {name: _vbench_scores(places.out / f"{name}_eval_results.json", name, items) for name in VBENCH_DIMENSIONS}
    return Scores(clips, versions(python))


def _vbench_scores(path: Path, dimension: str, items: Sequence[Item]) -> dict[str, float]:
    """{clip: score} of VBench's {dimension: [mean, [{"video_path", "video_results"}, ...]]}."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))[dimension][1]
        # imaging quality is written per video on MUSIQ's scale of 100, and only its mean on 1
        scale = 0.01 if dimension == "imaging_quality" else 1.0
        scores = {Path(row["video_path"]).stem: scale * float(row["video_results"]) for row in rows}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise PointVidError(
            f"vbench {dimension}: {path} is not as expected ({error}); delete it and run again"
        ) from error
    missing = [item.name for item in items if item.name not in scores]
    if missing:
        raise PointVidError(f"vbench {dimension}: {path} lacks {len(missing)} clips ({missing[0]}...); delete it")
    return {item.name: scores[item.name] for item in items}


def videophy(folder: Path, items: Sequence[Item], places: Places) -> Scores:
    """Physical commonsense of VideoPhy's rater (arXiv 2406.03520): its probability of "Yes", and the share above half.

    Raises:
        PointVidError: clips, the checkout, the weights or a Python for it are missing, or it fails.
    """
    check_clips(folder, items)
    if places.code is None or not (places.code / "utils" / "prepare_data.py").is_file():
        raise PointVidError(
            f"suite videophy: its checkout is {places.code or 'not given'}, expected --videophy-code FOLDER, a clone "
            "of github.com/Hritikbansal/videophy"
        )
    if places.weights is None or not places.weights.is_dir():
        raise PointVidError(
            f"suite videophy: its weights are {places.weights or 'not given'}, expected --videophy-weights FOLDER with "
            "the rater videocon_physics that its README names"
        )
    python, result = needed("videophy", places.python), places.out / "physics_scores.csv"
    code = places.code.absolute()
    if not result.is_file():
        listed = places.out / "clips.csv"
        with atomic_path(listed) as path, path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["videopath", "caption"])
            writer.writerows([clip_path(folder, item).absolute(), item.prompt] for item in items)
        log, out = places.out / "videophy.log", places.out.absolute()
        prepare = [code / "utils/prepare_data.py", "--input_csv", listed.absolute(), "--output_folder", out]
        run_in(python, [str(part) for part in prepare], log, "videophy prepare_data", code)
        # The rater appends to its output: a part of a killed run would count twice.
        part = out / "physics_scores.part.csv"
        part.unlink(missing_ok=True)
        rate = [code / "videocon/training/pipeline_video/entailment_inference.py"]
        rate += ["--input_csv", out / "physics_testing.csv", "--output_csv", part]
        rate += ["--checkpoint", places.weights.absolute()]
        run_in(python, [str(word) for word in rate], log, "videophy entailment_inference", code)
        if not part.is_file():
            raise PointVidError(f"videophy wrote no scores; see {log}")
        part.replace(result)
    with result.open(newline="", encoding="utf-8") as file:
        found = {Path(row[0]).stem: float(row[-1]) for row in csv.reader(file) if row}
    missing = [item.name for item in items if item.name not in found]
    if missing:
        raise PointVidError(f"videophy: {result} lacks {len(missing)} clips ({missing[0]}...); delete it and run again")
    scores = {item.name: found[item.name] for item in items}
    share = {name: float(value > 0.5) for name, value in scores.items()}
    return Scores({"physical_commonsense": scores, "physical_commonsense_share": share}, versions(python))


def geometry(folder: Path, items: Sequence[Item], places: Places) -> Scores:
    """Our own figures (docs/metrics.md), of generated tracks, or of the re-tracked video where a method has none.

    The latter are named retracked_*, since the tracker's errors are in them too.
    """
    check_clips(folder, items)
    clips: dict[str, dict[str, float]] = {}
    for item in items:
        path = places.out / f"{item.name}.json"
        if not path.is_file():
            video = read_clip(clip_path(folder, item)).frames
            whole = torch.ones(video.shape[1:3], dtype=torch.bool)
            tracks = folder / f"{item.name}.npz"
            if tracks.is_file():
                report, prefix = measure(load_tracks(tracks), video, name=item.name), ""
            else:
                report, prefix = measure(track_video(video, whole), video, retrack=False, name=item.name), "retracked_"
            values = {prefix + found.name: found.value for found in report.measurements}
            with atomic_path(path) as temporary:
                finite = {name: value for name, value in values.items() if math.isfinite(value)}
                temporary.write_text(json.dumps(finite, indent=1), encoding="utf-8")
        for name, value in json.loads(path.read_text(encoding="utf-8")).items():
            clips.setdefault(name, {})[item.name] = value
    return Scores(clips, {})


SUITES = {"vbench": vbench, "videophy": videophy, "geometry": geometry}
