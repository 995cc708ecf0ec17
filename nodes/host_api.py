"""comfy_api's `io`, as the node files write it for today's host.

An older host lacks some of the keywords (its Schema knows no search_aliases, its inputs are never advanced), and one
unknown keyword would keep the whole pack from loading. Here every keyword that the running host does not know is left
out: it loses a convenience, not a node.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io as _io


def call_with_known(make: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
    """`make(*args, **keywords)` without the keywords that it does not take."""
    parameters = inspect.signature(make).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        keywords = {name: value for name, value in keywords.items() if name in parameters}
    return make(*args, **keywords)


class _Socket:
    """A socket type of the host, or one of ours; `Input` and `Output` are called as the host's own are."""

    def __init__(self, kind: Any):
        self.kind = kind

    def Input(self, *args: Any, **keywords: Any) -> Any:
        if "types" in keywords:
            keywords["types"] = [getattr(kind, "kind", kind) for kind in keywords["types"]]
        return call_with_known(self.kind.Input, *args, **keywords)

    def Output(self, *args: Any, **keywords: Any) -> Any:
        return call_with_known(self.kind.Output, *args, **keywords)


class _Io:
    """Everything else is the host's, untouched; what it lacks is an AttributeError here too."""

    def Schema(self, **keywords: Any) -> Any:
        return call_with_known(_io.Schema, **keywords)

    def Custom(self, name: str) -> _Socket:
        return _Socket(_io.Custom(name))

    def __getattr__(self, name: str) -> Any:
        found = getattr(_io, name)
        return _Socket(found) if hasattr(found, "Input") else found


if TYPE_CHECKING:  # node files are checked against the host's own types
    import comfy_api.latest.io as io
else:
    io = _Io()
