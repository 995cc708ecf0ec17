"""Which clips there are: folders, CSV, JSON lines and WebDataset tars become one list of jobs."""

from __future__ import annotations

import ast
import csv
import hashlib
import json
import re
import sys
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pointvid.errors import PointVidError
from pointvid.preprocess import ClipSource

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".gif")
LIST_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
METADATA = ("metadata.csv", "metadata.jsonl", "captions.csv", "captions.jsonl")

# What the columns of a list may be called; the first one that is there counts.
_VIDEO = ("video", "path", "file_name", "filename", "file", "video_path", "videoID", "video_id")
_CAPTION = ("caption", "text", "prompt")
_TIMES = ("timestamp", "timestamps")
_START, _END = ("start", "start_time"), ("end", "end_time")
_MASK, _DEPTH, _LABELS, _SCORE = ("mask",), ("depth",), ("labels",), ("matching_score", "score")


@dataclass(frozen=True)
class Job:
    """One clip to be made. `problem`: why it cannot even be tried, a rejection from the start."""

    key: str
    source: ClipSource
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without what is empty."""
        source = {name: value for name, value in asdict(self.source).items() if value not in (None, "", ())}
        return {"key": self.key, "source": source, **({"problem": self.problem} if self.problem else {})}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Job:
        """The inverse of `to_dict`."""
        source = dict(values["source"])
        for name in ("labels", "member"):
            if name in source:
                source[name] = tuple(source[name])
        return cls(values["key"], ClipSource(**source), values.get("problem", ""))


def list_jobs(inputs: list[Path], videos: Path | None = None, min_score: float | None = None) -> list[Job]:
    """Every clip of the inputs, each once, in the order of the inputs.

    Args:
        inputs: folders of videos (with captions in NAME.txt or NAME.json, or one metadata.csv / metadata.jsonl) or of
            tars, CSV, JSON lines, or WebDataset tars.
        videos: folder to look videos of lists up in, besides the list's own.
        min_score: rows (or timestamps) with a lower matching score are left out.
    Raises:
        PointVidError: an input that does not exist or is of no known kind, a list without a column of videos, or no
            clip at all.
    """
    jobs: dict[str, Job] = {}
    for path in inputs:
        for source, problem in _sources(path, videos, min_score):
            identity = "|".join(map(str, (source.name, source.start, source.end, source.caption)))
            stem = re.sub(r"[^A-Za-z0-9_-]+", "_", source.name.rpartition("/")[2].rpartition(".")[0] or source.name)
            key = f"{stem[:40]}-{hashlib.sha256(identity.encode()).hexdigest()[:10]}"
            again = 2
            while key in jobs and jobs[key].source != source:
                key, again = f"{key.partition('+')[0]}+{again}", again + 1
            jobs.setdefault(key, Job(key, source, problem))
    if not jobs:
        raise PointVidError(
            f"{', '.join(map(str, inputs))}: no clip found; expected videos ({' '.join(VIDEO_SUFFIXES)})"
        )
    return list(jobs.values())


def _sources(path: Path, videos: Path | None, min_score: float | None) -> Iterator[tuple[ClipSource, str]]:
    """Clips and their problems, of one input."""
    if path.is_dir():
        yield from _folder(path, videos, min_score)
    elif not path.exists():
        raise PointVidError(f"{path} does not exist, expected a folder, a .csv, .jsonl or .tar")
    elif path.suffix.lower() == ".tar":
        yield from _tar(path)
    elif path.suffix.lower() in LIST_SUFFIXES:
        yield from _list(path, videos, min_score)
    elif path.suffix.lower() in VIDEO_SUFFIXES:
        yield _beside(path, path.name), ""
    else:
        raise PointVidError(f"{path} is no input we know, expected a folder, a .csv, .jsonl, .tar or a video")


def _folder(folder: Path, videos: Path | None, min_score: float | None) -> Iterator[tuple[ClipSource, str]]:
    for name in METADATA:
        if (folder / name).is_file():
            yield from _list(folder / name, videos, min_score)
            return
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts) or not path.is_file():
            continue
        if path.suffix.lower() == ".tar":
            yield from _tar(path)
        elif path.suffix.lower() in VIDEO_SUFFIXES and not path.stem.endswith(".mask"):
            yield _beside(path, f"{folder.name}/{relative.as_posix()}"), ""


def _beside(path: Path, name: str) -> ClipSource:
    """A video with what lies beside it: NAME.txt or NAME.json, NAME.mask.*, NAME.depth*."""
    found: dict[str, Any] = {}
    if path.with_suffix(".txt").is_file():
        found["caption"] = path.with_suffix(".txt").read_text(encoding="utf-8", errors="replace").strip()
    elif path.with_suffix(".json").is_file():
        found.update(_facts(path.with_suffix(".json").read_bytes()))
    for kind, endings in (("mask", (".png", *VIDEO_SUFFIXES)), ("depth", (".npz", ".npy", ""))):
        for ending in endings:
            beside = path.with_name(f"{path.stem}.{kind}{ending}")
            if beside.exists():
                found[kind] = str(beside.resolve())
                break
    return ClipSource(str(path.resolve()), name=name, **found)


def _tar(path: Path) -> Iterator[tuple[ClipSource, str]]:
    """KEY.mp4 with KEY.txt or KEY.json. Of a damaged tar what can be read is used."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    problem = ""
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                folder, slash, base = member.name.rpartition("/")
                key, _, extension = base.partition(".")
                clip, extension = found[folder + slash + key], "." + extension.lower()
                if extension in VIDEO_SUFFIXES:
                    clip.update(member=(member.offset_data, member.size), name=f"{path.name}/{member.name}")
                elif extension == ".txt":
                    clip["caption"] = tar.extractfile(member).read().decode("utf-8", "replace").strip()
                elif extension == ".json":
                    clip.update({**_facts(tar.extractfile(member).read()), **clip})
    except (tarfile.TarError, EOFError, OSError) as error:
        problem = f"{path} is damaged or no tar ({error}), expected a WebDataset shard"
    for clip in found.values():
        if "member" in clip:
            yield ClipSource(str(path.resolve()), **clip), ""
    if problem:
        yield ClipSource(str(path.resolve()), name=path.name), problem


