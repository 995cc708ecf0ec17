"""The two halves of a joint latent, apart and together."""

from __future__ import annotations

from comfy_api.latest import io


class JoinLatents(io.ComfyNode):
    """Video latent + point latent -> joint latent."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_JoinLatents",
            display_name="Join Video and Point Latents",
            category="PointVid/latent",
            description="Puts a video latent and a point latent on top of each other: channels 0-3 and 4-7. Use it to "
            "start from an encoded clip and its encoded point map.",
            search_aliases=["concat latents", "joint latent", "merge latent"],
            inputs=[
                io.Latent.Input(
                    "video", tooltip="4-channel latent of the frames: [1,4,T,h,w], or a batch of T images."
                ),
                io.Latent.Input("points", tooltip="4-channel latent of the point frames, of the same size."),
            ],
            outputs=[io.Latent.Output(display_name="joint", tooltip="8-channel latent [B,8,T,h,w].")],
        )

    @classmethod
    def execute(cls, video, points) -> io.NodeOutput:
        """Concatenate on channels."""
        from ..pointvid.diffusion.bases.base import join

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
            description="Takes a joint latent apart. Each half is a batch of T images that stock VAE Decode reads.",
            search_aliases=["separate latents", "unjoin", "vae decode points"],
            inputs=[io.Latent.Input("joint", tooltip="8-channel latent of the joint model.")],
            outputs=[
                io.Latent.Output(display_name="video", tooltip="Batch of frames [B*T,4,h,w]."),
                io.Latent.Output(display_name="points", tooltip="Batch of point frames [B*T,4,h,w]."),
            ],
        )

    @classmethod
    def execute(cls, joint) -> io.NodeOutput:
        """Halve the channels and line the frames up as a batch."""
        video, points = split(joint["samples"])
        return io.NodeOutput({"samples": video}, {"samples": points})


def split(samples):
    """[B, 8, T, h, w] -> two [B*T, 4, h, w].

    Raises:
        PointVidError: another number of channels.
    """
    from ..pointvid.diffusion.bases.base import split as halves
    from ..pointvid.errors import PointVidError

    if samples.ndim != 5 or samples.shape[1] != 8:
        raise PointVidError(
            f"latent is {list(samples.shape)}, expected [B, 8, T, h, w]: wire a latent of the joint video + point model"
        )
    return tuple(half.transpose(1, 2).flatten(0, 1) for half in halves(samples))


def _as_video(samples, name: str):
    """[T, 4, h, w], a batch of frames, or [B, 4, T, h, w] -> the latter."""
    from ..pointvid.errors import PointVidError

    if samples.ndim == 4:
        samples = samples.transpose(0, 1).unsqueeze(0)
    if samples.ndim != 5 or samples.shape[1] != 4:
        raise PointVidError(f"{name} is {list(samples.shape)}, expected a 4-channel latent of an image VAE")
    return samples
