"""What a study asks: methods, their clips, the pairs to compare, and the questions."""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from ..errors import PointVidError
from ..files.document import check_shape, read_document
from ..files.pictures import printable
from ..files.readable import readable

VERSION = 1
PAGE, CLIPS, KEY, ANSWERS = "page", "clips", "key.json", "answers.csv"
SUFFIXES = (".mp4", ".webm", ".mkv", ".mov", ".avi", ".m4v", ".gif")


@dataclass(frozen=True)
class Question:
    """One question about a pair.

    Attributes:
        id: short, for tables.
        text: as raters read it.
        negative: being chosen speaks against a video.
    """

    id: str
    text: str
    negative: bool = False


QUESTIONS = (
    Question(
        "Q1",
        "Which video appears to have more physically realistic object movements and interactions? (Consider aspects "
        "like gravity, collisions, and the natural flow of objects.)",
    ),
    Question(
        "Q2",
        "Which video contains more noticeable non-physical artifacts, such as object morphing, stretching, or sudden "
        "changes in shape?",
        negative=True,
    ),
    Question(
        "Q3",
        "In which video do the objects maintain a more consistent size, shape, and appearance throughout the entire "
        "sequence?",
    ),
    Question(
        "Q4",
        "Which video better adheres to natural physics laws, such as consistent lighting, shadow behavior, and "
        "material properties (e.g., rigidity or fluidity)?",
    ),
    Question(
        "Q5",
        "Overall, which video feels more coherent and believable based on the physical interactions and behavior of "
        "objects?",
    ),
)
"""The five questions of the paper's Appendix D, word for word: answers to others could not be compared with its."""


@dataclass(frozen=True)
class StudyClip:
    """One video of the study: `method` made it of `item`. Raters see neither, only a random id."""

    method: str
    item: str


@dataclass(frozen=True)
class Trial:
    """Two clips of the same item, by their ids."""

    id: str
    clips: tuple[str, str]


@dataclass(frozen=True)
class Study:
    """Everything about a study but the answers. `key.json` holds it; raters never see that file.

    Attributes:
        id: random, tells the answers of studies apart.
        title: shown to raters.
        methods: names, in the order given; scores are of the later against the earlier.
        clips: id -> clip.
        trials: in the order made; every rater sees an order of their own.
        questions: asked of every pair.
    """

    id: str
    title: str
    methods: tuple[str, ...]
    clips: Mapping[str, StudyClip]
    trials: tuple[Trial, ...]
    questions: tuple[Question, ...] = QUESTIONS

    def public(self) -> dict[str, object]:
        """What the page may know."""
        return {
            "version": VERSION,
            "id": self.id,
            "title": self.title,
            "trials": [{"id": trial.id, "clips": list(trial.clips)} for trial in self.trials],
            "questions": [{"id": q.id, "text": q.text, "negative": q.negative} for q in self.questions],
        }

    def as_dict(self) -> dict[str, object]:
        """All of it, for `key.json`."""
        clips = {id: {"method": clip.method, "item": clip.item} for id, clip in self.clips.items()}
        return self.public() | {"methods": list(self.methods), "clips": clips}


