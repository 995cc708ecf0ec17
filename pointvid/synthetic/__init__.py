"""Seeded MuJoCo clips of contact-rich motion with exact 3D tracks (docs/synthetic.md)."""

from .clip import Action, SyntheticClip
from .generator import SPLITS, ClipGenerator, generate_clip
from .scenes import SCENES

__all__ = ["SCENES", "SPLITS", "Action", "ClipGenerator", "SyntheticClip", "generate_clip"]
