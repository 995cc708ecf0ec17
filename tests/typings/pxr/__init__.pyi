# Its modules are built from C++ and named in no stub.
from typing import Any

def __getattr__(name: str) -> Any: ...
