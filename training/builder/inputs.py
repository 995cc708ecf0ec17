"""Which clips there are: folders, CSV, JSON lines and WebDataset tars become one list of jobs."""

from __future__ import annotations

import ast
import csv
import hashlib
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from os.path import realpath
from pathlib import Path
from typing import Any

from pointvid.errors import PointVidError
from pointvid.files.document import Maybe, parse_document
from pointvid.files.pictures import printable
from pointvid.files.readable import readable, reason
from pointvid.files.tar import read_member, tar_members
from pointvid.preprocess import ClipSource

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".gif")
LIST_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
METADATA = ("metadata.csv", "metadata.jsonl", "captions.csv", "captions.jsonl")

Unused = Callable[[str, str], None]
"""Told a name and why it is not used."""
LONGEST_TEXT, LONGEST_LIST = 2**20, 100_000
"""Bytes of a caption's file, and characters of a list written as Python writes it."""

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


def list_jobs(
    inputs: list[Path], videos: Path | None = None, min_score: float | None = None, unused: Unused = lambda *_: None
) -> list[Job]:
    """Every clip of the inputs, each once, in the order of the inputs.

    Args:
        inputs: folders of videos (with captions in NAME.txt or NAME.json, or one metadata.csv / metadata.jsonl) or of
            tars, CSV, JSON lines, or WebDataset tars.
        videos: folder to look videos of lists up in, besides the list's own.
        min_score: rows (or timestamps) with a lower matching score are left out.
        unused: called with what the inputs hold besides and why no clip is made of it, one at a time.
    Raises:
        PointVidError: an input that does not exist or is of no known kind, a list without a column of videos, or no
            clip at all.
    """
    jobs: dict[str, Job] = {}
    for path in inputs:
        for source, problem in _sources(path, _Lists(videos, min_score, unused)):
            identity = "|".join(map(str, (source.name, source.start, source.end, source.caption)))
            stem = re.sub(r"[^A-Za-z0-9_-]+", "_", source.name.rpartition("/")[2].rpartition(".")[0] or source.name)
            digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
            key = f"{stem[:40]}-{digest[:10]}"
            again = 2
            while key in jobs and jobs[key].source != source:
                key, again = f"{key.partition('+')[0]}+{again}", again + 1
            jobs.setdefault(key, Job(key, source, problem))
    if not jobs:
        raise PointVidError(
            f"{', '.join(map(str, inputs))}: no clip found; expected videos ({' '.join(VIDEO_SUFFIXES)})"
        )
    return list(jobs.values())


@dataclass(frozen=True)
class _Lists:
    """How lists are read: where else their videos may lie, from which score on, and who is told what is not used."""

    videos: Path | None
    min_score: float | None
    unused: Unused


def _sources(path: Path, how: _Lists) -> Iterator[tuple[ClipSource, str]]:
    """Clips and their problems, of one input."""
    if path.is_dir():
        yield from _folder(path, how)
    elif not path.is_file():
        found = "is neither file nor folder" if path.exists() else "does not exist"
        raise PointVidError(f"{path} {found}, expected a folder, a .csv, .jsonl or .tar")
    elif path.suffix.lower() == ".tar":
        yield from _tar(path, how)
    elif path.suffix.lower() in LIST_SUFFIXES:
        yield from _list(path, how)
    elif path.suffix.lower() in VIDEO_SUFFIXES:
        yield _beside(path, path.name)
    else:
        raise PointVidError(f"{path} is no input we know, expected a folder, a .csv, .jsonl, .tar or a video")


