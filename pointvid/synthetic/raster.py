"""Colour, depth and object ids of a MuJoCo state, as seen by the camera named "camera"."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from .gl import open_context

FLEX = mujoco.mjtObj.mjOBJ_FLEX


class Raster:
    """Owns the OpenGL context, which outlives the models shown in it. Close it: drivers complain at exit otherwise."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.height, self.width = size
        self._gl: Any = open_context(self.width, self.height)
        self._rect = mujoco.MjrRect(0, 0, self.width, self.height)
        self._context: Any = None  # mujoco.MjrContext of the model that is shown

    def load(self, model: mujoco.MjModel) -> None:
        """Show this model from now on."""
        self._free_model()
        self._gl.make_current()
        model.vis.global_.offwidth, model.vis.global_.offheight = self.width, self.height
        self._model = model
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._scene = mujoco.MjvScene(model, maxgeom=1000)
        self._option = mujoco.MjvOption()
        self._option.flags[mujoco.mjtVisFlag.mjVIS_STATIC] = True
        self._view = mujoco.MjvCamera()
        self._view.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._view.fixedcamid = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, "camera")

    def look(self, data: mujoco.MjData) -> None:
        """Take up the poses in `data` for the calls that follow."""
        category = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(self._model, data, self._option, None, self._view, category, self._scene)

    def color(self) -> np.ndarray:
        """uint8 [H, W, 3]."""
        rgb = np.empty((self.height, self.width, 3), np.uint8)
        mujoco.mjr_render(self._rect, self._scene, self._context)
        mujoco.mjr_readPixels(rgb, None, self._rect, self._context)
        return rgb[::-1]

    def geometry(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is at each pixel's centre.

        Returns:
            depth float64 [H, W] in metres along the axis; geom int32 [H, W] and flex int32 [H, W], the ids of the
            rigid or the deformable body seen there, -1 for none.
        """
        flags = self._scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = True
        try:
            mujoco.mjr_render(self._rect, self._scene, self._context)
        finally:
            flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = False
        rgb = np.empty((self.height, self.width, 3), np.uint8)
        z = np.empty((self.height, self.width), np.float32)
        mujoco.mjr_readPixels(rgb, z, self._rect, self._context)
        code = rgb[::-1].astype(np.int32) @ np.array([1, 1 << 8, 1 << 16], np.int32)
        geom_of = np.full(self._scene.ngeom + 1, -1, np.int32)
        flex_of = geom_of.copy()
        for shown in self._scene.geoms[: self._scene.ngeom]:
            if shown.segid >= 0:
                (flex_of if shown.objtype == FLEX else geom_of)[shown.segid + 1] = shown.objid
        return self._metres(z[::-1]), geom_of[code], flex_of[code]

    def _metres(self, z: np.ndarray) -> np.ndarray:
        # The buffer runs from 1 at the near plane to 0 at the far one: z = near (far - d) / (d (far - near)).
        extent = self._model.stat.extent
        near, far = self._model.vis.map.znear * extent, self._model.vis.map.zfar * extent
        return near * far / (near + z.astype(np.float64) * (far - near))

    def _free_model(self) -> None:
        if self._context is not None:
            self._gl.make_current()
            self._context.free()
            self._context = None

    def close(self) -> None:
        """Give everything back. Safe to call twice."""
        self._free_model()
        if self._gl is not None:
            self._gl.free()
            self._gl = None
