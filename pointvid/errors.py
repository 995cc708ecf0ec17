"""The one exception that reaches a user as a message instead of a traceback."""

from __future__ import annotations


class PointVidError(Exception):
    """A user can cause and mend this. One line: the input's name, what was found, what was expected, what to do."""
