import math

import numpy as np
import pytest
import torch

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.points.reconstruction import recon_terms
from pointvid.points.rigidity import rigidity_graph, rigidity_loss

GENERATOR = torch.Generator().manual_seed(11)


def rand(*shape):
    return torch.rand(*shape, generator=GENERATOR, dtype=torch.float64)


def rotation(angle):
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=torch.float64)


def test_recon_by_hand():
    # Two points, three frames. Point 0 steps by (3, 4, 0) twice; point 1 by (1, 0, 0), then (1, 2, 2).
    pred = torch.tensor([[[0.0, 0, 0], [0, 0, 0]], [[3, 4, 0], [1, 0, 0]], [[6, 8, 0], [2, 2, 2]]], dtype=torch.float64)
    target = pred + torch.tensor([[0.0, 0, 2], [1, 2, 2]], dtype=torch.float64)
    found = recon_terms(pred, target)
    # distances 2 and 3; speeds 5, 5 and 1, 3; accelerations 0 and |(0, 2, 2)|
    assert found.position.item() == pytest.approx(2.5)
    assert found.velocity.item() == pytest.approx(14 / 4)
    assert found.acceleration.item() == pytest.approx(math.sqrt(8) / 2)
    assert found.weighted(2, 10, 0).item() == pytest.approx(5 + 35)
    l1 = recon_terms(pred, target, norm="l1")
    assert [term.item() for term in l1] == pytest.approx([3.5, (7 + 7 + 1 + 5) / 4, 2.0])
    squared = recon_terms(pred, target, norm="squared")
    assert [term.item() for term in squared] == pytest.approx([6.5, (25 + 25 + 1 + 9) / 4, 4.0])
    only = recon_terms(pred, target, torch.tensor([False, True]))
    assert [term.item() for term in only] == pytest.approx([3.0, 2.0, math.sqrt(8)])


def test_recon_counts_clips_alike_and_ignores_what_is_masked():
    pred, target = rand(3, 4, 5, 6, 3), rand(3, 4, 5, 6, 3)
    mask = rand(3, 5, 6) > 0.4
    mask[1] = False
    alone = [recon_terms(pred[b], target[b], mask[b]) for b in (0, 2)]
    spoilt = pred.clone()
    spoilt[mask[:, None].expand(3, 4, 5, 6).logical_not()] = float("nan")
    found = recon_terms(spoilt.requires_grad_(), target, mask)
    for term, (first, second) in zip(found, zip(*alone)):
        assert term.item() == pytest.approx((first + second).item() / 2)
    found.weighted(1, 1, 1).backward()
    assert torch.isfinite(spoilt.grad).all()


@pytest.mark.parametrize("norm", ["l2", "l1", "squared"])
def test_recon_gradient(norm):
    pred, target = rand(2, 4, 2, 3, 3).requires_grad_(), rand(2, 4, 2, 3, 3)
    mask = torch.tensor([[[True, False, True], [True, True, False]]] * 2)
    assert torch.autograd.gradcheck(lambda p: recon_terms(p, target, mask, norm).weighted(1.0, 2.0, 3.0), pred)


def test_recon_is_finite_for_a_perfect_still_prediction():
    pred = torch.ones(4, 7, 3).requires_grad_()
    found = recon_terms(pred, torch.ones(4, 7, 3))
    assert [term.item() for term in found] == [0, 0, 0]
    found.weighted(1, 1, 1).backward()
    assert (pred.grad == 0).all()


@pytest.mark.parametrize("frames", [1, 2])
def test_recon_of_short_clips(frames):
    found = recon_terms(torch.ones(frames, 2, 3), torch.zeros(frames, 2, 3))
    assert found.position.item() == pytest.approx(math.sqrt(3))
    assert (found.velocity.item(), found.acceleration.item()) == (0, 0)


def test_graph_is_the_brute_force_graph():
    points = rand(60, 3)
    graph = rigidity_graph(points, k=4)
    distance = torch.cdist(points, points)
    distance.fill_diagonal_(float("inf"))
    expected = {(i, int(j)) for i in range(60) for j in distance[i].argsort()[:4]}
    assert set(zip(graph.source.tolist(), graph.target.tolist())) == expected
    assert graph.source.numel() == 240
    assert graph.weight.sum().item() == pytest.approx(1)


def test_graph_with_coincident_points_has_no_self_edges():
    points = torch.zeros(20, 3, dtype=torch.float64)
    points[15:] = rand(5, 3)
    graph = rigidity_graph(points, k=3)
    assert graph.source.numel() == 60
    assert (graph.source != graph.target).all()


def test_graph_of_few_points():
    assert rigidity_graph(rand(1, 3)).source.numel() == 0
    assert sorted(rigidity_graph(rand(3, 3), k=8).source.tolist()) == [0, 0, 1, 1, 2, 2]


