# The host's own, found by the host alone.
from typing import Any

from . import io as io

def __getattr__(name: str) -> Any: ...
