"""Joint latent -> frames and 3D trajectories."""

from __future__ import annotations

from comfy_api.latest import io

from . import types


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
                    "latent", tooltip="Joint latent [B,2C,T,h,w]; the first video of a batch gives the tracks."
                ),
                io.Vae.Input("vae", tooltip="The VAE of the model."),
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
                    tooltip="Frames decoded at once, where each is coded alone. Lower it when memory runs out.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="frames", tooltip="The video, [B*T,H,W,3]."),
                types.PointTracks.Output(display_name="tracks", tooltip="The generated 3D tracks."),
                types.PointMap.Output(display_name="point_map", tooltip="Trajectory of every foreground pixel."),
                io.Mask.Output(display_name="mask", tooltip="Foreground of the first frame."),
                io.Image.Output(
                    display_name="point_frames", tooltip="The decoded point half as pictures: u, v, depth as R, G, B."
                ),
            ],
        )

    @classmethod
    def execute(cls, latent, vae, model, stride=1, chunk=8) -> io.NodeOutput:
        """Decode in chunks, then turn the point pictures into pixels and depth."""
        import torch
        from comfy_execution.graph_utils import ExecutionBlocker

        from ..pointvid.camera import Camera
        from ..pointvid.diffusion.latents import split
        from .host import host_progress
        from .native.latents import decode_half
        from .native.loading import require_joint

        info = require_joint(model)
        joint, space = latent["samples"], info.latent
        space.check_joint(joint)
        video, points = split(joint)
        progress = host_progress()
        count = space.frames(joint.shape[2])
        total = (len(joint) + 1) * count

        def decode(half, done: int):
            return decode_half(
                vae, half, space, chunk=chunk, report=lambda more: progress(done + more, total, "decoding")
            )

        frames = decode(video, 0)
        point_frames = decode(points[:1], len(joint) * count)
        size = tuple(point_frames.shape[1:3])
        point_map = info.point_range.decode(
            point_frames.movedim(-1, 1) * 2 - 1,
            Camera.default(size),
            fps=float(latent.get("pointvid_fps", info.fps)),
        )
        mask = point_map.mask[None].float()
        if not point_map.mask.any():
            # The video is still worth having; only what needs points is stopped, with a reason.
            blocked = ExecutionBlocker(
                "Trajectory Decoder: the generated depth channel has no foreground; use more steps, another seed, or a "
                "checkpoint whose point half is trained"
            )
            return io.NodeOutput(frames, blocked, blocked, mask, point_frames)
        first = (frames[0] * 255).round().to(torch.uint8).cpu()
        tracks = point_map.to_tracks(first, stride)
        return io.NodeOutput(frames, tracks, point_map, mask, point_frames)
