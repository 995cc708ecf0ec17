"""What moves by itself: tracks that depart from the dominant motion of the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from torch import Tensor

from ..errors import PointVidError
from ..tracks import PointTracks


class NothingMoves(PointVidError):
    """No track departs from the camera's motion: without a mask there is no foreground."""


@dataclass(frozen=True, eq=False)
class Foreground:
    """Which tracks move on their own.

    Attributes:
        moving: bool [N].
        object_id: int32 [N], 0 for the rest, 1.. for groups that lie and move together, the largest first.
    """

    moving: Tensor
    object_id: Tensor


def moving_foreground(
    tracks: PointTracks, threshold: float = 2.0, seed: int = 0, texture: Tensor | None = None
) -> Foreground:
    """Find the tracks that depart from the dominant camera motion.

    For a few frames across the clip, the homography that most tracks obey is found by random sampling and refined by
    reweighted least squares. A track moves by itself where it misses that homography by more than `threshold` pixels
    (or 4 robust standard deviations of the background's own scatter, if more) in at least two of those frames it is
    seen in. Single tracks that contradict their neighbours are outvoted. A track on a plain surface drifts wherever the
    noise takes it: `texture` [N], from `texture_at`, says which those are, and they are as textured ones close by.

    Limits: a camera that travels through a deep scene moves near and far background differently, which no homography
    explains; and a still object is never found. Give a mask there.

    Raises:
        NothingMoves: nothing moves by itself.
    """
    frames, count = tracks.visible.shape
    chosen = torch.linspace(0, frames - 1, min(frames, 9)).round().long().unique()[1:]
    generator = torch.Generator().manual_seed(seed)
    start = tracks.queries.cpu().double()
    misses = torch.full((len(chosen), count), torch.nan)
    for i, t in enumerate(chosen.tolist()):
        seen = tracks.visible[t].cpu()
        there = tracks.uvd[t, :, :2].cpu().double()
        if seen.sum() < 8:
            continue
        residual, scatter = _dominant_motion(start, there, seen, generator)
        limit = max(threshold, 4 * scatter)
        misses[i] = (residual / limit).float().masked_fill(~seen, torch.nan)
    departed = (misses > 1).sum(0)
    moving = departed >= min(2, len(chosen))
    if texture is not None:
        moving = _as_textured(start, moving, texture > _PLAIN)
    index = _neighbours(start, 9)
    share = moving[index].float().mean(-1)
    moving = torch.where(moving, share > 0.35, share > 0.65)
    if not moving.any():
        raise NothingMoves(
            f"no foreground: none of {count} tracks departs from the camera's motion by more than {threshold:g} px; "
            "give a mask, or track everything"
        )
    object_id = _groups(tracks, moving & ~_swept_up(misses, _groups(tracks, moving, index)), index)
    device = tracks.uvd.device
    return Foreground((object_id > 0).to(device), object_id.to(device))


def _swept_up(misses: Tensor, object_id: Tensor) -> Tensor:
    """Tracks that stayed with the background while their object was well on its way: it took them along as it passed.

    Args:
        misses: float32 [S, N], residuals in units of the threshold, NaN where not seen.
    Returns:
        bool [N].
    """
    late = torch.zeros(misses.shape[1], dtype=torch.bool)
    for number in range(1, int(object_id.max()) + 1):
        members = object_id == number
        under_way = misses[:, members].nanmedian(1).values > 3
        late |= members & ((misses < 1) & under_way[:, None]).sum(0).ge(2)
    return late


_PLAIN = 1.5
"""Grey levels: where the weaker of the two slopes of a patch is below, noise and compression move it."""


def texture_at(frame: Tensor, queries: Tensor, radius: int = 7) -> Tensor:
    """Of the patch around each query [N, 2] in uint8 [H, W, 3], the slope along the direction localised worst, [N].

    Root of the smaller eigenvalue of the structure tensor, grey levels a pixel.
    """
    grey = frame.float().mean(-1)[None, None]
    wide = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    du = (wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]) / 2
    dv = (wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]) / 2
    products = torch.cat((du * du, du * dv, dv * dv))
    uu, uv, vv = F.avg_pool2d(products, 2 * radius + 1, 1, radius, count_include_pad=False)[:, 0]
    least = ((uu + vv) - ((uu - vv).square() + 4 * uv.square()).sqrt()) / 2
    column, row = queries.to(frame.device).round().long().unbind(-1)
    return least.clamp(min=0).sqrt()[row, column]


def _as_textured(start: Tensor, moving: Tensor, textured: Tensor) -> Tensor:
    """Plain tracks move where most of the textured ones within about two neighbours do; far from any they do not."""
    textured = textured.cpu()
    if textured.all() or textured.sum() < 8:
        return moving
    known = start[textured].numpy()
    spacing = cKDTree(start.numpy()).query(start.numpy(), k=2)[0][:, 1].mean()
    distance, index = cKDTree(known).query(start[~textured].numpy(), k=5, distance_upper_bound=2.5 * spacing)
    near = torch.from_numpy(np.isfinite(distance))
    votes = moving[textured][torch.from_numpy(index).clamp(max=len(known) - 1)] & near
    moving = moving.clone()
    moving[~textured] = votes.sum(1) > near.sum(1) / 2
    return moving


