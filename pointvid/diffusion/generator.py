"""Images and prompts -> videos and the 3D trajectories of their pixels, outside any host.

generator = Generator.load("model.safetensors", "cuda")
plan = generator.plan(["a ball rolls off"], [image], seed=3)
(made,) = generator.run(plan)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike

import torch
from torch import Tensor, nn

from ..camera import Camera
from ..errors import PointVidError
from ..framing import Framing
from ..point_map import PointMap
from ..progress import Progress, silent
from .bases import base_model
from .checkpoint import Checkpoint, CheckpointInfo, load_checkpoint
from .conditions import Conditions
from .encoders import Encoders, load_encoders
from .guidance import blind, inner_guided, point_decoder, rigidity_guided
from .latents import split
from .pixels import to_pixels, to_range
from .point_probe import fit_point_probe
from .sampling import Denoise, guided, initial_noise, sample


@dataclass(frozen=True, eq=False)
class Generated:
    """A generated clip. video: uint8 [T,H,W,3]; point_map: P, aligned to its first frame, None where only the video was
    asked for; latent: [1,2C,T',h,w]."""

    video: Tensor
    point_map: PointMap | None
    latent: Tensor

    def points(self) -> PointMap:
        """P.

        Raises:
            PointVidError: only the video was asked for.
        """
        if self.point_map is None:
            raise PointVidError("only the video was generated, expected points too; generate with points=True")
        return self.point_map


@dataclass(frozen=True, eq=False)
class Plan:
    """Clips to be made, encoded: all that depends on prompts, images and seeds. Rows belong together.

    Attributes:
        noise: float32 [B,2C,T',h,w]; positive, negative: what the network is told with and without.
        cameras, fps: of each clip.
        steps, guidance: of sampling.
        points: False hides the point half from the network in every step, and only the video is decoded.
        inner: weights of inner guidance, which then stands in for `guidance`; rigidity: strength of rigidity guidance.
    """

    noise: Tensor
    positive: Conditions
    negative: Conditions
    cameras: tuple[Camera, ...]
    fps: tuple[float, ...]
    steps: int
    guidance: float
    points: bool = True
    inner: tuple[float, float] | None = None
    rigidity: float | None = None


class Generator:
    """A joint model ready to generate.

    Args:
        info: what it is.
        network: as the base's adapter builds it, with its weights, in eval mode.
        encoders: of the same base.
    """

    def __init__(self, info: CheckpointInfo, network: nn.Module, encoders: Encoders):
        self.info, self.network, self.encoders = info, network, encoders
        self.base = base_model(info.base)
        parameter = next(network.parameters())
        self.device, self.dtype = parameter.device, parameter.dtype

    @classmethod
    def load(
        cls,
        source: str | PathLike | Checkpoint,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> Generator:
        """Of an all-in-one file, or of a checkpoint in memory.

        Args:
            dtype: of the network; None: as the weights are, but float32 for a file on the CPU, where less is slow.
        Raises:
            PointVidError: as `load_checkpoint`, or the file holds no encoders.
        """
        if not isinstance(source, Checkpoint):
            slow = torch.device(device).type == "cpu"
            source = load_checkpoint(source, dtype or (torch.float32 if slow else None), device)
        encoders = load_encoders(source, device)
        weights = source.weights
        dtype = dtype or next(value.dtype for value in weights.values() if value.is_floating_point())
        network = base_model(source.info.base).build(source.info.config, dtype=dtype, device="meta").eval()
        network.load_state_dict(weights, assign=True)
        return cls(source.info, network.to(device, dtype).requires_grad_(False), encoders)

    @torch.no_grad()
    def plan(
        self,
        prompts: Sequence[str],
        images: Sequence[Tensor] | None = None,
        *,
        negative_prompt: str = "",
        frames: int | None = None,
        image_size: tuple[int, int] | None = None,
        fps: float | Sequence[float] | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int | Sequence[int] = 0,
        cameras: Sequence[Camera] | None = None,
        points: bool = True,
        inner: tuple[float, float] | None = None,
        rigidity: float | None = None,
    ) -> Plan:
        """Run the encoders.

        Args:
            prompts: one a clip; negative_prompt: of all.
            images: uint8 [H,W,3], the first frames; scaled to cover `image_size` and cropped. None for bases that take
                none.
            frames, image_size (H, W), fps: None: what the checkpoint was trained at.
            steps, guidance: None: what its base recommends.
            seed: of every clip, or of the first; the next then has the next.
            cameras: of the points; None: the default one.
            points, inner, rigidity: see `Plan`.
        Raises:
            PointVidError: images are missing, or the size does not fit the model.
        """
        info, count = self.info, len(prompts)
        height, width = image_size or info.resolution
        frames = frames or info.frames
        info.latent.check_clip(frames, height, width)
        if self.base.takes_image:
            framed = self._framed(images, count, (height, width))
            latent = self.encoders.video.encode(to_range(framed)[:, :, None])[:, :, 0]
            encoded = {"image_latent": latent, **self.encoders.encode(self.encoders.prepare(prompts, framed))}
        else:
            encoded = self.encoders.encode(self.encoders.prepare(prompts))
        return self.plan_encoded(
            encoded,
            self.encoders.encode(self.encoders.prepare([negative_prompt])),
            frames=frames,
            image_size=(height, width),
            fps=_each(info.fps if fps is None else fps, count),
            seeds=[seed + i for i in range(count)] if isinstance(seed, int) else seed,
            steps=steps,
            guidance=guidance,
            cameras=cameras,
            points=points,
            inner=inner,
            rigidity=rigidity,
        )

    @torch.no_grad()
    def plan_encoded(
        self,
        encoded: Mapping[str, Tensor],
        empty: Mapping[str, Tensor],
        *,
        frames: int,
        image_size: tuple[int, int],
        fps: Sequence[float],
        seeds: Sequence[int],
        steps: int | None = None,
        guidance: float | None = None,
        cameras: Sequence[Camera] | None = None,
        points: bool = True,
        inner: tuple[float, float] | None = None,
        rigidity: float | None = None,
    ) -> Plan:
        """`plan`, of what the encoders have said already.

        Args:
            encoded: for the base's `conditions`; empty: of the negative prompt alone.
        """
        channels, *grid = self.info.latent.shape(frames, *image_size)
        noise = torch.cat([initial_noise((1, 2 * channels, *grid), seed, self.device) for seed in seeds])
        rates = torch.tensor([float(rate) for rate in fps], device=next(iter(encoded.values())).device)
        positive = self.base.conditions(encoded, grid[0], rates)
        negative = self.base.unconditional(positive, empty)
        return Plan(
            noise,
            positive.to(self.device, self.dtype),
            negative.to(self.device, self.dtype),
            tuple(cameras or [Camera.default(image_size)] * len(seeds)),
            tuple(fps),
            self.info.sampling.steps if steps is None else steps,
            self.info.sampling.guidance if guidance is None else guidance,
            points,
            inner,
            rigidity,
        )

    @torch.no_grad()
    def run(self, plan: Plan, progress: Progress = silent, *, batch: int = 8) -> list[Generated]:
        """Sample and decode.

        Args:
            progress: reports sampling, then decoding; may raise to cancel.
            batch: clips sampled at once; the noise of a clip does not depend on it.
        """
        count = len(plan.noise)
        latents = []
        for start in range(0, count, batch):
            part = slice(start, start + batch)
            known = self.base.known(plan.positive.clips(part))
            denoise, done = self._denoise(plan, part), start * plan.steps
            clips = len(plan.noise[part])

            def told(step: int, _: int, what: str, done: int = done, clips: int = clips) -> None:
                progress(done + step * clips, count * plan.steps, what)

            report = told if count > 1 else progress
            latents.append(
                sample(denoise, self.info.process, plan.noise[part], plan.steps, known=known, progress=report)
            )
        return [
            self.decode(latent[None], camera, fps, plan.points, progress)
            for latent, camera, fps in zip(torch.cat(latents), plan.cameras, plan.fps)
        ]

    @torch.no_grad()
    def decode(
        self, latent: Tensor, camera: Camera, fps: float, points: bool = True, progress: Progress = silent
    ) -> Generated:
        """Both halves of one clip's joint latent [1,2C,T',h,w], or the video alone."""
        halves = split(latent)
        video = to_pixels(self.encoders.video.decode(halves[0], progress=progress)[0].cpu().transpose(0, 1))
        if not points:
            return Generated(video, None, latent)
        channels = self.encoders.points.decode(halves[1], progress=progress)[0].cpu().transpose(0, 1)
        return Generated(video, self.info.point_range.decode(channels, camera, fps=fps), latent)

    def _denoise(self, plan: Plan, part: slice) -> Denoise:
        """What a plan asks for, one wrapper around the other."""
        process, positive, negative = self.info.process, plan.positive.clips(part), plan.negative.clips(part)
        if plan.inner:
            denoise = inner_guided(self.network, process, positive, negative, w1=plan.inner[0], w2=plan.inner[1])
        else:
            denoise = guided(self.network, process, positive, negative, plan.guidance)

        def in_float32(x: Tensor, t: Tensor) -> Tensor:
            # The latent stays in float32 between steps; only the network sees the weights' dtype.
            return denoise(x.to(self.dtype), t).float()

        wrapped: Denoise = in_float32 if plan.points else blind(in_float32)
        if not plan.rigidity:
            return wrapped
        codec, space = self.encoders.points, self.info.latent
        probe = fit_point_probe(codec.encode, frames=space.frames(1 if space.by_frame else 3))
        to_points = point_decoder(probe, self.info.point_range)
        return rigidity_guided(wrapped, process, to_points, strength=plan.rigidity)

    def _framed(self, images: Sequence[Tensor] | None, count: int, image_size: tuple[int, int]) -> Tensor:
        """uint8 [B,H,W,3] of that size."""
        images = list(images or [])
        if len(images) != count:
            found = f"are {len(images)} of {count}" if images else "is missing" if count == 1 else "are missing"
            raise PointVidError(
                f"image{'s' * (count > 1)} {found}, expected uint8 [H, W, 3] a clip: {self.info.base} animates an image"
            )
        framed = []
        for image in images:
            if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != torch.uint8:
                raise PointVidError(
                    f"image is {image.dtype} {list(image.shape)}, expected uint8 [H, W, 3]: {self.info.base} animates "
                    "an image"
                )
            framing = Framing((image.shape[0], image.shape[1]), image_size)
            framed.append(torch.from_numpy(framing.pixels(image.cpu().numpy()).copy()))
        return torch.stack(framed)


def _each(value: float | Sequence[float], count: int) -> list[float]:
    return [float(value)] * count if isinstance(value, (int, float)) else [float(one) for one in value]
