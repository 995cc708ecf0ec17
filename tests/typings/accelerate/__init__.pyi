# Its own annotations say less than is so: `reduce` of a tensor a mapping, `device` perhaps None.
from typing import Any

def __getattr__(name: str) -> Any: ...
