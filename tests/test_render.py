import pytest
import torch

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.points.spread import spread_out
from pointvid.render import compose_preview, draw_tracks, render_point_cloud, swing
from pointvid.render.colors import depth_colors, position_colors
from pointvid.tracks import PointTracks

SIZE = (40, 60)
GREY = torch.full((4, *SIZE, 3), 100, dtype=torch.uint8)


def moving(points, visible=None, color=None, frames=4):
    """Points given as (u, v, depth), all moving 5 px to the right each frame."""
    start = torch.tensor(points, dtype=torch.float32)
    uvd = start + torch.arange(frames)[:, None, None] * torch.tensor([5.0, 0.0, 0.0])
    visible = torch.ones(uvd.shape[:2], dtype=torch.bool) if visible is None else visible
    return PointTracks(uvd, visible, SIZE, Camera(60.0, 60.0, 29.5, 19.5), color=color)


def changed(picture, background):
    return (picture.int() - background.int()).abs().amax(-1) > 12


def test_dots_lie_on_their_points():
    pictures = draw_tracks(GREY, moving([(10.0, 20.0, 2.0)]), trail=0, dim=0)
    for t in range(4):
        weight = changed(pictures[t], GREY[t]).double()
        v, u = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
        assert (weight * u).sum() / weight.sum() == pytest.approx(10 + 5 * t, abs=0.3)
        assert (weight * v).sum() / weight.sum() == pytest.approx(20, abs=0.3)


def test_trails_show_where_a_point_came_from():
    tracks = moving([(10.0, 20.0, 2.0)])
    trailed = changed(draw_tracks(GREY, tracks, trail=3, dim=0)[3], GREY[3])
    assert trailed[20, 17:24].all()
    assert not changed(draw_tracks(GREY, tracks, trail=0, dim=0)[3], GREY[3])[20, :22].any()


def test_single_frames_are_those_of_the_whole():
    tracks = moving([(10.0, 20.0, 2.0), (15.0, 9.0, 3.0)])
    assert torch.equal(draw_tracks(GREY, tracks, frames=[2])[0], draw_tracks(GREY, tracks)[2])
    assert torch.equal(render_point_cloud(tracks, frames=[2])[0], render_point_cloud(tracks)[2])


def test_hidden_points_are_fainter():
    seen, unseen = moving([(30.0, 20.0, 2.0)]), torch.zeros(4, 1, dtype=torch.bool)
    solid = (draw_tracks(GREY, seen, trail=0, dim=0).int() - 100).abs().sum()
    faint = (draw_tracks(GREY, seen.replace(visible=unseen), trail=0, dim=0).int() - 100).abs().sum()
    assert 0 < faint < 0.6 * solid


def test_video_is_dimmed_and_not_written_to():
    video = GREY.clone()
    pictures = draw_tracks(video, moving([(10.0, 20.0, 2.0)]), dim=0.5)
    assert pictures[0, 0, 0].tolist() == [50, 50, 50]
    assert torch.equal(video, GREY)


def test_overlay_needs_the_clip_of_the_tracks():
    with pytest.raises(PointVidError, match="clip is 3x40x60, tracks are 4x40x60"):
        draw_tracks(GREY[:3], moving([(1.0, 1.0, 1.0)]))
    with pytest.raises(PointVidError, match="coloring is 'pink'"):
        draw_tracks(GREY, moving([(1.0, 1.0, 1.0)]), coloring="pink")


def test_points_that_are_nowhere_are_not_drawn():
    tracks = moving([(float("nan"), 20.0, 2.0)])
    assert torch.equal(draw_tracks(GREY, tracks, dim=0), GREY)
    assert render_point_cloud(tracks, frustum=False).float().std(2).max() == 0


def test_the_clips_own_view_puts_points_in_order():
    color = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255]], dtype=torch.uint8)
    tracks = moving([(15.0, 20.0, 2.0), (45.0, 10.0, 2.0), (45.0, 30.0, 2.0)], color=color, frames=1)
    picture = render_point_cloud(tracks, (90, 120), azimuth=0, elevation=0, frustum=False)[0].float()
    where = {}
    for channel, name in enumerate(("red", "green", "blue")):
        others = picture.sum(-1) - picture[..., channel]
        v, u = (picture[..., channel] > others + 60).nonzero(as_tuple=True)
        where[name] = (u.double().mean().item(), v.double().mean().item())
    assert where["red"][0] < where["green"][0]
    assert where["green"][0] == pytest.approx(where["blue"][0], abs=0.6)
    assert where["green"][1] < where["red"][1] < where["blue"][1]


