"""An off-screen OpenGL context, wherever this runs."""

from __future__ import annotations

import os
import sys
from ctypes.util import find_library

from ..errors import PointVidError

_ADVICE = (
    "MuJoCo cannot open an off-screen OpenGL context ({why}); "
    "expected OSMesa or EGL on a headless Linux (apt install libosmesa6), or a desktop session elsewhere"
)


def open_context(width: int, height: int):
    """MuJoCo's GLContext of at least this many pixels, made current.

    MUJOCO_GL decides where it is set. Otherwise a Linux without a display uses OSMesa (needs no device, and is the
    faster of the two in software) or else EGL, and every other system its default.

    Raises:
        PointVidError: there is no way to render here.
    """
    backend = os.environ.get("MUJOCO_GL", "").lower()
    if not backend and sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        # An OpenGL library that has been loaded for one backend cannot change to the other: look, do not try.
        backend = "osmesa" if find_library("OSMesa") else "egl"
    try:
        if backend == "osmesa":
            from mujoco.osmesa import GLContext
        elif backend == "egl":
            from mujoco.egl import GLContext
        else:
            from mujoco.gl_context import GLContext
        context = GLContext(width, height)
        context.make_current()
    except Exception as error:  # every backend fails in ways of its own: ImportError, RuntimeError, AttributeError, ...
        why = " ".join(str(error).split())[:120] or type(error).__name__
        raise PointVidError(_ADVICE.format(why=f"{backend or 'default'}: {why}")) from error
    return context
