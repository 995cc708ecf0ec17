"""The trackers there are: what each is made by, and how its published weights are known. A new one is an entry here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from inspect import signature
from os import PathLike
from pathlib import Path

from ..errors import PointVidError
from ..weights.folder import models_folder
from .base import Tracker

FOLDER = "pointvid_trackers"
"""Where trackers lie in the models folder."""

SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")


@dataclass(frozen=True)
class TrackerKind:
    """One tracker.

    Attributes:
        name: what it is asked for by.
        factory: "module:factory"; the module is imported when the tracker is asked for.
        signature: beginnings of keys that only its published files hold, all of them; () needs no weights.
        published: how the published files' names begin, in lower case.
        example: a published file, as error messages name it.
        licence: of the weights.
        free: the licence allows any use, so "auto" may take it.
        paper: options of the paper's preset, which goes with the queries "paper".
    """

    name: str
    factory: str
    signature: tuple[str, ...] = ()
    published: str = ""
    example: str = ""
    licence: str = "Apache-2.0"
    free: bool = True
    paper: Mapping[str, object] = field(default_factory=dict)

    @property
    def needs_weights(self) -> bool:
        """Whether a file belongs to it."""
        return bool(self.signature)

    def make(self) -> Callable[..., Tracker]:
        """The factory."""
        module, _, factory = self.factory.partition(":")
        return getattr(import_module(module, __package__), factory)

    def options(self) -> frozenset[str]:
        """What the factory takes."""
        return frozenset(signature(self.make()).parameters)


TRACKERS: dict[str, TrackerKind] = {
    kind.name: kind
    for kind in (
        TrackerKind("lucas_kanade", ".lucas_kanade:LucasKanade"),
        TrackerKind(
            "alltracker",
            ".alltracker.tracker:AllTracker",
            ("visconf_head.", "update_block."),
            "alltracker",
            "AllTracker (alltracker.pth)",
            "MIT",
        ),
        TrackerKind(
            "spatracker",
            ".spatracker.tracker:SpaTracker",
            ("updateformer.", "headyz.", "zeroMLPflow."),
            "spat",
            "SpaTracker (spaT_final.pth)",
            "CC BY-NC 4.0, no commercial use",
            free=False,
            paper={"companions": 80},
        ),
    )
}
"""By name."""


def tracker_kind(name: str) -> TrackerKind:
    """The tracker called `name`.

    Raises:
        PointVidError: there is none of that name.
    """
    if name not in TRACKERS:
        raise PointVidError(f"tracker is {name!r}, expected one of {', '.join(sorted(TRACKERS))}")
    return TRACKERS[name]


def create_tracker(name: str, **options: object) -> Tracker:
    """The tracker called `name`, made with `options`.

    Raises:
        PointVidError: there is none of that name, or it has no such option.
    """
    kind = tracker_kind(name)
    surplus = sorted(set(options) - kind.options())
    if surplus:
        raise PointVidError(f"tracker {name} takes no {', '.join(surplus)}; leave that out or choose another tracker")
    return kind.make()(**options)


def tracker_of(path: str | PathLike) -> TrackerKind:
    """The tracker that the weights in `path` are for, told by their keys.

    Raises:
        PointVidError: unreadable, or weights of something else.
    """
    from ..weights.read import state_dict_keys

    path = Path(path)
    keys = state_dict_keys(path, "a tracker's published weights")
    known = [kind for kind in TRACKERS.values() if kind.needs_weights]
    for kind in known:
        if all(any(key.startswith(beginning) for key in keys) for beginning in kind.signature):
            return kind
    some = ", ".join(sorted(keys)[:3]) or "no tensors"
    raise PointVidError(
        f"{path.name} holds {some}, expected the published weights of {' or '.join(kind.example for kind in known)}"
    )


def find_weights(kind: TrackerKind, files: Iterable[Path] | None = None) -> Path | None:
    """The file of a tracker among `files`, known by how its published name begins; None where there is none.

    Of several, the first by name is taken, which of AllTracker's two is the larger.

    Args:
        files: where to look; None looks into FOLDER of the models folder.
    """
    if not kind.needs_weights:
        return None
    if files is None:
        folder = models_folder() / FOLDER
        files = folder.iterdir() if folder.is_dir() else ()
    found = [
        path
        for path in files
        if path.suffix.lower() in SUFFIXES and path.name.lower().startswith(kind.published) and path.is_file()
    ]
    return min(found, key=lambda path: path.name.lower(), default=None)


def automatic(files: Iterable[Path] | None = None) -> tuple[TrackerKind, Path | None]:
    """What "auto" means: a tracker whose weights are among `files` and free for any use, else Lucas-Kanade."""
    files = None if files is None else list(files)
    for kind in TRACKERS.values():
        if kind.free and (found := find_weights(kind, files)):
            return kind, found
    return TRACKERS["lucas_kanade"], None


def choose_tracker(name: str, weights: str | PathLike | None = None) -> tuple[TrackerKind, Path | None]:
    """The tracker that a name and a file mean, and its file where it needs one.

    "auto" is `automatic` where no file is named; else the tracker that the file is of, if its licence allows any use.
    What forbids commercial use must be asked for by its name.

    Raises:
        PointVidError: an unknown name, or "auto" with weights that are not free, or of no tracker.
    """
    if name == "auto" and not weights:
        return automatic()
    if name != "auto":
        kind = tracker_kind(name)
        return kind, Path(weights) if weights else find_weights(kind)
    kind = tracker_of(weights)  # type: ignore[arg-type]
    if not kind.free:
        raise PointVidError(
            f"weights is {Path(weights).name}, which is of {kind.name}: {kind.licence}; "  # type: ignore[arg-type]
            f"say --tracker {kind.name} where that fits"
        )
    return kind, Path(weights)  # type: ignore[arg-type]
