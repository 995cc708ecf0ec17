"""The three steps of one clip, guarded: whatever goes wrong with it becomes its rejection, and the build goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from pointvid.errors import PointVidError
from pointvid.files.sample import encode_sample
from pointvid.memory import is_out_of_memory
from pointvid.preprocess import Preprocessor, Reason, Rejected

from .config import BuildDataset
from .inputs import Job
from .models import load_preprocessor

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of a job: `members` of its sample (`pointvid.files.sample`), or the reasons why there is none."""

    key: str
    members: dict[str, bytes] | None = None
    reasons: tuple[Reason, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)

    @classmethod
    def rejected(cls, key: str, gate: str, message: str) -> Outcome:
        """Without a sample, for one reason."""
        return cls(key, None, (Reason(gate, message),))


class Stages:
    """`steps` take a job to its outcome, each what the one before gave; an outcome ends it early.

    Args:
        config: of the build.
        with_models: whether the middle step will run here.
    """

    def __init__(self, config: BuildDataset, with_models: bool = True):
        torch.set_num_threads(config.speed.torch_threads)
        self._preprocessor: Preprocessor = load_preprocessor(config, with_models)
        self.steps: tuple[Callable[[Any], Any], ...] = (self.read, self.track, self.finish)

    def read(self, job: Job) -> tuple[str, Any] | Outcome:
        """Decode, trim, scale, look at the frames, ask for labels."""
        if job.problem:
            return Outcome.rejected(job.key, "input", job.problem)
        return _guarded(job.key, lambda: (job.key, self._preprocessor.read(job.source)))

    def track(self, work: tuple[str, Any]) -> tuple[str, Any] | Outcome:
        """Everything that needs models."""
        key, footage = work
        return _guarded(key, lambda: (key, self._preprocessor.track(footage)))

    def finish(self, work: tuple[str, Any]) -> Outcome:
        """Smooth, fill, encode."""
        key, tracked = work
        return _guarded(key, lambda: Outcome(key, encode_sample(self._preprocessor.finish(tracked))))


def _guarded(key: str, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Rejected as error:
        return Outcome(key, None, error.reasons, error.figures)
    except PointVidError as error:
        return Outcome.rejected(key, "unusable", str(error))
    except Exception as error:  # a model's own mistake must not end a build of days
        if is_out_of_memory(error):
            return Outcome.rejected(key, "memory", "out of memory beside the models; lower speed.ahead or clip.size")
        _log.exception("%s failed", key)
        return Outcome.rejected(key, "error", f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")
