"""CLIP for prompts and pictures, Stable Diffusion's autoencoder for frames: what the video UNets stand on.

Needs transformers and diffusers (the extra `demo`); inside ComfyUI its own loaders serve the same parts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....errors import PointVidError
from ....files.document import Number, Whole, check_shape
from ....files.readable import readable
from ....weights.check import check_keys
from ...latents import Codec, FrameCodec

if TYPE_CHECKING:
    from ...checkpoint import Checkpoint


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """Prompts -> context tokens.

    Attributes:
        model: transformers' CLIPTextModel; tokenizer: its CLIPTokenizer.
        layers_skipped: how many of the last layers are left out, as the base was trained.
    """

    model: Any
    tokenizer: Any
    layers_skipped: int

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        """[B,M,D]; prompts are cut and padded to the M tokens the model has positions for."""
        return self.tokens(self.ids(prompts))

    def ids(self, prompts: Sequence[str]) -> Tensor:
        """int64 [B,M] on the CPU."""
        length = self.model.config.max_position_embeddings
        return self.tokenizer(
            list(prompts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        ).input_ids

    def tokens(self, ids: Tensor) -> Tensor:
        """Token ids [B,M] -> [B,M,D]; the final norm follows whichever layer is the last used."""
        output = self.model(ids.to(next(self.model.parameters()).device), output_hidden_states=True)
        return self._inner.final_layer_norm(output.hidden_states[-1 - self.layers_skipped])

    def unused_layers(self) -> list[nn.Module]:
        """Those left out."""
        layers = list(self._inner.encoder.layers)
        return layers[len(layers) - self.layers_skipped :]

    @property
    def _inner(self) -> Any:
        return getattr(self.model, "text_model", self.model)  # transformers 5 dropped this level


@dataclass(frozen=True, eq=False)
class ImageEncoder:
    """Images -> CLIP embeddings. model: transformers' CLIPVisionModelWithProjection; mean, std: of its RGB input."""

    model: Any
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 [B,H,W,3] -> [B,1,D]: the middle square, resized to what the encoder takes."""
        parameter = next(self.model.parameters())
        pixels = images.to(parameter.device).permute(0, 3, 1, 2).float() / 255
        side = min(pixels.shape[-2:])
        top, left = (pixels.shape[-2] - side) // 2, (pixels.shape[-1] - side) // 2
        size = self.model.config.image_size
        square = pixels[..., top : top + side, left : left + side]
        square = F.interpolate(square, (size, size), mode="bilinear", antialias=True)
        mean, std = (square.new_tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return self.model(((square - mean) / std).to(parameter.dtype)).image_embeds[:, None]


@dataclass(frozen=True, eq=False)
class ClipEncoders:
    """See `encoders.Encoders`; `image` is None for bases that take no image."""

    text: TextEncoder
    image: ImageEncoder | None
    video: Codec
    points: Codec

    def networks(self) -> dict[str, nn.Module]:
        """CLIP's towers."""
        image = {"image_encoder": self.image.model} if self.image else {}
        return {"text_encoder": self.text.model, **image}

    def prepare(self, prompts: Sequence[str], images: Tensor | None = None) -> dict[str, Tensor]:
        """tokens int64 [B,M]; pixels, the images."""
        pixels = {"pixels": images} if self.image and images is not None else {}
        return {"tokens": self.text.ids(prompts), **pixels}

    def encode(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """text [B,M,D]; image [B,1,D]."""
        image = {"image": self.image(inputs["pixels"])} if self.image and "pixels" in inputs else {}
        return {"text": self.text.tokens(inputs["tokens"]), **image}

    def trainable(self) -> dict[str, nn.Module]:
        """Layers that are left out get no gradient, which DDP would wait for."""
        for network in self.networks().values():
            network.requires_grad_(True)
        for layer in self.text.unused_layers():
            layer.requires_grad_(False)
        return self.networks()

    def weights(self) -> dict[str, dict[str, Tensor]]:
        """Under published names."""
        return {name: published_weights(network, name) for name, network in self.networks().items()}


_PART_SHAPE = {
    name + "?": Whole(1, most)
    for name, most in (("num_hidden_layers", 1000), ("layers_per_block", 100), ("hidden_size", 2**17))
}
_PROCESSOR_SHAPE = {"image_mean": (float, float, float), "image_std": (Number(0, above=True),) * 3}


def load_clip_encoders(
    checkpoint: Checkpoint, layers_skipped: int, device: torch.device | str, dtype: torch.dtype | None
) -> ClipEncoders:
    """See `encoders.load_encoders`.

    Args:
        layers_skipped: of the text encoder.
    """
    try:
        from diffusers import AutoencoderKL
        from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection
    except ImportError as error:
        raise PointVidError(
            f"{error.name} is not installed, expected it for work outside ComfyUI: pip install comfyui-pointvid[demo]"
        ) from error

    def built(made: Callable[[], nn.Module], part: str, wanted: torch.dtype | None) -> nn.Module:
        weights = checkpoint.parts[part]
        check_shape(configs[part], _PART_SHAPE, f"checkpoint: config of {part}", "what was published")
        with torch.device("meta"):  # nothing is allocated for a config that is not the weights'
            model = made()
        if part == "text_encoder" and not any(key.startswith("text_model.") for key in model.state_dict()):
            weights = {key.removeprefix("text_model."): value for key, value in weights.items()}
        check_keys(weights, model, part)
        model = made()
        model.load_state_dict(weights)
        # diffusers' own `to` warns of every cast
        return nn.Module.to(model, device, wanted or next(iter(weights.values())).dtype).eval()

    configs = checkpoint.info.configs
    with readable("checkpoint: its encoders", "the configs and files that were published; convert it again"):
        network = built(lambda: CLIPTextModel(CLIPTextConfig.from_dict(configs["text_encoder"])), "text_encoder", dtype)
        text = TextEncoder(network, load_tokenizer(checkpoint.parts["tokenizer"]), layers_skipped)
        image = None
        if checkpoint.info.config.unet.image_conditioning:
            processor = configs["image_processor"]
            check_shape(processor, _PROCESSOR_SHAPE, "checkpoint: config of image_processor", "what was published")
            mean, std = tuple(processor["image_mean"]), tuple(processor["image_std"])
            network = built(
                lambda: CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(configs["image_encoder"])),
                "image_encoder",
                dtype,
            )
            image = ImageEncoder(network, mean, std)
        codec = FrameCodec(built(lambda: AutoencoderKL.from_config(configs["vae"]), "vae", torch.float32))
    return ClipEncoders(text, image, codec, codec)


def load_tokenizer(files: Mapping[str, Tensor]) -> Any:
    """transformers' CLIPTokenizer of the files in a checkpoint."""
    from transformers import CLIPTokenizer

    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / Path(name).name).write_bytes(data.cpu().numpy().tobytes())
        return CLIPTokenizer.from_pretrained(folder)


def published_weights(module: nn.Module, part: str) -> dict[str, Tensor]:
    """A module's weights under the names that checkpoints use, whichever library version it is of."""
    weights = {key: value.detach() for key, value in module.state_dict().items() if not key.endswith("position_ids")}
    if part == "text_encoder" and not any(key.startswith("text_model.") for key in weights):
        weights = {f"text_model.{key}": value for key, value in weights.items()}
    return weights
