import pytest
import torch
import torch.nn.functional as F

from pointvid.depth import Depth
from pointvid.errors import PointVidError
from pointvid.trackers.alignment import align, make_templates
from pointvid.trackers.consensus import Consensus
from pointvid.trackers.lucas_kanade import LucasKanade
from pointvid.trackers.patches import square, with_gradient
from pointvid.trackers.pipeline import track_points
from pointvid.trackers.queries import grid_queries
from pointvid.trackers.registry import create_tracker

SIZE = (96, 128)


def texture(height, width, seed=0):
    """A smooth random RGB image, float [3, H, W] in 0..255, with detail at several scales."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.zeros(1, 3, height, width)
    for cell in (4, 8, 16, 32):
        noise = torch.randn(1, 3, height // cell + 2, width // cell + 2, generator=generator)
        image += F.interpolate(noise, (height, width), mode="bicubic", align_corners=True)
    return (128 + 35 * image[0]).clamp(0, 255)


def warped_clip(matrices, size=SIZE, seed=0):
    """Frames in which the point q of frame 0 is at A q + b exactly; matrices: list of (A [2, 2], b [2])."""
    height, width = size
    margin = 64
    world = texture(height + 2 * margin, width + 2 * margin, seed)
    v, u = torch.meshgrid(torch.arange(height).double(), torch.arange(width).double(), indexing="ij")
    frames = []
    for a, b in matrices:
        source = (torch.stack((u, v), -1) - b) @ torch.linalg.inv(a).mT + margin
        scale = torch.tensor((world.shape[2] - 1, world.shape[1] - 1)) / 2
        frame = F.grid_sample(world[None], (source / scale - 1).float()[None], align_corners=True)[0]
        frames.append(frame.movedim(0, -1).round().clamp(0, 255).to(torch.uint8))
    return torch.stack(frames)


def turning(frames, degrees, zoom=1.0, shift=(0.0, 0.0), size=SIZE):
    """Rotation and zoom about the centre of the image, and translation, all steady."""
    centre = torch.tensor((size[1] / 2, size[0] / 2), dtype=torch.float64)
    out = []
    for t in range(frames):
        angle = torch.deg2rad(torch.tensor(degrees * t, dtype=torch.float64))
        c, s = angle.cos(), angle.sin()
        a = torch.stack((torch.stack((c, -s)), torch.stack((s, c)))) * zoom**t
        out.append((a, centre - a @ centre + t * torch.tensor(shift, dtype=torch.float64)))
    return out


def errors(tracks, matrices):
    """Distance to the truth [T, N], and whether that lies 8 pixels or more inside the image."""
    q = tracks.queries.double()
    truth = torch.stack([q @ a.mT + b for a, b in matrices])
    height, width = tracks.image_size
    u, v = truth.unbind(-1)
    inside = (u > 8) & (u < width - 9) & (v > 8) & (v < height - 9)
    return (tracks.uvd[..., :2] - truth).norm(dim=-1), inside


def test_align_finds_a_subpixel_shift():
    motion = [(torch.eye(2).double(), torch.tensor((x, y)).double()) for x, y in ((0, 0), (0.7, -0.4))]
    old, new = (frame.movedim(-1, 0).float()[None] / 255 for frame in warped_clip(motion))
    centre = torch.tensor([[40.0, 40.0], [80.0, 50.0], [64.0, 30.0]])
    uv, correlation = align(new, make_templates(with_gradient(old), centre, *square(7, "cpu")), centre, steps=10)
    assert (uv - centre - torch.tensor((0.7, -0.4))).norm(dim=-1).max() < 0.05
    assert correlation.min() > 0.995


def test_align_ignores_gain_and_bias():
    frame = warped_clip([(torch.eye(2).double(), torch.zeros(2).double())])[0].movedim(-1, 0).float()[None] / 255
    centre = torch.tensor([[40.3, 40.8]])
    templates = make_templates(with_gradient(frame), centre, *square(7, "cpu"))
    uv, correlation = align(
        0.4 * frame + torch.tensor((0.1, 0.2, 0.3)).view(1, 3, 1, 1), templates, centre + 0.8, steps=10
    )
    assert (uv - centre).norm() < 0.01
    assert correlation > 0.999


def test_align_through_a_warp_recovers_an_affine_motion():
    a = torch.tensor([[0.8, -0.5], [0.4, 1.1]], dtype=torch.float64)
    centre = torch.tensor([[64.0, 48.0]])
    b = centre[0].double() - a @ centre[0].double() + torch.tensor((1.0, -1.3))
    old, new = (frame.movedim(-1, 0).float()[None] / 255 for frame in warped_clip([turning(1, 0)[0], (a, b)]))
    templates = make_templates(with_gradient(old), centre, *square(7, "cpu"))
    uv, _ = align(new, templates, centre, a.float()[None], steps=15)
    assert (uv - centre - torch.tensor((1.0, -1.3))).norm() < 0.1


def test_consensus_recovers_an_exact_affine_motion_and_names_the_outlier():
    queries = grid_queries((40, 40), 10)
    a = torch.tensor([[0.9, -0.3], [0.2, 1.2]])
    moved = queries @ a.mT + torch.tensor((5.0, -3.0))
    wrong = moved.clone()
    wrong[44] += torch.tensor((30.0, 10.0))
    consensus = Consensus(queries, len(queries), 12)
    where, warp, _ = consensus.fit(
        wrong, torch.ones(100), torch.eye(2).expand(100, 2, 2), tolerance=(8.0, 4.0, 2.0, 1.0, 0.1)
    )
    assert (where - moved).norm(dim=-1).max() < 0.3  # drawn a little to the identity by the prior
    assert (warp - a).abs().max() < 0.05


@pytest.mark.parametrize(
    ("degrees", "zoom", "shift"),
    [(0, 1.0, (2.3, -1.6)), (6, 1.0, (0.5, 0.5)), (0, 1.03, (0.0, 0.0)), (0, 1.0, (9.0, 4.0))],
)
def test_follows_a_plane_without_drift(degrees, zoom, shift):
    matrices = turning(6, degrees, zoom, shift)
    tracks = track_points(warped_clip(matrices), grid_queries(SIZE, 10), tracker=LucasKanade())
    error, inside = errors(tracks, matrices)
    assert inside[-1].sum() >= 20
    assert error[inside].median() < 0.1
    assert error[-1][inside[-1]].quantile(0.9) < 0.2
    assert tracks.visible[inside].float().mean() > 0.95


def test_queries_come_back_exactly():
    queries = torch.rand(17, 2) * torch.tensor((127.0, 95.0))
    tracks = track_points(warped_clip(turning(3, 2)), queries, tracker=LucasKanade())
    assert torch.equal(tracks.queries, queries)
    assert tracks.visible[0].all()
    assert tracks.uvd[..., 2].eq(1).all()
    assert tracks.depth_unit == "relative"


def test_what_is_covered_and_what_leaves_is_invisible():
    matrices = turning(8, 0, shift=(4.0, 0.0))
    video = warped_clip(matrices)
    video[3:6, 30:70, 30:70] = warped_clip(turning(1, 0), seed=5)[0, 30:70, 30:70]
    tracks = track_points(video, grid_queries(SIZE, 16), tracker=LucasKanade())
    u, v = tracks.queries.unbind(-1)
    covered = (u + 16 > 38) & (u + 16 < 62) & (v > 38) & (v < 62)  # in frame 4, well within
    assert covered.sum() >= 6
    assert not tracks.visible[4, covered].any()
    assert tracks.visible[7, covered].all()
    error, _ = errors(tracks, matrices)
    assert error[7, covered].max() < 0.5
    assert not tracks.visible[7, u + 28 > 129].any()


def test_same_result_twice_and_in_any_chunks():
    video, queries = warped_clip(turning(4, 3)), grid_queries(SIZE, 12)
    one = track_points(video, queries, tracker=LucasKanade())
    two = track_points(video, queries, tracker=LucasKanade())
    three = track_points(video, queries, tracker=LucasKanade(chunk=37))
    assert torch.equal(one.uvd, two.uvd)
    assert (one.uvd - three.uvd).abs().max() < 1e-3
    assert torch.equal(one.visible, three.visible)


def test_frames_are_asked_for_in_order():
    class Stream:
        def __init__(self, video):
            self.video, self.shape, self.asked = video, video.shape, []

        def __getitem__(self, t):
            self.asked.append(t)
            return self.video[t]

    stream = Stream(warped_clip(turning(4, 1)))
    track_points(stream, grid_queries(SIZE, 4), tracker=LucasKanade())
    assert stream.asked == [0, 0, 1, 2, 3]


def test_progress_may_cancel():
    def cancel(done, total, what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        track_points(warped_clip(turning(3, 0)), grid_queries(SIZE, 4), progress=cancel)


def test_bad_input_is_named():
    video, queries = warped_clip(turning(2, 0)), grid_queries(SIZE, 4)
    with pytest.raises(PointVidError, match=r"depth is 48x64, clip is 96x128"):
        track_points(video, queries, depth=Depth(torch.ones(2, 48, 64)))
    with pytest.raises(PointVidError, match="off the 96x128 clip"):
        track_points(video, torch.tensor([[500.0, 3.0]]), tracker=LucasKanade())
    with pytest.raises(PointVidError, match="queries is empty"):
        track_points(video, queries[:0], tracker=LucasKanade())
    with pytest.raises(PointVidError, match="tracker is 'tapir'"):
        create_tracker("tapir")


def test_a_track_does_not_depend_on_what_else_is_asked_for():
    video, few = warped_clip(turning(5, 4, shift=(2.0, 1.0))), grid_queries(SIZE, 6)
    many = torch.cat((few, grid_queries(SIZE, 24) + 0.25))
    alone, among = (LucasKanade().track(video, queries) for queries in (few, many))
    assert (alone.uv - among.uv[:, : len(few)]).norm(dim=-1).max() < 0.05
    assert torch.equal(alone.visible, among.visible[:, : len(few)])


def test_what_was_hidden_for_long_is_found_again():
    matrices = turning(16, 0, shift=(3.0, 0.0))
    video = warped_clip(matrices)
    pillar = warped_clip(turning(1, 0), seed=5)[0, :, 50:74]
    video[1:, :, 50:74] = pillar  # appears over what is there, and stays
    queries = grid_queries(SIZE, 16)
    tracks = track_points(video, queries)
    u = queries[:, 0]
    passed = (u > 34) & (u < 46) & (queries[:, 1] > 12) & (queries[:, 1] < 84)  # behind it in frames 5 to 10, then out
    assert passed.sum() >= 10
    hidden = (u + 24 > 56) & (u + 24 < 70) & passed
    assert tracks.visible[8, hidden].float().mean() < 0.2
    error, _ = errors(tracks, matrices)
    assert (error[15, passed] < 2).float().mean() > 0.8
