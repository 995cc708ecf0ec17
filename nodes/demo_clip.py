"""A source for first steps: the clip and the picture that come with the pack."""

from __future__ import annotations

from . import types
from .host_api import io


class DemoClip(io.ComfyNode):
    """The shipped clip -> IMAGE, MASK, depth, fps; and a first frame for the small model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_DemoClip",
            display_name="PointVid Demo Clip",
            category="PointVid/files",
            description="A short rendered clip with exact mask and depth, to try the other nodes on, and a picture "
            "that the small model can animate. For your own clip use Load Video and Get Video Components instead.",
            search_aliases=["example clip", "sample video", "test clip", "demo"],
            inputs=[],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The clip."),
                io.Mask.Output(display_name="mask", tooltip="Everything that can move, in the first frame."),
                types.MogeGeometry.Output(
                    display_name="depth",
                    tooltip="Depth in metres and the camera, packed as core's MoGe nodes pack them.",
                ),
                io.Float.Output(display_name="fps", tooltip="Frames a second."),
                io.Image.Output(
                    display_name="start_image",
                    tooltip="A first frame, 128x128, of the kind that the small model knows.",
                ),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        """Decode the clip; a fraction of a second."""
        import torch

        from ..pointvid.commands.demo import ASSETS, START_IMAGE
        from ..pointvid.commands.generate import read_image
        from ..pointvid.files.depth_file import read_depth
        from ..pointvid.files.mask_file import read_mask
        from ..pointvid.files.video import VideoFile
        from .images import to_image

        with VideoFile(ASSETS / "demo.mp4") as video:
            frames, height, width = video.shape[:3]
            image = to_image(torch.stack(list(video)))
            mask = read_mask(ASSETS / "demo_mask.png", video.framing)
            depth = read_depth(ASSETS / "demo_depth.npz", frames, video.framing)
            assert depth.camera is not None  # the file says it
            fx, fy, cx, cy = depth.camera.intrinsics
            fps = video.fps
        # MoGe gives intrinsics as shares of the image, measured from its corner rather than from a pixel's centre.
        k = torch.tensor([[fx / width, 0, (cx + 0.5) / width], [0, fy / height, (cy + 0.5) / height], [0, 0, 1]])
        geometry = {
            "image": image,
            "depth": depth.maps,
            "mask": torch.ones_like(depth.maps, dtype=torch.bool),
            "intrinsics": k.repeat(frames, 1, 1),
        }
        return io.NodeOutput(image, mask[None].float(), geometry, fps, to_image(read_image(START_IMAGE)[None]))
