"""Captions -> names of the objects that move: by rules, or by a language model behind a server."""

from .base import LabelSource, split_labels
from .chat import ChatLabels
from .rules import RuleLabels, extract_labels

__all__ = ["ChatLabels", "LabelSource", "RuleLabels", "extract_labels", "split_labels"]
