"""ConvNeXt-Tiny without its last stage, kept at 1/8 of the image's size."""

from __future__ import annotations

from torch import Tensor, nn

from .layers import ChannelNorm, SpaceBlock


class ConvNeXtEncoder(nn.Module):
    """Images [N, 3, H, W] -> features [N, 384, H / 8, W / 8]. The second reduction is a dilated 3x3 of stride 1."""

    channels = 384

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 96, 4, stride=4), ChannelNorm(96)),
            nn.Sequential(*(SpaceBlock(96) for _ in range(3))),
            nn.Sequential(ChannelNorm(96), nn.Conv2d(96, 192, 2, stride=2)),
            nn.Sequential(*(SpaceBlock(192) for _ in range(3))),
            nn.Sequential(ChannelNorm(192), nn.Conv2d(192, 384, 3, padding=2, dilation=2)),
            nn.Sequential(*(SpaceBlock(384) for _ in range(9))),
        )

    def forward(self, images: Tensor) -> Tensor:
        """As the class says."""
        return self.features(images)
