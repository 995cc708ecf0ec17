"""Step: temporal noise out of the tracks."""

from __future__ import annotations

from . import types
from .host_api import io


class SmoothTracks(io.ComfyNode):
    """POINT_TRACKS -> POINT_TRACKS by Kalman filter and RTS smoother."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_SmoothTracks",
            display_name="Smooth Point Tracks",
            category="PointVid/tracks",
            description="Removes jitter and bridges moments where a point is hidden (constant-velocity Kalman "
            "smoother). Points stay exactly where they started in the first frame.",
            search_aliases=["kalman", "rts smoother", "jitter", "denoise tracks", "stabilize tracks"],
            inputs=[
                types.PointTracks.Input("tracks", tooltip="The tracks to smooth."),
                io.Combo.Input(
                    "mode",
                    options=["smoother", "filter"],
                    default="smoother",
                    tooltip="smoother looks at past and future frames; filter only at the past, and lags behind.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.25,
                    min=0.0,
                    max=30.0,
                    step=0.05,
                    tooltip="Time constant of the position in frames: higher is smoother, 0 leaves it alone.",
                ),
                io.Float.Input(
                    "depth_strength",
                    default=2.0,
                    min=0.0,
                    max=30.0,
                    step=0.05,
                    tooltip="Time constant of the depth in frames: estimated depth flickers more than positions do.",
                ),
            ],
            outputs=[types.PointTracks.Output(display_name="tracks", tooltip="The smoothed tracks.")],
        )

    @classmethod
    def execute(cls, tracks, mode: str, strength: float, depth_strength: float) -> io.NodeOutput:
        """Smooth on the CPU: it takes milliseconds."""
        from ..pointvid.points.smoothing import smooth_tracks

        return io.NodeOutput(smooth_tracks(tracks, mode, tau=strength, tau_depth=depth_strength))