def _folder(folder: Path, how: _Lists) -> Iterator[tuple[ClipSource, str]]:
    entries = [
        path
        for path in sorted(folder.rglob("*"))
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    lists = [folder / name for name in METADATA if (folder / name).is_file()]
    used: set[Path] = set(lists[:1])
    if lists:
        for source, problem in _list(lists[0], how):
            used |= {Path(part) for part in (source.video, source.mask, source.depth) if part}
            yield source, problem
    for path in entries:
        kind = path.suffix.lower()
        if lists or not path.is_file():
            continue
        if kind == ".tar":
            used.add(path)
            yield from _tar(path, how)
        elif kind in VIDEO_SUFFIXES and not path.stem.endswith(".mask"):
            used |= {path, *_companions(path).values()}
            yield _beside(path, f"{folder.name}/{path.relative_to(folder).as_posix()}")
    known = {realpath(path) for path in used}  # `resolve` would not bear links in a circle
    for path in entries:
        if not path.is_dir() and not known & {realpath(path), *map(realpath, path.parents)}:
            how.unused(str(path), _why_not(path, lists))


def _why_not(path: Path, lists: list[Path]) -> str:
    """Why a file of a folder is no clip, and is not part of one."""
    if lists:
        return f"{lists[0].name} does not name it"
    if not path.is_file():
        return "is no file"
    if path.suffix.lower() in (".txt", ".json", ".png", ".npz", ".npy") or path.stem.endswith(".mask"):
        return "no video has this name, or it has one of these already"
    return f"is no video that is looked for ({' '.join(VIDEO_SUFFIXES)})"


def _companions(path: Path) -> dict[str, Path]:
    """What lies beside a video: NAME.txt or else NAME.json, NAME.mask.*, NAME.depth*."""
    found = {}
    for kind, names in (
        ("text", [path.stem + ending for ending in (".txt", ".json")]),
        ("mask", [f"{path.stem}.mask{ending}" for ending in (".png", *VIDEO_SUFFIXES)]),
        ("depth", [f"{path.stem}.depth{ending}" for ending in (".npz", ".npy", "")]),
    ):
        there = [path.with_name(name) for name in names if path.with_name(name).exists()]
        if there:
            found[kind] = there[0]
    return found


def _beside(path: Path, name: str) -> tuple[ClipSource, str]:
    """A video with its companions, and what is wrong with them."""
    companions, facts, problem = _companions(path), {}, ""
    text = companions.pop("text", None)
    try:
        if text is not None:
            data = _bytes(text)
            facts = {"caption": plain_text(data, text.name)} if text.suffix == ".txt" else _facts(data, text.name)
    except PointVidError as error:
        problem = str(error)
    files: dict[str, Any] = {kind: realpath(found) for kind, found in companions.items()}
    return ClipSource(realpath(path), name=printable(name), **facts, **files), problem


def _bytes(path: Path) -> bytes:
    with readable(str(path), f"a text of up to {LONGEST_TEXT} bytes"):
        if not path.is_file() or path.stat().st_size > LONGEST_TEXT:
            raise ValueError("it is no file" if not path.is_file() else "it is too long")
        return path.read_bytes()


def plain_text(data: bytes, name: str) -> str:
    """UTF-8, or UTF-16 that says so, as text. Other encodings cannot be told from each other, so none is guessed.

    Raises:
        PointVidError: it is neither.
    """
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding).strip()
    except UnicodeDecodeError as error:
        raise PointVidError(
            f"{name} is not UTF-8 (byte {error.start} is 0x{data[error.start]:02x}; a Windows code page?), expected "
            "UTF-8; save it again as that"
        ) from error
    if "\0" in text:
        raise PointVidError(f"{name} holds null characters, expected text in UTF-8; save it again as that")
    return text


