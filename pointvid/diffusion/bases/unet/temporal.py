"""What looks along time: convolution, transformer, and the encoder of the repeated image."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor, nn

from .attention import GELU, Attention, FeedForward, Layers, TransformerBlock


class TemporalConv(nn.Module):
    """Four convolutions of three frames each, residual."""

    def __init__(self, layers: Layers, channels: int, groups: int, dropout: float = 0.1):
        super().__init__()
        self.conv1 = self._conv(layers, channels, groups)
        self.conv2, self.conv3, self.conv4 = (self._conv(layers, channels, groups, dropout) for _ in range(3))

    @staticmethod
    def _conv(layers: Layers, channels: int, groups: int, dropout: float | None = None) -> nn.Sequential:
        # The published keys number the dropout, which the first convolution does not have.
        middle = [] if dropout is None else [nn.Dropout(dropout)]
        conv = layers.conv3d(channels, channels, (3, 1, 1), padding=(1, 0, 0))
        return nn.Sequential(layers.group_norm(groups, channels), nn.SiLU(), *middle, conv)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """[B*T,C,H,W] -> [B*T,C,H,W]."""
        video = x.unflatten(0, (-1, frames))
        y = self.conv4(self.conv3(self.conv2(self.conv1(video.transpose(1, 2)))))
        return (video + y.transpose(1, 2)).flatten(0, 1)


class TemporalTransformer(nn.Module):
    """A transformer block over the frames of each pixel, attending to itself twice."""

    def __init__(self, layers: Layers, channels: int, heads: int, head_dim: int, groups: int):
        super().__init__()
        inner = heads * head_dim
        self.norm = layers.group_norm(groups, channels, eps=1e-6)
        self.proj_in = layers.linear(channels, inner)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(layers, inner, heads, head_dim)])
        self.proj_out = layers.linear(inner, channels)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """[B*T,C,H,W] -> [B*T,C,H,W]; the norm's statistics span all frames."""
        video = x.unflatten(0, (-1, frames))
        b, _, _, h, w = video.shape
        y = rearrange(self.norm(video.transpose(1, 2)), "b c t h w -> (b h w) t c")
        y = self.proj_in(y)
        for block in self.transformer_blocks:
            y = block(y)
        y = rearrange(self.proj_out(y), "(b h w) t c -> b t c h w", b=b, h=h, w=w)
        return (video + y).flatten(0, 1)


class ImageTemporalEncoder(nn.Module):
    """Lets the frames of the conditioning image's latent see each other, pixel by pixel."""

    def __init__(self, layers: Layers, channels: int):
        super().__init__()
        self.norm1 = layers.layer_norm(channels)
        self.attn1 = Attention(layers, channels, heads=2, head_dim=channels)
        self.ff = FeedForward(layers, channels, GELU)

    def forward(self, x: Tensor) -> Tensor:
        """[N,T,C] -> [N,T,C]."""
        x = self.attn1(self.norm1(x)) + x
        return self.ff(x) + x
