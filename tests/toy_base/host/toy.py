"""The host half of tests/toy_base/library/toy.py, which tests put into the host's package of bases."""

from __future__ import annotations

import torch
from node_helpers import conditioning_set_values

from ....pointvid.diffusion.bases import base_model
from ..host_model import FPS, HostModelConfig
from ..latents import VideoPointLatent

FIRST = "toy_first_frame"
memory_usage_factor = 1.0


def config(info):
    return HostModelConfig(info)


def latent_format(info):
    return VideoPointLatent(info.latent, info.latent.rgb_factors)


def encoded(info, given, noise):
    return {"text": given["cross_attn"], "image_latent": given[FIRST].to(noise.device)}


def clip(checkpoint):
    return ToyClip(base_model(checkpoint.info.base).load_encoders(checkpoint))


def clip_vision(checkpoint):
    return None


def vae(checkpoint):
    return ToyVAE(base_model(checkpoint.info.base).load_encoders(checkpoint).video)


def image_to_video(info, positive, negative, *, vae, clip_vision, image, frames, fps, batch_size):
    first = vae.encode(image)[:, :, 0]
    positive, negative = (conditioning_set_values(c, {FIRST: first, FPS: fps}) for c in (positive, negative))
    channels, *grid = info.latent.shape(frames, *image.shape[1:3])
    samples = torch.zeros(batch_size, 2 * channels, *grid)
    mask = torch.ones_like(samples)
    samples[:, :channels, 0], mask[:, :channels, 0] = first, 0
    return positive, negative, {"samples": samples, "noise_mask": mask}


class ToyClip:
    def __init__(self, encoders):
        self.encoders = encoders

    def tokenize(self, text):
        return self.encoders.prepare([text])

    def encode_from_tokens_scheduled(self, tokens):
        return [[self.encoders.encode(tokens)["text"].detach(), {}]]


class ToyVAE:
    """As the host's own VAEs of videos: images [T,H,W,3] are one clip."""

    def __init__(self, codec):
        self.codec = codec

    def encode(self, images):
        return self.codec.encode(images.movedim(-1, 0)[None] * 2 - 1).detach()

    def decode(self, latents):
        return (self.codec.decode(latents).detach().movedim(1, -1) / 2 + 0.5).clamp(0, 1)
