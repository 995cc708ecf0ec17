"""Appendix A of the paper end to end: a video and its caption become a training sample, or a rejection with reasons."""

from .clip import ClipSource, Footage, read_footage
from .gates import Reason, Rejected
from .pipeline import Preprocessor
from .settings import ClipSettings, Gates, PreprocessSettings, TrackSettings

__all__ = [
    "ClipSettings",
    "ClipSource",
    "Footage",
    "Gates",
    "PreprocessSettings",
    "Preprocessor",
    "Reason",
    "Rejected",
    "TrackSettings",
    "read_footage",
]
