"""One file a scene: a function that fills a Simulation and returns the Script of what is to happen."""

from .draping import draping
from .falling import falling
from .hinged import hinged
from .lifting import lifting
from .pushing import pushing
from .rolling import rolling
from .simple import simple
from .toppling import toppling

SCENES = {
    "pushing": pushing,
    "lifting": lifting,
    "falling": falling,
    "toppling": toppling,
    "rolling": rolling,
    "hinged": hinged,
    "draping": draping,
    "simple": simple,
}

VARIED = tuple(name for name in SCENES if name != "simple")
"""What a clip shows where no scene is asked for."""