def _tar(path: Path, how: _Lists) -> Iterator[tuple[ClipSource, str]]:
    """KEY.mp4 with KEY.txt or KEY.json. Of a damaged tar what can be read is used."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    problem, problems, beside = "", {}, {}
    try:
        for member in tar_members(path, str(path)):
            folder, slash, base = member.name.rpartition("/")
            key, _, extension = base.partition(".")
            key, extension = folder + slash + key, "." + extension.lower()
            clip, name = found[key], f"{path.name}/{member.name}"
            if extension in VIDEO_SUFFIXES:
                if "member" in clip:
                    how.unused(name, f"{key} has a video already")
                    continue
                clip.update(member=(member.offset_data, member.size), name=printable(name))
            elif extension in (".txt", ".json"):
                beside.setdefault(key, name)
                try:
                    if member.size > LONGEST_TEXT:
                        raise PointVidError(f"{name} has {member.size} bytes, expected up to {LONGEST_TEXT}")
                    data = read_member(path, member, name)
                    text = {"caption": plain_text(data, name)} if extension == ".txt" else _facts(data, name)
                    clip.update(text if extension == ".txt" else {**text, **clip})
                except PointVidError as error:
                    problems[key] = str(error)
            else:
                how.unused(name, "is neither a video that is looked for nor its .txt or .json")
    except PointVidError as error:
        problem = str(error)
    for key, clip in found.items():
        if "member" in clip:
            yield ClipSource(realpath(path), **clip), problems.get(key, "")
        elif key in beside:
            how.unused(beside[key], "no video has this name")
    if problem:
        yield ClipSource(realpath(path), name=printable(path.name)), problem


def _facts(data: bytes, name: str) -> dict[str, Any]:
    """Caption and labels of a JSON file beside a video; nothing where it holds none.

    Raises:
        PointVidError: no JSON object, or a caption or labels that are no text.
    """
    shape = {**{f"{key}?": Maybe(str) for key in _CAPTION}, "labels?": Maybe([str])}
    facts = parse_document(data, name, "an object with a caption, as text, and labels, a list of texts", shape)
    caption, found = _first(facts, _CAPTION), {}
    if caption:
        found["caption"] = caption.strip()
    if facts.get("labels"):
        found["labels"] = tuple(facts["labels"])
    return found


def _list(path: Path, how: _Lists) -> Iterator[tuple[ClipSource, str]]:
    folders = [path.parent, *([how.videos] if how.videos else [])]
    for number, row in enumerate(_rows(path), 1):
        video = _first(row, _VIDEO)
        if video is None:
            raise PointVidError(
                f"{path}: row {number} has {', '.join(map(str, row))}, expected a video in one of {', '.join(_VIDEO)}"
            )
        try:
            for source, score, problem in list(_row(str(video), row, folders)):
                if how.min_score is not None and score is not None and score < how.min_score:
                    how.unused(f"{path}, row {number}: {video}", f"its score {score:g} is below {how.min_score:g}")
                else:
                    yield source, problem
        except (ValueError, TypeError, OSError, RecursionError, MemoryError) as error:
            name = printable(str(video)[:200])
            yield ClipSource(name, name=f"{name} (row {number})"), f"{path.name}, row {number}: {reason(error)}"


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    expected = "a list of clips in UTF-8 (in Excel: CSV UTF-8)"
    with readable(str(path), expected), path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix.lower() in (".csv", ".tsv"):
            csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # lists of captions are long
            yield from csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            return
        rows = json.load(file) if path.suffix.lower() == ".json" else (json.loads(s) for s in file if s.strip())
        for row in rows:
            if not isinstance(row, dict):
                raise ValueError(f"found {repr(row)[:40]}, expected an object with a video and a caption")
            yield row


def _row(video: str, row: Mapping[str, Any], folders: list[Path]) -> Iterator[tuple[ClipSource, float | None, str]]:
    """Clip, score and problem: one row is one clip, or as many as it has timestamps."""
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
        begin, stop = seconds(start), None if end in (None, "") else seconds(end)
        if stop is not None and stop <= begin:
            raise ValueError(f"it ends at {stop:g} s and starts at {begin:g} s")
        clip = ClipSource(
            path,
            str(caption).strip(),
            begin,
            stop,
            labels=tuple(map(str, labels)),
            name=printable(Path(video).as_posix()),
            **beside,
        )
        yield clip, None if score in (None, "") else float(score), problem


def _find(name: str, folders: list[Path]) -> tuple[str, str]:
    """The file called `name`, with any video suffix where it has none, and a problem where there is none."""
    suffixes = ("",) if Path(name).suffix else ("", *VIDEO_SUFFIXES)
    for folder in folders:
        for suffix in suffixes:
            path = folder / (name + suffix)  # an absolute name stays itself
            if path.exists():
                return realpath(path), ""
    return name, f"{name} is not in {' or '.join(map(str, folders))}"


def seconds(time: Any) -> float:
    """Seconds of a number, or of "0:01:02.5"."""
    parts = str(time).strip().split(":")
    try:
        values = [float(part) for part in parts]
        if len(values) > 3 or not all(0 <= value < 1e9 for value in values):
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
            if len(text) > LONGEST_LIST:  # Python's parser takes memory without bound, JSON's does not
                break
    return text
