"""Step: from a clip to the depth of every frame."""

from __future__ import annotations

from . import types
from .host import host_progress
from .host_api import io


class EstimateDepth(io.ComfyNode):
    """IMAGE -> geometry, a picture of it, report."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_EstimateDepth",
            display_name="Estimate Depth",
            category="PointVid/tracks",
            description="Estimates the depth of every frame, and says how much it flickers. The geometry goes into the "
            "depth input of Track Points in 3D; core's MoGe nodes take it too.",
            search_aliases=["zoedepth", "depth anything", "depth map", "video depth", "geometry"],
            inputs=[
                types.DepthModel.Input("depth_model", tooltip="From Load Depth Model."),
                io.Image.Input("image", tooltip="The clip."),
                io.Float.Input(
                    "fov",
                    default=0.0,
                    min=0.0,
                    max=170.0,
                    step=0.1,
                    tooltip="Vertical field of view of the camera in degrees, if known: goes with the geometry, and "
                    "Depth Pro scales its depth by it. 0 leaves it to the model, or to what uses the geometry.",
                ),
            ],
            outputs=[
                types.MogeGeometry.Output(
                    display_name="geometry", tooltip="Depth of every frame, and the camera where it is known."
                ),
                io.Image.Output(
                    display_name="image", tooltip="Disparity, bright is near, one range for the whole clip."
                ),
                io.String.Output(display_name="report", tooltip="Unit, range, camera, flicker."),
            ],
        )

    @classmethod
    def execute(cls, depth_model, image, fov: float) -> io.NodeOutput:
        """Estimate on the host's device; everything that leaves the node is on the CPU."""
        from ..pointvid.camera import Camera
        from ..pointvid.depth_models.flicker import measure_flicker
        from .depth_input import flicker_line, to_geometry
        from .images import ImageFrames

        video = ImageFrames(image)
        size = video.shape[1:3]
        found = depth_model.estimate(video, host_progress(), Camera.from_fov(size, fov) if fov > 0 else None)
        disparity = found.maps.reciprocal()
        low, high = disparity.min(), disparity.max()
        picture = (disparity - low) / (high - low).clamp(min=1e-12)
        unit = " m" if found.unit == "metric" else ", of unknown scale"
        camera = "not known" if found.camera is None else f"focal length {found.camera.fx:.1f} px"
        report = "\n".join(
            (
                f"{len(found.maps)} frames by {getattr(depth_model, 'name', 'a depth model')}",
                f"depth: {found.maps.min():.3g} to {found.maps.max():.3g}{unit}",
                f"camera: {camera}",
                flicker_line(measure_flicker(found.maps)),
            )
        )
        return io.NodeOutput(to_geometry(found, image), picture[..., None].expand(-1, -1, -1, 3).contiguous(), report)