def test_nearer_points_cover_farther_ones():
    color = torch.tensor([[0, 255, 0], [255, 0, 0]], dtype=torch.uint8)
    for points in ([(29.5, 19.5, 3.0), (29.5, 19.5, 2.0)], [(29.5, 19.5, 2.0), (29.5, 19.5, 3.0)]):
        tracks = moving(points, color=color, frames=1)
        front = int(points[1][2] < points[0][2])
        picture = render_point_cloud(tracks, (60, 60), azimuth=0, elevation=0, frustum=False, point_size=3)[0].float()
        centre = picture[28:32, 28:32].mean((0, 1))
        assert centre[0 if front else 1] > 150
        assert centre[1 if front else 0] < 60


def test_azimuth_turns_towards_the_right():
    # From the right, a far point moves to the right of a near one.
    color = torch.tensor([[255, 0, 0], [0, 255, 0]], dtype=torch.uint8)
    tracks = moving([(29.5, 19.5, 2.0), (29.5, 19.5, 4.0)], color=color, frames=1)
    picture = render_point_cloud(tracks, (60, 90), azimuth=40, elevation=0, frustum=False, point_size=3)[0].float()
    red = (picture[..., 0] > picture[..., 1] + 60).nonzero()[:, 1].double().mean().item()
    green = (picture[..., 1] > picture[..., 0] + 60).nonzero()[:, 1].double().mean().item()
    # Looking from +x, what lies farther along -z appears to the right.
    assert green > red + 5


@pytest.mark.parametrize("count", [0, 1])
def test_few_points_render(count):
    tracks = moving([(10.0, 10.0, 2.0)]).select(torch.arange(count))
    assert render_point_cloud(tracks, (32, 48)).shape == (4, 32, 48, 3)
    assert draw_tracks(GREY, tracks).shape == GREY.shape


def test_swing_loops():
    assert swing(4, 20) == pytest.approx([0, 20, 0, -20])


def test_near_is_light_and_far_is_dark():
    found = depth_colors(torch.tensor([1.0, 4 / 3, 4.0, 9.0]), 1.0, 4.0)
    assert found[0].tolist() == [255, 244, 140]
    assert found[1].tolist() != found[0].tolist()
    assert found[2].tolist() == found[3].tolist() == [40, 60, 120]
    assert torch.equal(depth_colors(torch.ones(2), 1.0, 1.0)[0], depth_colors(torch.ones(2), 1.0, 1.0)[1])


def test_rainbow_tells_left_from_right():
    found = position_colors(moving([(0.0, 0.0, 1.0), (59.0, 0.0, 1.0), (0.0, 39.0, 1.0)]))
    assert found[0].argmax() == 0
    assert found[1, 2] > found[1, 1]
    assert found[2].sum() < found[0].sum()


def test_thinning_keeps_the_spread():
    generator = torch.Generator().manual_seed(0)
    queries = torch.rand(5000, 2, generator=generator) * torch.tensor([59.0, 39.0])
    tracks = moving(torch.cat((queries, torch.ones(5000, 1)), 1).tolist())
    picked = spread_out(tracks, 100)
    assert 60 <= len(picked) <= 100
    gaps = torch.cdist(queries[picked], queries[picked]).fill_diagonal_(99).min(1).values
    cells = {(int(u // 15), int(v // 10)) for u, v in queries[picked].tolist()}
    assert len(cells) == 16
    assert gaps.median() > 2
    assert len(set(picked.tolist())) == len(picked)


def test_preview_holds_its_panels_unchanged():
    red, blue = torch.zeros(20, 30, 3, dtype=torch.uint8), torch.zeros(20, 10, 3, dtype=torch.uint8)
    red[..., 0], blue[..., 2] = 200, 200
    picture = compose_preview([("left", red), ("right", blue)], height=60)
    assert picture.shape[1] == 90 + 30 + 3 * 12
    assert (picture[12:72, 12:102] == torch.tensor([200, 0, 0])).all()
    assert (picture[12:72, 114:144] == torch.tensor([0, 0, 200])).all()
    assert picture[74:, 12:102].amax() > 150
