# Its models say of their parts only that they are modules, or tensors: taken at their word, every use is an error.
from typing import Any

def __getattr__(name: str) -> Any: ...
