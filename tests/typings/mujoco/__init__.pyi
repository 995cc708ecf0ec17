# The package's own stubs leave out what it builds when it is imported: its enums, structures and functions.
from typing import Any

def __getattr__(name: str) -> Any: ...
