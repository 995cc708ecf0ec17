"""Which pixels of frame 0 to follow."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import PointVidError


def grid_queries(image_size: tuple[int, int], grid: int = 80) -> Tensor:
    """Whole pixels (u, v) at the centres of `grid` x `grid` equal cells, in row order: the paper's "gridsize 80".

    Returns:
        float32 [grid * grid, 2]; fewer where the image has fewer rows or columns than `grid`.
    """
    if grid < 1:
        raise PointVidError(f"grid is {grid}, expected 1 or more points a side")
    v, u = (((torch.arange(min(grid, n)) + 0.5) * n / min(grid, n)).floor() for n in image_size)
    return torch.stack((u.repeat(len(v)), v.repeat_interleave(len(u))), -1)


def dense_queries(image_size: tuple[int, int], mask: Tensor | None = None, most: int = 131072) -> Tensor:
    """Every pixel (u, v) of the mask, in row order; for trackers that follow all pixels at once.

    Args:
        image_size: (H, W) in pixels.
        mask: bool [H, W]; None is the whole image.
        most: where there are more, only every second (third, ...) row and column is taken.
    Returns:
        float32 [N, 2] whole pixels.
    """
    inside = torch.ones(image_size, dtype=torch.bool) if mask is None else mask.cpu() != 0
    step = 1
    while len(pixels := inside[step // 2 :: step, step // 2 :: step].nonzero()) > most:
        step += 1
    return (pixels.flip(-1) * step + step // 2).float()


def random_queries(where: Tensor, count: int, seed: int = 0) -> Tensor:
    """Up to `count` different pixels (u, v) of bool `where` [H, W], drawn evenly; float32 [n, 2], seeded."""
    pixels = where.nonzero().flip(-1)
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(seed))
    return pixels[order[:count].to(pixels.device)].float()


def grid_and_foreground_queries(
    image_size: tuple[int, int], mask: Tensor | None = None, grid: int = 80, extra: int = 1600, seed: int = 0
) -> Tensor:
    """The paper's grid over the whole image, then random pixels that the grid left out.

    Args:
        image_size: (H, W) in pixels.
        mask: bool [H, W]; the random pixels are drawn from it, the rest of the image only where it has too few.
            None draws them from the whole image.
        grid: points a side, 80 in the paper.
        extra: how many random pixels.
        seed: of the random pixels.
    Returns:
        float32 [N, 2] whole pixels (u, v), no pixel twice.
    Raises:
        PointVidError: the mask has another size.
    """
    regular = grid_queries(image_size, grid)
    free = torch.ones(image_size, dtype=torch.bool)
    free[regular[:, 1].long(), regular[:, 0].long()] = False
    if mask is None:
        return torch.cat((regular, random_queries(free, extra, seed)))
    if tuple(mask.shape) != tuple(image_size):
        found = "x".join(map(str, mask.shape))
        raise PointVidError(f"mask is {found}, clip is {image_size[0]}x{image_size[1]} (HxW)")
    inside = mask.cpu() != 0
    foreground = random_queries(free & inside, extra, seed)
    background = random_queries(free & ~inside, extra - len(foreground), seed)
    return torch.cat((regular, foreground, background))