def plan_study(
    methods: Sequence[str],
    items: Sequence[str],
    title: str = "Video comparison",
    against: str | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> Study:
    """Pair the methods on every item.

    Args:
        methods: names, at least two.
        items: what each method made a video of.
        title: shown to raters.
        against: only pairs with this method; None pairs each with each.
        limit: so many items at most, drawn with `seed`.
        seed: of the drawing and of which clip of a pair is named first. Ids are random all the same.
    """
    if against is not None and against not in methods:
        raise PointVidError(f"study: --against is {against!r}, expected one of the methods {', '.join(methods)}")
    if printable(title) != title or len(title) > 1000:
        raise PointVidError(f"study: title is {printable(title)[:80]!r}, expected up to 1000 characters of plain text")
    generator = random.Random(seed)
    chosen = sorted(items)
    if limit is not None and limit < len(chosen):
        chosen = sorted(generator.sample(chosen, limit))
    clips = {secrets.token_hex(6): StudyClip(method, item) for item in chosen for method in methods}
    ids = {(clip.method, clip.item): id for id, clip in clips.items()}
    trials = []
    for item in chosen:
        for pair in combinations(methods, 2):
            if against is None or against in pair:
                first, second = generator.sample([ids[method, item] for method in pair], 2)
                trials.append((first, second))
    generator.shuffle(trials)
    width = len(str(len(trials)))
    numbered = tuple(Trial(f"t{number:0{width}}", pair) for number, pair in enumerate(trials, 1))
    # In random order: a key's order of clips must not tell whose they are, should a part of it leak.
    shuffled = dict(sorted(clips.items()))
    return Study(secrets.token_hex(4), title, tuple(methods), shuffled, numbered)


_SHAPE = {
    "id": str,
    "title": str,
    "methods": [str],
    "clips": {str: {"method": str, "item": str}},
    "trials": [{"id": str, "clips": (str, str)}],
    "questions": [{"id": str, "text": str, "negative": bool}],
}


def load_study(folder: str | Path) -> Study:
    """Read `key.json` of a study's folder.

    Raises:
        PointVidError: there is none, or it is damaged.
    """
    path = Path(folder) / KEY
    if not path.is_file():
        raise PointVidError(f"{folder} has no {KEY}, expected a folder made by `pointvid study make`")
    expected = "what `pointvid study make` wrote; make the study anew"
    facts = read_document(path, str(path), expected, {"version": int})
    if facts["version"] != VERSION:
        raise PointVidError(f"{path} has version {facts['version']}, this PointVid reads {VERSION}; update it")
    check_shape(facts, _SHAPE, str(path), expected)
    with readable(str(path), expected):
        study = Study(
            facts["id"],
            facts["title"],
            tuple(facts["methods"]),
            {id: StudyClip(clip["method"], clip["item"]) for id, clip in facts["clips"].items()},
            tuple(Trial(trial["id"], (trial["clips"][0], trial["clips"][1])) for trial in facts["trials"]),
            tuple(Question(q["id"], q["text"], q["negative"]) for q in facts["questions"]),
        )
        for ids in (study.methods, [trial.id for trial in study.trials], [q.id for q in study.questions]):
            if len(set(ids)) < len(ids) or not ids:
                raise ValueError("its methods, trials or questions are none, or not of different names")
        for trial in study.trials:
            one, other = (study.clips[id] for id in trial.clips)
            if one.item != other.item or one.method == other.method or {one.method, other.method} - {*study.methods}:
                raise ValueError(f"trial {trial.id[:40]} is no pair of two methods")
    return study


def named_folders(folders: Sequence[str]) -> dict[str, Path]:
    """`DIR` or `NAME=DIR` -> {name: folder}; a folder's own name where none is given.

    Raises:
        PointVidError: fewer than two, equal names, or not a folder.
    """
    named: dict[str, Path] = {}
    for text in folders:
        name, sign, folder = text.partition("=")
        if not sign or Path(text).is_dir():  # a folder may have "=" in its name
            name, folder = Path(text).resolve().name, text
        if name in named:
            raise PointVidError(f"study: two methods are called {name!r}; name them: NAME={folder}")
        if not re.fullmatch(r"[\w .+()-]{1,40}", name):
            raise PointVidError(
                f"study: method is called {name!r}, expected up to 40 letters, digits or .+()- : NAME=DIR"
            )
        if not Path(folder).is_dir():
            raise PointVidError(f"study: {folder} is not a folder, expected one with the videos of {name}")
        named[name] = Path(folder)
    if len(named) < 2:
        raise PointVidError(f"study: {len(named)} method given, expected two folders or more to compare")
    return named


def find_videos(folders: Mapping[str, Path], common: bool = False) -> dict[str, dict[str, Path]]:
    """{method: {item: file}}: the same items for every method, named by the file names without suffix.

    Args:
        common: take the items that all have, where not all have all.
    Raises:
        PointVidError: a folder without videos, two files of one name, or an item that a method lacks.
    """
    found = {method: _videos(method, folder) for method, folder in folders.items()}
    every = sorted(set().union(*found.values()))
    shared = [item for item in every if all(item in videos for videos in found.values())]
    if not shared:
        raise PointVidError("study: no file name is common to all methods, expected the same names in every folder")
    if len(shared) < len(every) and not common:
        counts = ", ".join(f"{method} has {len(videos)} videos" for method, videos in found.items())
        item, method = next((i, m) for i in every for m, videos in found.items() if i not in videos)
        raise PointVidError(
            f"study: {counts}; {len(every) - len(shared)} are not in all of them, such as {item!r}, missing in "
            f"{method}; add it, or compare the {len(shared)} that all have with --common"
        )
    return {method: {item: videos[item] for item in shared} for method, videos in found.items()}


def _videos(method: str, folder: Path) -> dict[str, Path]:
    videos: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            if path.stem in videos:
                raise PointVidError(
                    f"study: {folder} has both {videos[path.stem].name} and {path.name}; expected one of that name"
                )
            videos[path.stem] = path
    if not videos:
        raise PointVidError(f"study: {folder} has no video ({' '.join(SUFFIXES)}), expected those of {method}")
    return videos
