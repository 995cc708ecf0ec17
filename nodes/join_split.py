"""The two halves of a joint latent, apart and together."""

from __future__ import annotations

from .host_api import io

SPACE = "pointvid_space"
"""Key of a latent that `PointVid Image to Video` made: the `LatentSpace` it lies in, as a dict."""


class JoinLatents(io.ComfyNode):
    """Video latent + point latent -> joint latent."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_JoinLatents",
            display_name="Join Video and Point Latents",
            category="PointVid/latent",
            description="Puts a video latent and a point latent on top of each other: the channels of the video, then "
            "those of the points. Use it to start from an encoded clip and its encoded point map.",
            search_aliases=["concat latents", "joint latent", "merge latent"],
            inputs=[
                io.Latent.Input(
                    "video", tooltip="Latent of the frames: a video's [1,C,T,h,w], or a batch of T images."
                ),
                io.Latent.Input("points", tooltip="Latent of the point frames, of the same size."),
            ],
            outputs=[io.Latent.Output(display_name="joint", tooltip="Joint latent [B,2C,T,h,w].")],
        )

    @classmethod
    def execute(cls, video, points) -> io.NodeOutput:
        """Concatenate on channels."""
        from ..pointvid.diffusion.latents import join

        halves = (_as_video(latent["samples"], name) for latent, name in ((video, "video"), (points, "points")))
        return io.NodeOutput({**video, "samples": join(*halves)})


class SplitLatents(io.ComfyNode):
    """Joint latent -> video latent + point latent."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_SplitLatents",
            display_name="Split Video and Point Latents",
            category="PointVid/latent",
            description="Takes a joint latent apart. Each half is what stock VAE Decode reads: a batch of T images, or "
            "a video's latent where the model's VAE is one for videos.",
            search_aliases=["separate latents", "unjoin", "vae decode points"],
            inputs=[io.Latent.Input("joint", tooltip="Joint latent of the model.")],
            outputs=[
                io.Latent.Output(display_name="video", tooltip="Batch of frames [B*T,C,h,w], or [B,C,T,h,w]."),
                io.Latent.Output(display_name="points", tooltip="The same of the point frames."),
            ],
        )

    @classmethod
    def execute(cls, joint) -> io.NodeOutput:
        """Halve the channels, and line the frames up as a batch where each is coded alone."""
        from ..pointvid.diffusion.latents import LatentSpace, split
        from ..pointvid.errors import PointVidError

        samples, space = joint["samples"], joint.get(SPACE)
        if samples.ndim != 5 or samples.shape[1] % 2:
            raise PointVidError(
                f"latent is {list(samples.shape)}, expected [B, 2C, T, h, w]: wire a latent of the joint video + point "
                "model"
            )
        halves = split(samples)
        if space is None or LatentSpace.from_dict(space).by_frame:
            halves = tuple(half.transpose(1, 2).flatten(0, 1) for half in halves)
        kept = {} if space is None else {SPACE: space}
        return io.NodeOutput(*({"samples": half, **kept} for half in halves))


def _as_video(samples, name: str):
    """[T, C, h, w], a batch of frames, or [B, C, T, h, w] -> the latter."""
    from ..pointvid.errors import PointVidError

    if samples.ndim == 4:
        samples = samples.transpose(0, 1).unsqueeze(0)
    if samples.ndim != 5:
        raise PointVidError(f"{name} is {list(samples.shape)}, expected a latent of images or of a video")
    return samples
