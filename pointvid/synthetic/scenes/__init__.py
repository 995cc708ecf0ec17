"""One file a scene: a function that fills a Stage and returns the Script of what is to happen."""

from .falling import falling
from .pushing import pushing
from .rolling import rolling
from .simple import simple

SCENES = {"pushing": pushing, "falling": falling, "rolling": rolling, "simple": simple}

VARIED = tuple(name for name in SCENES if name != "simple")
"""What a clip shows where no scene is asked for."""
