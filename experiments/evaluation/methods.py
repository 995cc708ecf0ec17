"""What makes clips: a PointVid checkpoint, a published diffusers pipeline, or whatever a ComfyUI workflow does."""

from __future__ import annotations

import inspect
import json
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pointvid.diffusion.generator import Generator
from pointvid.errors import PointVidError
from pointvid.files.manifest import file_digest
from pointvid.framing import Framing

from .clips import MadeClip, Method
from .comfyui import ComfyUI, read_workflow
from .inputs import Item

KINDS = ("pointvid", "i2vgen-xl", "svd", "comfyui")


class PointVid:
    """A checkpoint of ours.

    Args:
        steps, guidance: of sampling; size: (H, W), frames: None for what it was trained at.
    """

    def __init__(
        self,
        checkpoint: Path,
        steps: int = 50,
        guidance: float = 9.0,
        size: tuple[int, int] | None = None,
        frames: int | None = None,
        device: str = "cpu",
    ):
        self.path, self.steps, self.guidance, self.size, self.frames = checkpoint, steps, guidance, size, frames
        self.device = device

    @cached_property
    def _generator(self) -> Generator:
        return Generator.load(self.path, self.device)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """See Method."""
        return {
            "kind": "pointvid",
            "checkpoint": self.path.name,
            "sha256": file_digest(self.path)[:16],
            "steps": self.steps,
            "guidance": self.guidance,
            "size": self.size,
            "frames": self.frames,
        }

    def generate(self, item: Item, seed: int) -> MadeClip:
        """See Method."""
        plan = self._generator.plan(
            [item.prompt],
            [item.pixels()],
            steps=self.steps,
            guidance=self.guidance,
            seed=seed,
            image_size=self.size,
            frames=self.frames,
        )
        (made,) = self._generator.run(plan)
        found = made.points()
        return MadeClip(made.video, found.fps, found.to_tracks(made.video[0]) if found.mask.any() else None)


class Diffusers:
    """A published image-to-video pipeline in diffusers' layout, from a local folder: nothing is downloaded.

    Args:
        kind: "svd" (StableVideoDiffusionPipeline, which takes no prompt) or "i2vgen-xl" (I2VGenXLPipeline).
        size: (H, W); frames; fps: of the clips, told to the model where it takes it.
        steps, guidance: None for the pipeline's own defaults.
    """

    def __init__(
        self,
        kind: str,
        folder: Path,
        size: tuple[int, int],
        frames: int = 16,
        fps: float = 8.0,
        steps: int | None = None,
        guidance: float | None = None,
        device: str = "cpu",
    ):
        self.kind, self.folder, self.size, self.frames, self.fps = kind, folder, size, frames, fps
        self.steps, self.guidance, self.device = steps, guidance, device

    @property
    def settings(self) -> dict[str, Any]:
        """See Method."""
        names = ("kind", "size", "frames", "fps", "steps", "guidance")
        return {**{name: getattr(self, name) for name in names}, "folder": self.folder.name}

    @cached_property
    def _pipeline(self) -> Any:
        import diffusers

        name = {"svd": "StableVideoDiffusionPipeline", "i2vgen-xl": "I2VGenXLPipeline"}[self.kind]
        if not (self.folder / "model_index.json").is_file():
            raise PointVidError(f"{self.kind}: {self.folder} holds no model_index.json, expected a diffusers folder")
        dtype = torch.float32 if self.device == "cpu" else torch.float16
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # I2VGenXLPipeline is deprecated, and still the baseline
                pipeline = getattr(diffusers, name).from_pretrained(
                    self.folder, torch_dtype=dtype, local_files_only=True
                )
        except Exception as error:  # whatever the library raises for a bad folder
            message = " ".join(str(error).split())[:200]
            raise PointVidError(f"{self.kind}: {self.folder} cannot be loaded as {name} ({message})") from error
        pipeline.set_progress_bar_config(disable=True)
        pipeline.to(self.device)
        text = getattr(pipeline, "text_encoder", None)
        if text is not None and not hasattr(text, "text_model"):
            # I2VGenXLPipeline asks for a level that transformers 5 dropped; past nn.Module, which would register a loop
            vars(text)["text_model"] = text
        return pipeline

    def generate(self, item: Item, seed: int) -> MadeClip:
        """See Method."""
        from PIL import Image

        pixels = item.pixels()
        framing = Framing((pixels.shape[0], pixels.shape[1]), self.size)
        image = Image.fromarray(framing.pixels(pixels.numpy()))
        height, width = self.size
        options: dict[str, Any] = {
            "image": image,
            "height": height,
            "width": width,
            "num_frames": self.frames,
            "generator": torch.Generator("cpu").manual_seed(seed),
            "output_type": "np",
        }
        options |= {} if self.steps is None else {"num_inference_steps": self.steps}
        if self.kind == "svd":
            options["fps"] = round(self.fps)
            options |= {} if self.guidance is None else {"max_guidance_scale": self.guidance}
        else:
            options |= {"prompt": item.prompt, "target_fps": round(self.fps)}
            options |= {} if self.guidance is None else {"guidance_scale": self.guidance}
        accepted = inspect.signature(type(self._pipeline).__call__).parameters
        with torch.random.fork_rng():
            torch.manual_seed(seed)  # I2VGenXLPipeline draws the image's latent without the generator
            frames = self._pipeline(**{key: value for key, value in options.items() if key in accepted}).frames[0]
        video = torch.from_numpy((np.asarray(frames) * 255).round().clip(0, 255).astype(np.uint8))
        return MadeClip(video, self.fps)


def make_method(
    kind: str,
    source: str,
    size: tuple[int, int] | None = None,
    frames: int | None = None,
    fps: float | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    device: str = "cpu",
) -> Method:
    """The method that a command line names.

    Args:
        kind: one of `KINDS`; source: a checkpoint, a diffusers folder, or WORKFLOW.json@http://host:port.
    Raises:
        PointVidError: the kind is unknown, or the source is not what it takes.
    """
    given: dict[str, Any] = {
        name: value for name, value in (("steps", steps), ("guidance", guidance)) if value is not None
    }
    if kind == "pointvid":
        if not Path(source).is_file():
            raise PointVidError(f"method pointvid: {source} does not exist, expected a checkpoint")
        return PointVid(Path(source), size=size, frames=frames, device=device, **given)
    if kind in ("svd", "i2vgen-xl"):
        return Diffusers(kind, Path(source), size or (256, 448), frames or 16, fps or 8.0, device=device, **given)
    if kind == "comfyui":
        path, _, address = source.rpartition("@")
        if not path or not address.startswith("http"):
            raise PointVidError(f"method comfyui: {source!r}, expected WORKFLOW.json@http://host:port")
        return ComfyUI(read_workflow(Path(path)), address, Path(path).name, fps or 8.0)
    raise PointVidError(f"method {kind!r} is unknown, expected one of {', '.join(KINDS)}")


def describe(method: Method) -> str:
    """Its settings in one line."""
    return json.dumps(method.settings, sort_keys=True)
