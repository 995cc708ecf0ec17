import pytest
import torch

from pointvid.errors import PointVidError
from pointvid.trackers.queries import dense_queries, grid_and_foreground_queries, grid_queries


def test_grid_by_hand():
    # Cells are 4 wide and 2 high; their centres fall on columns 2, 6, 10 and rows 1, 3, 5.
    assert grid_queries((6, 12), 3).tolist() == [[u, v] for v in (1, 3, 5) for u in (2, 6, 10)]


def test_paper_grid_has_6400_points_spread_over_the_image():
    queries = grid_queries((256, 448), 80)
    assert queries.shape == (6400, 2)
    assert queries.unique(dim=0).shape == (6400, 2)
    assert queries.min(0).values.tolist() == [2, 1]
    assert queries.max(0).values.tolist() == [445, 254]


def test_small_images_get_each_pixel_once():
    queries = grid_and_foreground_queries((4, 5), grid=80, extra=10)
    assert sorted(queries.tolist()) == [[u, v] for u in range(5) for v in range(4)]


def test_random_pixels_favour_the_mask_and_repeat_none():
    mask = torch.zeros(40, 60, dtype=torch.bool)
    mask[10:20, 10:30] = True
    queries = grid_and_foreground_queries((40, 60), mask, grid=4, extra=50, seed=3)
    extra = queries[16:].long()
    assert len(extra) == 50
    assert mask[extra[:, 1], extra[:, 0]].all()
    assert queries.unique(dim=0).shape == queries.shape
    assert torch.equal(queries, grid_and_foreground_queries((40, 60), mask, grid=4, extra=50, seed=3))
    assert not torch.equal(queries, grid_and_foreground_queries((40, 60), mask, grid=4, extra=50, seed=4))


def test_a_tiny_mask_is_used_up_before_the_rest():
    mask = torch.zeros(40, 60, dtype=torch.bool)
    mask[3, 3:8] = True
    extra = grid_and_foreground_queries((40, 60), mask, grid=4, extra=50)[16:].long()
    assert len(extra) == 50
    assert mask[extra[:, 1], extra[:, 0]].sum() == 5


def test_mask_of_another_size():
    with pytest.raises(PointVidError, match="mask is 20x60, clip is 40x60"):
        grid_and_foreground_queries((40, 60), torch.ones(20, 60, dtype=torch.bool))


def test_dense_queries_are_the_pixels_of_the_mask_in_row_order():
    mask = torch.zeros(4, 5, dtype=torch.bool)
    mask[1, 2:4] = mask[3, 0] = True
    assert dense_queries((4, 5), mask).tolist() == [[2, 1], [3, 1], [0, 3]]
    assert len(dense_queries((4, 5))) == 20


def test_too_many_pixels_are_thinned_evenly():
    queries = dense_queries((30, 60), most=200)
    assert len(queries) == 200  # every third row and column
    assert queries[:2].tolist() == [[1, 1], [4, 1]]
    assert queries[-1].tolist() == [58, 28]
