"""What turns a caption into the names of its moving objects."""

from __future__ import annotations

from typing import Protocol


class LabelSource(Protocol):
    """Appendix A's second step: the moving objects that a caption tells of."""

    def labels(self, caption: str) -> list[str]:
        """Names of objects, lower case, singular where there is one, in the caption's order, none twice.

        Raises:
            PointVidError: an empty caption, one that cannot be read, or one that names no object.
        """
        ...
