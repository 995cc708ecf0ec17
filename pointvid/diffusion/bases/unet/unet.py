"""VideoUNet: the denoiser of I2VGen-XL (arXiv 2311.04145) and of ModelScopeT2V (arXiv 2308.06571).

Reads the state dicts of diffusers' I2VGenXLUNet and UNet3DConditionModel unchanged.
"""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from ....errors import PointVidError
from .attention import AttentionFunction, Layers, sdpa, sinusoids
from .blocks import DownBlock, MidBlock, UpBlock, kept, recomputed
from .config import UNetConfig
from .patches import Patches
from .temporal import ImageTemporalEncoder, TemporalTransformer


class VideoUNet(nn.Module):
    """The base video denoiser.

    Args:
        config: its shape.
        operations: where layers come from: torch.nn, or a host's namespace with Linear, Conv2d, Conv3d, GroupNorm and
            LayerNorm that take `device` and `dtype`.
        dtype, device: given to every layer.
        attention: see `attention.AttentionFunction`.
    """

    checkpointing = False

    def __init__(
        self,
        config: UNetConfig,
        operations: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        attention: AttentionFunction = sdpa,
    ):
        super().__init__()
        self.config = config
        self.dtype = dtype or torch.get_default_dtype()
        layers = Layers(operations, dtype, device, attention)
        channels, width, embedding = config.block_out_channels, config.cross_attention_dim, config.time_embed_dim
        latent = config.latent_channels

        self.conv_in = layers.conv2d(self.input_channels, channels[0], 3, padding=1)
        self.transformer_in = TemporalTransformer(
            layers, channels[0], 8, config.attention_head_dim, config.norm_num_groups
        )
        self.time_embedding = nn.ModuleDict(
            {"linear_1": layers.linear(channels[0], embedding), "linear_2": layers.linear(embedding, embedding)}
        )
        if config.image_conditioning:
            self.image_latents_proj_in = nn.Sequential(
                layers.conv2d(latent, latent * 4, 3, padding=1),
                nn.SiLU(),
                layers.conv2d(latent * 4, latent * 4, 3, padding=1),
                nn.SiLU(),
                layers.conv2d(latent * 4, latent, 3, padding=1),
            )
            self.image_latents_temporal_encoder = ImageTemporalEncoder(layers, latent)
            self.image_latents_context_embedding = nn.Sequential(
                layers.conv2d(latent, latent * 8, 3, padding=1),
                nn.SiLU(),
                nn.AdaptiveAvgPool2d((32, 32)),
                layers.conv2d(latent * 8, latent * 16, 3, stride=2, padding=1),
                nn.SiLU(),
                layers.conv2d(latent * 16, width, 3, stride=2, padding=1),
            )
            self.context_embedding = nn.Sequential(
                layers.linear(width, embedding), nn.SiLU(), layers.linear(embedding, width * latent)
            )
            self.fps_embedding = nn.Sequential(
                layers.linear(channels[0], embedding), nn.SiLU(), layers.linear(embedding, embedding)
            )

        last = len(channels) - 1
        self.down_blocks = nn.ModuleList(
            DownBlock(layers, config, channels[max(i - 1, 0)], channels[i], config.attention_levels[i], i == last)
            for i in range(last + 1)
        )
        self.mid_block = MidBlock(layers, config, channels[-1])
        self.up_blocks = nn.ModuleList(
            UpBlock(
                layers,
                config,
                below=channels[min(i + 1, last)],
                out_channels=channels[i],
                above=channels[max(i - 1, 0)],
                attend=config.attention_levels[i],
                last=i == 0,
            )
            for i in range(last, -1, -1)
        )
        self.conv_norm_out = layers.group_norm(config.norm_num_groups, channels[0])
        self.conv_out = layers.conv2d(channels[0], self.output_channels, 3, padding=1)

    @property
    def input_channels(self) -> int:
        """Channels `conv_in` sees: the noisy latent and, with image conditioning, the image's latent."""
        return self.config.latent_channels * (2 if self.config.image_conditioning else 1)

    @property
    def output_channels(self) -> int:
        """Channels `conv_out` predicts, and those of the noisy latent."""
        return self.config.latent_channels

    def enable_checkpointing(self, enabled: bool = True) -> None:
        """Recompute activations in the backward pass, layer by layer, instead of keeping them."""
        for block in (self, *self.down_blocks, self.mid_block, *self.up_blocks):
            block.checkpointing = enabled

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor | float,
        context: Tensor,
        image_latents: Tensor | None = None,
        image_embeds: Tensor | None = None,
        fps: Tensor | None = None,
        control: object = None,
        transformer_options: dict | None = None,
        **extra: object,
    ) -> Tensor:
        """Predict the noise or the velocity, as the base was trained to.

        Args:
            x: noisy latent [B,C,T,h,w].
            timesteps: [B] or one number, steps of the training schedule; fractions are allowed.
            context: text tokens [B,M,cross_attention_dim].
            image_latents: [B,latent,T,h,w]: the image's latent in frame 0, then constant frames k/(T-1). Needed with
                image conditioning, as are the next two.
            image_embeds: CLIP embedding of the image [B,1,cross_attention_dim].
            fps: [B], frames a second.
            control: what a ControlNet adds; refused.
            transformer_options: ComfyUI's; its patches are honoured, see `patches.Patches`.
            extra: taken because hosts pass it; not used.
        Returns:
            [B,output_channels,T,h,w].
        Raises:
            PointVidError: wrong channel count, a condition is missing or of another shape, or a patch has no place.
        """
        if control is not None:
            raise PointVidError(
                "a ControlNet is applied to the prompt, but there is none for a joint model; take it out"
            )
        patches = Patches.of(transformer_options, x.shape, self.config.block_out_channels[0])
        self._check(x, context, image_latents, image_embeds, fps)
        emb = self._time_embedding(x, timesteps, fps)
        context = context.to(x.dtype)
        if self.config.image_conditioning:
            assert image_latents is not None  # `_check` has seen to them
            assert image_embeds is not None
            context = self._context(context, image_latents.to(x.dtype), image_embeds.to(x.dtype))
            image_latents = self._image_frames(image_latents.to(x.dtype))
        if patches is not None:
            emb = patches.embedding(emb)
        return self._denoise(self._gather(x, image_latents), emb, context, patches)

    def _gather(self, x: Tensor, image_frames: Tensor | None) -> Tensor:
        """What `conv_in` sees, [B,input_channels,T,h,w]."""
        return x if image_frames is None else torch.cat((x, image_frames), 1)

    def _denoise(self, x: Tensor, emb: Tensor, context: Tensor, patches: Patches | None) -> Tensor:
        batch, frames = x.shape[0], x.shape[2]
        x = self.conv_in(x.transpose(1, 2).flatten(0, 1))
        x = recomputed(self.checkpointing, self.transformer_in, x, frames)
        if patches is not None:
            patches.enter("input")
        skips: list[Tensor] = []
        x = kept(x, skips, patches)
        for block in self.down_blocks:
            x = block(x, skips, emb, context, frames, patches)
        if patches is not None:
            patches.enter("middle")
        x = self.mid_block(x, emb, context, frames, patches)
        for block in self.up_blocks:
            x = block(x, skips, emb, context, frames, patches)
        x = self.conv_out(nn.functional.silu(self.conv_norm_out(x)))
        return x.unflatten(0, (batch, frames)).transpose(1, 2)

    def _time_embedding(self, x: Tensor, timesteps: Tensor | float, fps: Tensor | None) -> Tensor:
        half = self.config.block_out_channels[0] // 2
        timesteps = torch.as_tensor(timesteps, device=x.device).reshape(-1).expand(x.shape[0])
        first, second = self.time_embedding["linear_1"], self.time_embedding["linear_2"]
        emb = second(nn.functional.silu(first(sinusoids(timesteps, half).to(x.dtype))))
        if self.config.image_conditioning:
            assert fps is not None  # `_check` has seen to it
            fps = fps.to(x.device).reshape(-1).expand(x.shape[0])
            emb = emb + self.fps_embedding(sinusoids(fps, half).to(x.dtype))
        return emb

    def _context(self, text: Tensor, image_latents: Tensor, image_embeds: Tensor) -> Tensor:
        """Text tokens, 64 tokens of the image's latent, 4 of its CLIP embedding: [B,M+68,cross_attention_dim]."""
        local = self.image_latents_context_embedding(image_latents[:, :, 0]).flatten(2).transpose(1, 2)
        embedded = self.context_embedding(image_embeds).view(text.shape[0], -1, text.shape[-1])
        return torch.cat((text, local, embedded), 1)

    def _image_frames(self, image_latents: Tensor) -> Tensor:
        """The image's latent as extra input channels, [B,latent,T,h,w]."""
        b, _, _, h, w = image_latents.shape
        x = self.image_latents_proj_in(rearrange(image_latents, "b c t h w -> (b t) c h w"))
        x = self.image_latents_temporal_encoder(rearrange(x, "(b t) c h w -> (b h w) t c", b=b))
        return rearrange(x, "(b h w) t c -> b c t h w", b=b, h=h, w=w)

    def _check(
        self,
        x: Tensor,
        context: Tensor,
        image_latents: Tensor | None,
        image_embeds: Tensor | None,
        fps: Tensor | None,
    ) -> None:
        if x.ndim != 5 or x.shape[1] != self.output_channels:
            raise PointVidError(f"latent is {list(x.shape)}, expected [B, {self.output_channels}, T, h, w]")
        batch, width = x.shape[0], self.config.cross_attention_dim
        if context is None or context.ndim != 3 or (context.shape[0], context.shape[2]) != (batch, width):
            raise PointVidError(
                f"text is {_shape(context)}, expected [{batch}, tokens, {width}]: encode it with the base's CLIP"
            )
        if not self.config.image_conditioning:
            return
        expected = [batch, self.config.latent_channels, *x.shape[2:]]
        if image_latents is None or list(image_latents.shape) != expected:
            raise PointVidError(
                f"image latents are {_shape(image_latents)}, latent is {list(x.shape)}: expected {expected}"
            )
        if image_embeds is None or list(image_embeds.shape) != [batch, 1, width]:
            raise PointVidError(
                f"image embedding is {_shape(image_embeds)}, expected [{batch}, 1, {width}]: "
                "encode the image with the base's CLIP vision"
            )
        if fps is None or fps.numel() not in (1, batch):
            raise PointVidError(f"fps is {_shape(fps)}, expected one number a video, [{batch}]")


def _shape(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else str(list(tensor.shape))