def _facts(data: bytes) -> dict[str, Any]:
    """Caption and labels of a JSON file beside a video; nothing where it holds none."""
    try:
        facts = json.loads(data)
    except ValueError:
        return {}
    if not isinstance(facts, dict):
        return {}
    found: dict[str, Any] = {}
    caption, labels = _first(facts, _CAPTION), facts.get("labels")
    if isinstance(caption, str):
        found["caption"] = caption.strip()
    if isinstance(labels, list) and all(isinstance(label, str) for label in labels):
        found["labels"] = tuple(labels)
    return found


def _list(path: Path, videos: Path | None, min_score: float | None) -> Iterator[tuple[ClipSource, str]]:
    folders = [path.parent, *([videos] if videos else [])]
    for number, row in enumerate(_rows(path), 1):
        video = _first(row, _VIDEO)
        if video is None:
            raise PointVidError(
                f"{path}: row {number} has {', '.join(map(str, row))}, expected a video in one of {', '.join(_VIDEO)}"
            )
        try:
            yield from _row(str(video), row, folders, min_score)
        except (ValueError, TypeError) as error:
            why = " ".join(str(error).split())
            yield ClipSource(str(video), name=f"{video} (row {number})"), f"{path.name}, row {number}: {why}"


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix.lower() in (".csv", ".tsv"):
                csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # lists of captions are long
                yield from csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
                return
            rows = json.load(file) if path.suffix.lower() == ".json" else (json.loads(s) for s in file if s.strip())
            for row in rows:
                if not isinstance(row, dict):
                    raise ValueError(f"found {row!r}, expected an object with a video and a caption")
                yield row
    except (ValueError, csv.Error, UnicodeDecodeError) as error:
        raise PointVidError(
            f"{path} cannot be read as a list of clips ({' '.join(str(error).split())[:200]})"
        ) from error


def _row(
    video: str, row: Mapping[str, Any], folders: list[Path], min_score: float | None
) -> Iterator[tuple[ClipSource, str]]:
    """One row is one clip, or as many as it has timestamps."""
    path, problem = _find(video, folders)
    captions, scores = _value(_first(row, _CAPTION) or ""), _value(_first(row, _SCORE))
    times = _value(_first(row, _TIMES))
    if times is None:
        times = [(_first(row, _START) or 0, _first(row, _END))]
    elif not isinstance(times, list):
        raise ValueError(f"timestamp is {times!r}, expected [[start, end], ...]")
    elif times and not isinstance(times[0], list | tuple):
        times = [times]
    captions = captions if isinstance(captions, list) else [captions] * len(times)
    scores = scores if isinstance(scores, list) else [scores] * len(times)
    if len(captions) < len(times) or len(scores) < len(times):
        raise ValueError(f"{len(times)} timestamps with {len(captions)} captions and {len(scores)} scores")
    labels = _value(_first(row, _LABELS) or ())
    if isinstance(labels, str):
        labels = [label.strip() for label in labels.split(",")]
    beside = {}
    for kind, names in (("mask", _MASK), ("depth", _DEPTH)):
        if _first(row, names):
            beside[kind] = _find(str(_first(row, names)), folders)[0]
    for (start, end), caption, score in zip(times, captions, scores):
        if min_score is not None and score is not None and float(score) < min_score:
            continue
        yield (
            ClipSource(
                path,
                str(caption).strip(),
                seconds(start),
                None if end in (None, "") else seconds(end),
                labels=tuple(map(str, labels)),
                name=Path(video).as_posix(),
                **beside,
            ),
            problem,
        )


def _find(name: str, folders: list[Path]) -> tuple[str, str]:
    """The file called `name`, with any video suffix where it has none, and a problem where there is none."""
    suffixes = ("",) if Path(name).suffix else ("", *VIDEO_SUFFIXES)
    for folder in folders:
        for suffix in suffixes:
            path = folder / (name + suffix)  # an absolute name stays itself
            if path.exists():
                return str(path.resolve()), ""
    return name, f"{name} is not in {' or '.join(map(str, folders))}"


def seconds(time: Any) -> float:
    """Seconds of a number, or of "0:01:02.5"."""
    parts = str(time).strip().split(":")
    try:
        values = [float(part) for part in parts]
        if len(values) > 3 or min(values) < 0:
            raise ValueError
    except ValueError:
        raise ValueError(f"time is {time!r}, expected seconds or H:MM:SS.s") from None
    return sum(value * 60**power for power, value in enumerate(reversed(values)))


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _value(text: Any) -> Any:
    """Lists are written as Python or as JSON writes them, also inside a CSV; what is no list stays as it is."""
    if isinstance(text, str) and text.lstrip().startswith("["):
        for read in (json.loads, ast.literal_eval):
            with suppress(ValueError, SyntaxError):
                return read(text)
    return text