def mask_from_tracks(tracks: PointTracks, moving: Tensor, frame: Tensor | None = None) -> Tensor:
    """Each pixel of frame 0 is as a query close by is, [H, W]: the nearest; with the frame, the one most like it.

    Args:
        moving: [N], of any kind.
        frame: uint8 [H, W, 3]; edges then follow the picture.
    """
    height, width = tracks.image_size
    tree, count = cKDTree(tracks.queries.cpu().numpy()), tracks.num_points
    rows = []
    for top in range(0, height, 256):
        v, u = np.mgrid[top : min(top + 256, height), :width]
        distance, nearest = tree.query(np.stack((u, v), -1).reshape(-1, 2), k=range(1, min(8, count) + 1))
        choice = torch.from_numpy(nearest[:, 0])
        if frame is not None:
            at = tracks.queries.cpu().round().long()
            pixels = frame.cpu().float()
            colors = pixels[at[:, 1], at[:, 0]]
            unlike = (pixels[top : top + 256].reshape(-1, 1, 3) - colors[torch.from_numpy(nearest)]).norm(dim=-1)
            apart = torch.from_numpy(distance / max(float(distance[:, 0].mean()), 1e-6)).float()
            best = (apart + unlike / 20).argmin(1, keepdim=True)
            choice = torch.from_numpy(nearest).gather(1, best)[:, 0]
        rows.append(moving.cpu()[choice].view(-1, width))
    return torch.cat(rows).to(moving.device)


def _dominant_motion(
    start: Tensor, there: Tensor, seen: Tensor, generator: torch.Generator, draws: int = 300
) -> tuple[Tensor, float]:
    """Residuals [N] in pixels to the homography most seen points obey, and the scatter of those that do."""
    pool = seen.nonzero()[:, 0]
    some = pool[torch.randperm(len(pool), generator=generator)[:600]]
    sets = some[torch.randint(len(some), (draws, 4), generator=generator)]
    candidates = _homography(start[sets], there[sets], torch.ones(draws, 4, dtype=torch.float64))
    error = _residual(candidates, start[some].expand(draws, -1, -1), there[some].expand(draws, -1, -1))
    score = (1 / (1 + error.square())).nan_to_num(0).sum(-1)
    best = candidates[score.argmax()]
    for _ in range(10):
        error = _residual(best[None], start[pool][None], there[pool][None])[0]
        weight = 1 / (1 + error.square()).square()
        best = _homography(start[pool][None], there[pool][None], weight.sqrt()[None])[0]
    residual = _residual(best[None], start[None], there[None])[0]
    inliers = residual[pool][residual[pool] < 3]
    scatter = float(1.4826 * inliers.median()) if len(inliers) else 1.0
    return residual, scatter


def _homography(source: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted direct linear transform with h33 = 1: [B, 3, 3] from [B, P, 2] pairs; coordinates normalised inside."""
    centre, scale = source.mean((0, 1)), source.std().clamp(min=1.0)
    x, y = ((source - centre) / scale).unbind(-1)
    u, v = ((target - centre) / scale).unbind(-1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    row_u = torch.stack((x, y, one, zero, zero, zero, -u * x, -u * y), -1)
    row_v = torch.stack((zero, zero, zero, x, y, one, -v * x, -v * y), -1)
    a = torch.cat((row_u, row_v), 1) * weight.repeat(1, 2)[..., None]
    b = torch.cat((u, v), 1) * weight.repeat(1, 2)
    h = torch.linalg.solve(a.mT @ a + 1e-9 * torch.eye(8, dtype=a.dtype), (a.mT @ b[..., None])[..., 0])
    h = torch.cat((h, torch.ones_like(h[:, :1])), -1).view(-1, 3, 3)
    norm = torch.tensor([[1 / scale, 0, -centre[0] / scale], [0, 1 / scale, -centre[1] / scale], [0, 0, 1]])
    norm = norm.to(h.dtype)
    return torch.linalg.inv(norm) @ h @ norm


def _residual(homography: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Distances [B, P] in pixels."""
    moved = torch.cat((source, torch.ones_like(source[..., :1])), -1) @ homography.mT
    return (moved[..., :2] / moved[..., 2:] - target).norm(dim=-1)


def _neighbours(queries: Tensor, count: int) -> Tensor:
    """int64 [N, count], nearest queries, the point itself first."""
    count = min(count, len(queries))
    _, index = cKDTree(queries.numpy()).query(queries.numpy(), k=count)
    return torch.from_numpy(index.reshape(len(queries), count))


def _groups(tracks: PointTracks, moving: Tensor, index: Tensor, smallest: int = 5) -> Tensor:
    """int32 [N]: moving tracks linked where neighbours keep moving alike; groups below `smallest` are dropped."""
    count = len(moving)
    uv = tracks.uvd[..., :2].cpu()
    seen = tracks.visible.cpu().float()
    source = torch.arange(count).repeat_interleave(index.shape[1])
    target = index.reshape(-1)
    link = moving[source] & moving[target]
    source, target = source[link], target[link]
    displacement = uv - uv[0]
    gap = (displacement[:, source] - displacement[:, target]).norm(dim=-1)
    both = seen[:, source] * seen[:, target]
    apart = (gap * both).amax(0)
    near = (uv[0, source] - uv[0, target]).norm(dim=-1)
    alike = apart < 2.0 + near  # neighbours on one turning surface separate by about their distance, at most
    pairs = coo_matrix((np.ones(int(alike.sum())), (source[alike].numpy(), target[alike].numpy())), (count, count))
    _, label = connected_components(pairs, directed=False)
    label = torch.from_numpy(label).long()
    size = torch.bincount(label[moving], minlength=int(label.max()) + 1)
    order = size.argsort(descending=True, stable=True)
    rank = torch.zeros_like(size)
    kept = int((size >= min(smallest, int(size.max()))).sum())
    rank[order[:kept]] = torch.arange(1, kept + 1)
    return torch.where(moving, rank[label], 0).to(torch.int32)
