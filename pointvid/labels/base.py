"""What turns a caption into the names of its moving objects."""

from __future__ import annotations

import re
from typing import Protocol


class LabelSource(Protocol):
    """Appendix A's second step: the moving objects that a caption tells of."""

    def labels(self, caption: str) -> list[str]:
        """Names of objects, lower case, singular where there is one, in the caption's order, none twice.

        Raises:
            PointVidError: an empty caption, one that cannot be read, or one that names no object.
        """
        ...


def split_labels(text: str) -> list[str]:
    """Labels as people write them, `a man, baseball bat` or one a line -> [`man`, `baseball bat`].

    Lower case, without articles, each once; empty where the text holds none.
    """
    parts = (" ".join(part.lower().split()) for part in re.split(r"[,;.\n]", text))
    names = (re.sub(r"^(an?|the) (?=.)", "", part) for part in parts)
    return list(dict.fromkeys(name for name in names if name))
