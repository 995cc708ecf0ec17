"""AllTracker behind the Tracker protocol."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike

import torch
from torch import Tensor
from torch.nn import functional as F

from ...depth import Depth
from ...errors import PointVidError
from ...progress import Progress, silent
from ...weights.folder import download_command
from ...weights.read import load_weights, read_state_dict
from ..base import Frames, Tracked
from .model import AllTrackerConfig, AllTrackerNet

SOURCE = (
    "alltracker.pth or alltracker_tiny.pth of the project aharley/alltracker (MIT licence); "
    f"{download_command('alltracker')} fetches it"
)


class AllTracker:
    """Dense flow from frame 0 to every frame, read at the queries.

    Memory is that of one window's correlation volume:
    85 bytes times the square of the clip's pixels / 64 (0.3 GB at 448x256, 2.5 GB at 768x432); where there is less, the
    rest of the clip is done with a sixteenth of it, more slowly.

    Args:
        weights: the file; which of the two published models it holds is seen by its keys.
        steps: refinement steps of each window; the authors use 4.
        longest: larger clips are tracked at a size whose longer side is this, in pixels.
        visible_above: visibility times confidence from which a point counts as seen; the authors' threshold.
        device: where the network runs; None is where the clip is.
        config: sizes of the network; None is that of the published model.
    Raises:
        PointVidError: no weights, or a file whose tensors are not those of the network.
    """

    default_queries = "dense"

    def __init__(
        self,
        weights: str | PathLike | None = None,
        steps: int = 4,
        longest: int = 768,
        visible_above: float = 0.6,
        device: str | torch.device | None = None,
        config: AllTrackerConfig | None = None,
    ) -> None:
        state = read_state_dict(weights, SOURCE, "alltracker")
        small = any(key.startswith("fnet.") for key in state)
        self.net = AllTrackerNet(config or AllTrackerConfig(small=small)).requires_grad_(False)
        load_weights(self.net, state, "alltracker")
        self.device = device
        self.steps, self.longest, self.visible_above = steps, longest, visible_above

    @torch.no_grad()
    def track(self, video: Frames, queries: Tensor, depth: Depth | None = None, progress: Progress = silent) -> Tracked:
        """As `Tracker.track`. Raises PointVidError where there is one frame only."""
        frames, *size = video.shape[:3]
        if frames < 2:
            raise PointVidError("video has 1 frame, expected at least 2: one frame has no motion to track")
        first = video[0]
        self.net.to(self.device or first.device)
        self.net.lean = False
        uv, visible = [], []
        for t, (flow, trust) in enumerate(self.net(self._images(video, first), self.steps)):
            progress(t, frames - 1, "tracking")
            moved, sure = self._read(flow, trust, queries, size)
            uv.append(queries + moved)
            visible.append(sure)
        return Tracked(torch.stack(uv), torch.stack(visible))

    def memory_needed(self, video_shape: tuple[int, ...], queries: int) -> int:
        """Bytes that tracking takes beside the weights, roughly."""
        height, width = video_shape[1:3]
        scale = min(1.0, self.longest / max(height, width))
        return int(85 * (height * width * scale**2 / 64) ** 2) + 200 * queries + 2**28

    def _images(self, video: Frames, first: Tensor) -> Iterator[Tensor]:
        """The frames as the network takes them."""
        height, width = first.shape[:2]
        smallest = self.net.config.smallest
        scale = min(1.0, self.longest / max(height, width))
        size = [max(round(side * scale), smallest) for side in (height, width)]
        for t in range(video.shape[0]):
            image = (first if t == 0 else video[t]).to(self.net.time_emb.device).permute(2, 0, 1).float()
            if size != [height, width]:
                image = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
            yield image

    def _read(self, flow: Tensor, trust: Tensor, queries: Tensor, size: list[int]) -> tuple[Tensor, Tensor]:
        """Flow [N, 2] in pixels of the clip and visibility bool [N], at the queries."""
        whole = queries.new_tensor([size[1], size[0]])
        # Pixel centres are whole numbers, so the image spans -0.5 .. size - 0.5: grid_sample's -1 .. 1.
        place = ((queries + 0.5) / whole * 2 - 1).to(flow.device)
        maps = torch.cat((flow, trust))[None]
        read = F.grid_sample(maps, place[None, None], padding_mode="border", align_corners=False)[0, :, 0].mT
        read = read.to(queries.device)
        scale = whole / whole.new_tensor([flow.shape[-1], flow.shape[-2]])
        return read[:, :2] * scale, read[:, 2] * read[:, 3] > self.visible_above
