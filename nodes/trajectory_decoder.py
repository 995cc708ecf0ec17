"""Joint latent -> frames and 3D trajectories."""

from __future__ import annotations

from . import types
from .host_api import io


class TrajectoryDecoder(io.ComfyNode):
    """Decodes both halves of a joint latent."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_TrajectoryDecoder",
            display_name="Trajectory Decoder",
            category="PointVid/generate",
            description="Decodes the video and the 3D trajectories of its foreground pixels from one joint latent. The "
            "foreground is read from the generated depth channel.",
            search_aliases=["vae decode", "decode points", "decode video", "point tracks"],
            inputs=[
                io.Latent.Input(
                    "latent",
                    tooltip="Joint latent [B,2C,T,h,w]. Each video of a batch comes out with tracks of its own.",
                ),
                io.Vae.Input("vae", tooltip="The image VAE of the model."),
                io.Model.Input("model", tooltip="The joint model: its checkpoint says how points are scaled."),
                io.Int.Input(
                    "stride",
                    default=1,
                    min=1,
                    max=64,
                    optional=True,
                    tooltip="Keep every n-th row and column of the foreground as a track; 1 keeps every pixel.",
                ),
                io.Int.Input(
                    "chunk",
                    default=8,
                    min=1,
                    max=256,
                    optional=True,
                    advanced=True,
                    tooltip="Frames decoded at once. Lower it when memory runs out.",
                ),
                io.Int.Input(
                    "batch_index",
                    default=-1,
                    min=-1,
                    max=4095,
                    optional=True,
                    advanced=True,
                    tooltip="Which video of the batch, from 0. -1: all of them as a list, so that the nodes after this "
                    "one run once for each video.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="frames", is_output_list=True, tooltip="The video, [T,H,W,3]."),
                types.PointTracks.Output(
                    display_name="tracks", is_output_list=True, tooltip="The generated 3D tracks."
                ),
                types.PointMap.Output(
                    display_name="point_map", is_output_list=True, tooltip="Trajectory of every foreground pixel."
                ),
                io.Mask.Output(display_name="mask", is_output_list=True, tooltip="Foreground of the first frame."),
                io.Image.Output(
                    display_name="point_frames",
                    is_output_list=True,
                    tooltip="The decoded point half as pictures: u, v, depth as R, G, B.",
                ),
            ],
        )

    @classmethod
    def execute(cls, latent, vae, model, stride=1, chunk=8, batch_index=-1) -> io.NodeOutput:
        """Decode video by video and in chunks, then turn the point pictures into pixels and depth."""
        from ..pointvid.errors import PointVidError
        from .host import host_progress
        from .native.loading import require_joint

        info = require_joint(model)
        joint = latent["samples"]
        info.latent.check_joint(joint)
        if batch_index >= len(joint):
            raise PointVidError(f"batch_index is {batch_index}, latent has {len(joint)} videos; expected less, or -1")
        chosen = joint if batch_index < 0 else joint[batch_index : batch_index + 1]
        progress = host_progress()
        count = 2 * info.latent.frames(joint.shape[2])
        fps = float(latent.get("pointvid_fps", info.fps))
        videos = []
        for done, one in enumerate(chosen.split(1)):

            def report(more: int, before: int = done * count) -> None:
                progress(before + more, len(chosen) * count, "decoding")

            videos.append(_decode(one, vae, info, fps=fps, stride=stride, chunk=chunk, report=report))
        return io.NodeOutput(*map(list, zip(*videos)))


def _decode(joint, vae, info, *, fps: float, stride: int, chunk: int, report) -> tuple:
    """The node's outputs of one video [1,2C,T,h,w]."""
    import torch
    from comfy_execution.graph_utils import ExecutionBlocker

    from ..pointvid.camera import Camera
    from ..pointvid.diffusion.latents import split
    from .native.latents import decode_half

    video, points = split(joint)
    space = info.latent
    half = space.frames(joint.shape[2])
    frames = decode_half(vae, video, space, chunk=chunk, report=report)
    point_frames = decode_half(vae, points, space, chunk=chunk, report=lambda more: report(half + more))
    size = tuple(point_frames.shape[1:3])
    point_map = info.point_range.decode(point_frames.movedim(-1, 1) * 2 - 1, Camera.default(size), fps=fps)
    mask = point_map.mask[None].float()
    if not point_map.mask.any():
        # The video is still worth having; only what needs points is stopped, with a reason.
        blocked = ExecutionBlocker(
            "Trajectory Decoder: the generated depth channel has no foreground; use more steps, another seed, or a "
            "checkpoint whose point half is trained"
        )
        return frames, blocked, blocked, mask, point_frames
    first = (frames[0] * 255).round().to(torch.uint8).cpu()
    return frames, point_map.to_tracks(first, stride), point_map, mask, point_frames
