"""SpaTracker behind the Tracker protocol, and the paper's way of using it."""

from __future__ import annotations

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
from .model import UNUSED, SpaTrackerConfig, SpaTrackerNet
from .queries import SIZE, network_grid

SOURCE = (
    "spaT_final.pth of the project henry123-boy/SpaTracker (weights CC BY-NC 4.0: no commercial use); "
    f"{download_command('spatracker')} says how to get it"
)
_SUPPORT = 6


class SpaTracker:
    """Tracks in 3D by attention among all tracks of a window; the depth of a track is the network's own.

    The weights are under CC BY-NC 4.0: no commercial use.

    Args:
        weights: the file.
        steps: refinement steps of each window.
        window: frames refined together, even; 8, 12 or 16.
        visible_above: visibility from which a point counts as seen; the authors' threshold.
        companions: points a side of a grid that is followed along from random frames and then dropped; it changes what
            the queries attend to. The paper's preset is 80, as is what the authors' demo does with a mask: 6400
            tracks more, which wants a GPU.
        seed: of those frames.
        device: where the network runs; None is where the clip is.
        config: sizes of the network; None is that of the published model with `window`.
    Raises:
        PointVidError: no weights, or a file whose tensors are not those of the network.
    """

    def __init__(
        self,
        weights: str | PathLike | None = None,
        steps: int = 6,
        window: int = 12,
        visible_above: float = 0.9,
        companions: int = 0,
        seed: int = 0,
        device: str | torch.device | None = None,
        config: SpaTrackerConfig | None = None,
    ) -> None:
        state = read_state_dict(weights, SOURCE, "spatracker")
        self.net = SpaTrackerNet(config or SpaTrackerConfig(window=window)).requires_grad_(False)
        load_weights(self.net, state, "spatracker", UNUSED)
        self.device = device
        self.steps, self.visible_above = steps, visible_above
        self.companions, self.seed = companions, seed

    @torch.no_grad()
    def track(self, video: Frames, queries: Tensor, depth: Depth | None = None, progress: Progress = silent) -> Tracked:
        """As `Tracker.track`. The whole clip is held at the network's size: 3.1 MB a frame.

        Raises:
            PointVidError: no depth, or depth without any range.
        """
        if depth is None or depth.maps is None:
            raise PointVidError(
                "depth is not given, expected depth maps: spatracker tracks in 3D; or take lucas_kanade"
            )
        frames, height, width = video.shape[:3]
        first = video[0]
        device = torch.device(self.device or first.device)
        self.net.to(device)
        images = torch.stack([_resized(first if t == 0 else video[t], device) for t in range(frames)])
        maps = torch.stack([_resized_depth(torch.as_tensor(depth.maps[t]), device) for t in range(frames)])
        maps = _repaired(maps)

        # Pixels scale from the corner's centre, not from the corner: so the weights are used by their authors.
        scale = queries.new_tensor([SIZE[1] / width, SIZE[0] / height])
        own = F.pad((queries * scale).to(device), (1, 0))
        points = torch.cat((self._companions(frames).to(device), own, F.pad(network_grid(_SUPPORT).to(device), (1, 0))))
        points = torch.cat((points, _depth_at(maps, points)), 1)
        uvd, seen = self.net(images, maps, points, self.steps, progress)
        mine = slice(self.companions**2, self.companions**2 + len(queries))
        uvd, seen = uvd[:, mine].to(first.device), seen[:, mine].to(first.device) > self.visible_above
        uvd[0] = points[mine, 1:].to(first.device)
        # The network's depth is not bound to be in front of the camera.
        return Tracked(uvd[..., :2] / scale, seen, uvd[..., 2].clamp(min=0.1 * maps.min().item()))

    def memory_needed(self, video_shape: tuple[int, ...], queries: int) -> int:
        """Bytes that tracking takes beside the weights, roughly."""
        window, tracks = self.net.config.window, queries + self.companions**2
        return 8 * 2**20 * video_shape[0] + 2**16 * window * tracks + 2**29

    def _companions(self, frames: int) -> Tensor:
        """float32 [n, 3]: frame, u, v in the network's pixels."""
        if not self.companions:
            return torch.zeros(0, 3)
        generator = torch.Generator().manual_seed(self.seed)
        when = torch.randint(frames, (self.companions**2, 1), generator=generator)
        return torch.cat((when.float(), network_grid(self.companions)), 1)


def _resized(frame: Tensor, device: torch.device) -> Tensor:
    image = frame.to(device).permute(2, 0, 1).float()[None]
    return F.interpolate(image, SIZE, mode="bilinear", align_corners=False)[0]


def _resized_depth(depth: Tensor, device: torch.device) -> Tensor:
    return F.interpolate(depth.to(device, torch.float32)[None, None], SIZE)[0, 0]


def _repaired(depth: Tensor) -> Tensor:
    """Values that are no depth become the farthest one.

    Raises:
        PointVidError: there is no depth, or one value only.
    """
    good = torch.isfinite(depth) & (depth > 0.01)
    if not good.any() or depth[good].min() == depth[good].max():
        raise PointVidError(
            "depth has one value, or none above 0.01, in the whole clip; expected maps with a range, in metres"
        )
    return torch.where(good, depth, depth[good].max())


def _depth_at(maps: Tensor, points: Tensor) -> Tensor:
    """Depth [N, 1], bilinear, of points [N, 3] (frame, u, v)."""
    limit = points.new_tensor([SIZE[1] - 1, SIZE[0] - 1])
    out = points.new_empty(len(points), 1)
    for t in points[:, 0].unique().long().tolist():
        own = points[:, 0] == t
        grid = (points[own, 1:] / limit * 2 - 1)[None, None]
        out[own, 0] = F.grid_sample(maps[t][None, None], grid, padding_mode="border", align_corners=True)[0, 0, 0]
    return out
