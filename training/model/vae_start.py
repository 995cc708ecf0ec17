"""A starting point for the small autoencoder: it shrinks images by area and enlarges them smoothly.

A random AutoencoderKL needs thousands of steps to find that blocks of pixels have colours. This one begins there: three
of its four latent channels are the image, averaged over blocks of pixels; everything else is random and waits to be
trained. Residual branches begin at zero, so both halves begin linear but for their last GroupNorm and SiLU. Those are
made nearly linear too: large constant channels fix the norm's statistics, a large bias keeps SiLU where it is straight.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import nn

# Channel of every layer that carries colour i, and the two constants beside it, in the same group of the last norm.
_COLOR = (0, 4, 8)
_CONSTANT = 10.0
_SHIFT = 4.0  # SiLU'(4) = 1.05, and it is straight around there
_LOGVAR = -12.0


@torch.no_grad()
def start_as_resizer(vae: AutoencoderKL) -> None:
    """Set the weights in place. Expects at least 12 channels everywhere."""
    encoder, decoder = vae.encoder, vae.decoder
    for module in vae.modules():
        if hasattr(module, "conv2") and hasattr(module, "norm2"):  # a residual block
            nn.init.zeros_(module.conv2.weight)
            nn.init.zeros_(module.conv2.bias)
            if module.conv_shortcut is not None:
                _carry(module.conv_shortcut, torch.ones(1, 1))
        if hasattr(module, "to_out"):
            nn.init.zeros_(module.to_out[0].weight)
            nn.init.zeros_(module.to_out[0].bias)
    for convolution in (vae.quant_conv, vae.post_quant_conv):
        convolution.weight.copy_(torch.eye(len(convolution.weight))[:, :, None, None])
        convolution.bias.zero_()
    for block in encoder.down_blocks:
        for sampler in block.downsamplers or []:
            area = torch.zeros(3, 3)  # stride 2, padded at the right and bottom only
            area[:2, :2] = 1 / 4
            _carry(sampler.conv, area)
    for block in decoder.up_blocks:
        for sampler in block.upsamplers or []:
            tent = torch.tensor([1.0, 2.0, 1.0])
            _carry(sampler.conv, tent[:, None] * tent[None] / 16)
    for half in (encoder, decoder):
        _enter(half.conv_in)
        _leave(half.conv_norm_out, half.conv_out)
    encoder.conv_out.weight[4:] *= 0.01
    encoder.conv_out.bias[4:] = _LOGVAR
    # What the random channels add to grey is taken off again: grey becomes zero, and zero becomes grey.
    side = 8 * 2 ** len(encoder.down_blocks)
    grey = torch.zeros(1, 3, side, side)
    encoder.conv_out.bias[:3] -= encoder(grey)[0, :3].mean((1, 2))
    decoder.conv_out.bias -= decoder(torch.zeros(1, 4, 8, 8))[0].mean((1, 2))


def _carry(convolution: nn.Conv2d, kernel: torch.Tensor) -> None:
    """Reserved channels go through: colours by `kernel`, constants by its centre alone, which has no border."""
    assert convolution.bias is not None
    for channel in _COLOR:
        convolution.weight[channel : channel + 3] = 0
        convolution.bias[channel : channel + 3] = 0
        convolution.weight[channel, channel] = kernel
        middle = 0 if kernel.shape[0] == 1 else 1
        for constant in (channel + 1, channel + 2):
            convolution.weight[constant, constant, middle, middle] = 1


def _enter(convolution: nn.Conv2d) -> None:
    """Three input channels to the three colours; the constants come from the bias."""
    assert convolution.bias is not None
    for i, channel in enumerate(_COLOR):
        convolution.weight[channel : channel + 3] = 0
        convolution.weight[channel, i, 1, 1] = 1
        convolution.bias[channel : channel + 3] = torch.tensor([0.0, _CONSTANT, -_CONSTANT])


def _leave(norm: nn.GroupNorm, convolution: nn.Conv2d) -> None:
    """Undo what norm and SiLU do to the colours, to first order around no colour at all."""
    assert convolution.bias is not None
    channels_in_group = norm.num_channels // norm.num_groups
    slope = torch.sigmoid(torch.tensor(_SHIFT)) * (1 + _SHIFT * (1 - torch.sigmoid(torch.tensor(_SHIFT))))
    offset = _SHIFT * torch.sigmoid(torch.tensor(_SHIFT))
    convolution.weight[:3] *= 0.02
    for i, channel in enumerate(_COLOR):
        group = channel // channels_in_group
        pairs = sum(other // channels_in_group == group for other in _COLOR)
        deviation = _CONSTANT * (2 * pairs / channels_in_group) ** 0.5
        norm.weight[channel], norm.bias[channel] = 1.0, _SHIFT
        convolution.weight[i, list(_COLOR)] = 0
        convolution.weight[i, channel, 1, 1] = deviation / slope
        convolution.bias[i] = -deviation * offset / slope