def test_graph_keeps_to_mask_and_objects():
    reference = rand(2, 6, 7, 3)
    mask = rand(2, 6, 7) > 0.3
    objects = (torch.arange(7) > 3).int().expand(2, 6, 7)
    graph = rigidity_graph(reference, mask, 3, objects)
    ends = torch.cat((graph.source, graph.target))
    assert mask.reshape(-1)[ends].all()
    assert torch.equal(graph.source // 42, graph.target // 42)
    assert torch.equal(objects.reshape(-1)[graph.source], objects.reshape(-1)[graph.target])
    assert objects.reshape(-1)[graph.source].unique().tolist() == [0, 1]


def literal_eq_2(points, k):
    """The double sum of Eq. 2 for [T, N, 3], divided by its number of terms."""
    terms = []
    for t in range(1, len(points)):
        for i in range(points.shape[1]):
            nearest = np.argsort(np.linalg.norm(points[0] - points[0, i], axis=-1), kind="stable")[1 : k + 1]
            for j in nearest:
                now = np.linalg.norm(points[t, i] - points[t, j])
                then = np.linalg.norm(points[0, i] - points[0, j])
                terms.append((now - then) ** 2)
    return np.mean(terms)


def test_rigidity_is_eq_2():
    points = rand(5, 20, 3)
    graph = rigidity_graph(points[0], k=4)
    assert rigidity_loss(points, graph).item() == pytest.approx(literal_eq_2(points.numpy(), 4))


def test_rigid_motion_costs_nothing():
    body = rand(30, 3)
    moved = torch.stack([body @ rotation(0.4 * t).T + torch.tensor([t, -2.0 * t, 0.5]) for t in range(6)])
    assert rigidity_loss(moved, rigidity_graph(body)).item() < 1e-25


def test_uniform_scaling_by_hand():
    # A unit square's corners, 2 neighbours each at distance 1; scaled by 3 every edge has grown by 2.
    square = torch.tensor([[0.0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]])
    points = torch.stack((square, square * 3, square))
    assert rigidity_loss(points, rigidity_graph(square, k=2)).item() == pytest.approx((4 + 0) / 2)


def test_rigidity_batches_clips_alike():
    points = rand(2, 4, 5, 6, 3)
    mask = rand(2, 5, 6) > 0.4
    together = rigidity_loss(points, rigidity_graph(points[:, 0], mask, 3))
    alone = [rigidity_loss(points[b], rigidity_graph(points[b, 0], mask[b], 3)).item() for b in range(2)]
    assert together.item() == pytest.approx(sum(alone) / 2)
    flat = rigidity_loss(points[0][:, mask[0]], rigidity_graph(points[0, 0][mask[0]], k=3))
    assert flat.item() == pytest.approx(alone[0])


def test_rigidity_gradient():
    points = rand(4, 9, 3)
    graph = rigidity_graph(points[0], k=3)
    assert torch.autograd.gradcheck(lambda p: rigidity_loss(p, graph), points.clone().requires_grad_())


def test_rigidity_is_finite_at_coincident_points():
    points = torch.rand(4, 9, 3, generator=GENERATOR)
    graph = rigidity_graph(points[0], k=3)
    points[0, :3] = 0.5  # the prediction's own frame 0 collapses
    points[2] = 0
    points[3, 4] = points[3, 5] + 1e-30
    points.requires_grad_()
    loss = rigidity_loss(points, graph)
    loss.backward()
    assert torch.isfinite(loss)
    assert loss > 0
    assert torch.isfinite(points.grad).all()


def test_rigidity_through_unprojection():
    # A rigid body that comes nearer grows in (u, v), not in camera space.
    camera = Camera(50.0, 50.0, 32.0, 24.0)
    body = rand(20, 3)
    xyz = torch.stack([body + torch.tensor([0, 0, 5.0 - t]) for t in range(4)])
    uvd = camera.project(xyz)
    again = camera.unproject(uvd)
    assert rigidity_loss(again, rigidity_graph(again[0])).item() < 1e-20
    assert rigidity_loss(uvd, rigidity_graph(uvd[0])).item() > 1


def test_rigidity_of_nothing_is_zero_with_a_gradient():
    points = torch.rand(3, 4, 4, 3, requires_grad=True)
    graph = rigidity_graph(points[0].detach(), torch.zeros(4, 4, dtype=torch.bool))
    loss = rigidity_loss(points, graph)
    loss.backward()
    assert loss.item() == 0
    assert (points.grad == 0).all()


def test_wrong_input_is_named():
    with pytest.raises(PointVidError, match=r"points are \[4, 3\], expected \[T, N, 3\]"):
        recon_terms(torch.zeros(4, 3), torch.zeros(4, 3))
    with pytest.raises(PointVidError, match=r"target is \[2, 5, 3\]"):
        recon_terms(torch.zeros(2, 4, 3), torch.zeros(2, 5, 3))
    with pytest.raises(PointVidError, match=r"mask is \[3\], points are 1 clips of 4"):
        recon_terms(torch.zeros(2, 4, 3), torch.zeros(2, 4, 3), torch.ones(3, dtype=torch.bool))
    with pytest.raises(PointVidError, match="norm is 'l3'"):
        recon_terms(torch.zeros(2, 4, 3), torch.zeros(2, 4, 3), norm="l3")
    with pytest.raises(PointVidError, match=r"mask is \[4\], reference frame is \[5\]"):
        rigidity_graph(rand(5, 3), torch.ones(4, dtype=torch.bool))
    with pytest.raises(PointVidError, match="not finite"):
        rigidity_graph(torch.full((5, 3), float("nan")))
    with pytest.raises(PointVidError, match="points are 6 a frame, the rigidity graph was made for 5"):
        rigidity_loss(rand(2, 6, 3), rigidity_graph(rand(5, 3)))
