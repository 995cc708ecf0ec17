import numpy as np
import pytest
import torch
from scipy.interpolate import make_smoothing_spline

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.points.smoothing import kalman, smooth_tracks
from pointvid.tracks import PointTracks

RNG = np.random.default_rng(7)


def series(frames=16, points=5):
    t = np.arange(frames)[:, None, None]
    curve = np.sin(t / 4 + np.arange(points)[:, None]) * 20 + 100
    return torch.from_numpy(curve + RNG.normal(size=(frames, points, 2)))


def textbook_filter(y, r, q, prior=1e9):
    """Kalman filter of one series, matrices and all, with a large prior covariance."""
    f, h = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    noise = q * np.array([[1 / 3, 1 / 2], [1 / 2, 1.0]])
    x, p = np.zeros((2, 1)), np.eye(2) * prior
    found = []
    for t, measured in enumerate(y):
        if t:
            x, p = f @ x, f @ p @ f.T + noise
        gain = p @ h.T / (h @ p @ h.T + r[t])
        x = x + gain * (measured - h @ x)
        joseph = np.eye(2) - gain @ h
        p = joseph @ p @ joseph.T + gain * r[t] @ gain.T
        found.append(x[0, 0])
    return np.array(found)


def spline(x, y, **options):
    """scipy's smoothing spline of each column at x; older ones take one column at a time."""
    columns = y.reshape(len(y), -1).T
    return np.stack([make_smoothing_spline(x, column, **options)(x) for column in columns], -1).reshape(y.shape)


@pytest.mark.parametrize("tau", [0.5, 1.25, 4.0])
@pytest.mark.parametrize("frames", [5, 16, 90])
def test_smoother_is_the_cubic_smoothing_spline(frames, tau):
    y = series(frames)
    found = kalman(y, torch.ones(frames, 1, dtype=torch.float64), tau**-4)
    x = np.arange(frames, dtype=float)
    expected = spline(x, y.numpy(), lam=tau**4)
    assert np.abs(found.numpy() - expected).max() < 1e-8


def test_smoother_with_unequal_noise_is_the_weighted_spline():
    y = series(12)
    r = torch.from_numpy(RNG.uniform(0.1, 50, size=(12, 5)))
    found = kalman(y, r, 0.3)
    x = np.arange(12.0)
    for n in range(5):
        expected = spline(x, y[:, n].numpy(), w=1 / r[:, n].numpy(), lam=1 / 0.3)
        assert np.abs(found[:, n].numpy() - expected).max() < 1e-8


def test_filter_is_the_textbook_filter():
    y = series(16, 3)
    r = torch.from_numpy(RNG.uniform(0.5, 20, size=(16, 3)))
    found = kalman(y, r, 0.4, "filter")
    for n in range(3):
        for c in range(2):
            # The textbook's prior is large, not infinite, hence the tolerance.
            assert np.allclose(found[:, n, c], textbook_filter(y[:, n, c].numpy(), r[:, n].numpy(), 0.4), atol=1e-4)


def test_shared_and_single_covariances_agree():
    y = series(20, 4)
    shared = kalman(y, torch.full((20, 1), 2.0, dtype=torch.float64), 0.5)
    single = kalman(y, torch.full((20, 4), 2.0, dtype=torch.float64), 0.5)
    assert torch.allclose(shared, single, atol=1e-12)


def tracks(uvd, visible=None, **fields):
    uvd = torch.as_tensor(uvd, dtype=torch.float32)
    visible = torch.ones(uvd.shape[:2], dtype=torch.bool) if visible is None else visible
    return PointTracks(uvd, visible, (256, 448), Camera.default((256, 448)), **fields)


def noisy_tracks(frames=16, points=200, sigma=0.7):
    t = torch.arange(frames, dtype=torch.float64)[:, None]
    start = torch.from_numpy(RNG.uniform(50, 300, size=(points, 2)))
    speed = torch.from_numpy(RNG.normal(size=(points, 2)) * 3)
    truth = torch.stack((start[:, 0] + speed[:, 0] * t, start[:, 1] + speed[:, 1] * t + 0.1 * t**2), -1)
    depth = 3 * torch.exp(0.02 * t + torch.zeros(points))
    truth = torch.cat((truth, depth[..., None]), -1)
    noise = torch.from_numpy(RNG.normal(size=truth.shape)) * sigma
    noise[..., 2] = 0.05 * noise[..., 2] * truth[..., 2]
    noise[0, :, :2] = 0
    return truth.float(), (truth + noise).float()


def rms(difference):
    return difference.square().mean().sqrt().item()


def test_noise_goes_and_queries_stay():
    truth, noisy = noisy_tracks()
    found = {mode: smooth_tracks(tracks(noisy), mode, tau=1.25, tau_depth=2.0).uvd for mode in ("smoother", "filter")}
    raw = rms(noisy[..., :2] - truth[..., :2])
    assert rms(found["smoother"][..., :2] - truth[..., :2]) < 0.6 * raw
    assert rms(found["smoother"][..., :2] - truth[..., :2]) < rms(found["filter"][..., :2] - truth[..., :2]) < raw
    assert rms(found["smoother"][..., 2].log() - truth[..., 2].log()) < 0.6 * rms(
        noisy[..., 2].log() - truth[..., 2].log()
    )
    for result in found.values():
        assert torch.equal(result[0, :, :2], noisy[0, :, :2])


def test_anchored_smoother_is_the_spline_through_the_query():
    _, noisy = noisy_tracks(points=3)
    found = smooth_tracks(tracks(noisy), tau=1.25).uvd[..., :2]
    weights = np.ones(16)
    weights[0] = 1e9
    x = np.arange(16.0)
    expected = spline(x, noisy[..., :2].double().numpy(), w=weights, lam=1.25**4)
    assert np.abs(found.numpy() - expected).max() < 1e-4  # float32 result


def test_occlusion_is_bridged():
    truth, noisy = noisy_tracks(sigma=0.05)
    visible = torch.ones(16, 200, dtype=torch.bool)
    visible[6:10] = False
    noisy[6:10, :, :2] += 40  # what a tracker makes up behind an occluder
    noisy[6:10, :, 2] = 0
    found = smooth_tracks(tracks(noisy, visible), tau=1.25, tau_depth=2.0, occlusion_inflation=1e6).uvd
    assert (found[6:10, :, :2] - truth[6:10, :, :2]).abs().max() < 0.6
    assert (found[6:10, :, 2] / truth[6:10, :, 2] - 1).abs().max() < 0.02


def test_hidden_points_do_not_touch_visible_ones():
    _, noisy = noisy_tracks(points=2)
    visible = torch.ones(16, 2, dtype=torch.bool)
    visible[5:, 1] = False
    both, alone = (smooth_tracks(t, tau=1.25).uvd for t in (tracks(noisy, visible), tracks(noisy[:, :1])))
    assert torch.allclose(both[:, :1], alone, atol=1e-4)


def test_always_hidden_track_becomes_its_best_line():
    t = np.arange(16.0)
    noisy = np.stack((100 + 2 * t, 50 - t, np.full(16, 2.0)), -1)[:, None] + RNG.normal(size=(16, 1, 3)) * [1, 1, 0]
    hidden = tracks(noisy, torch.zeros(16, 1, dtype=torch.bool))
    found = smooth_tracks(hidden, tau=1.25, occlusion_inflation=1e6).uvd[:, 0].double().numpy()
    query = noisy[0, 0].astype(np.float32)
    for c in range(2):
        slope = (t * (noisy[:, 0, c] - query[c])).sum() / (t * t).sum()  # least squares through the query
        assert np.abs(found[:, c] - (query[c] + slope * t)).max() < 0.02
    assert np.allclose(found[:, 2], 2, atol=1e-6)


@pytest.mark.parametrize("mode", ["smoother", "filter"])
@pytest.mark.parametrize("frames", [1, 2])
def test_one_and_two_frames_stay(frames, mode):
    _, noisy = noisy_tracks(frames=frames, points=4)
    assert torch.allclose(smooth_tracks(tracks(noisy), mode).uvd, noisy, rtol=1e-6)


def test_flat_depth_stays_flat():
    _, noisy = noisy_tracks()
    noisy[..., 2] = 1.0
    visible = torch.from_numpy(RNG.random((16, 200)) > 0.3)
    assert (smooth_tracks(tracks(noisy, visible)).uvd[..., 2] == 1).all()


def test_unusable_depth():
    _, noisy = noisy_tracks(points=2)
    noisy[:, 0, 2] = 0  # never any depth: left alone
    noisy[3, 1, 2] = float("nan")
    found = smooth_tracks(tracks(noisy)).uvd
    assert (found[:, 0, 2] == 0).all()
    assert torch.isfinite(found).all()


def test_no_tracks_and_zero_tau():
    assert smooth_tracks(tracks(torch.zeros(16, 0, 3))).num_points == 0
    _, noisy = noisy_tracks(points=3)
    assert torch.equal(smooth_tracks(tracks(noisy), tau=0, tau_depth=0).uvd, noisy)


def test_wrong_settings_are_named():
    _, noisy = noisy_tracks(points=3)
    with pytest.raises(PointVidError, match="mode is 'median', expected one of"):
        smooth_tracks(tracks(noisy), "median")
    with pytest.raises(PointVidError, match="tau is -1"):
        smooth_tracks(tracks(noisy), tau=-1)
    with pytest.raises(PointVidError, match="inflation is inf"):
        smooth_tracks(tracks(noisy), occlusion_inflation=float("inf"))


def test_by_default_contacts_and_fast_oscillation_survive():
    t = np.arange(24.0)
    stop = np.minimum(8 * t, 56)  # 8 px a frame, then still
    drum = 100 + 10 * np.sin(2 * np.pi * t / 4)
    truth = np.stack((stop, drum, np.full(24, 2.0)), -1)[:, None]
    found = smooth_tracks(tracks(truth)).uvd[:, 0].numpy()
    assert np.abs(found[:, 0] - stop).max() <= 0.3
    assert np.abs(found[:, 1] - drum).max() <= 0.3


def test_what_is_moved_off_screen_is_no_longer_visible():
    t = np.arange(16.0)
    stop = np.stack((np.maximum(56 - 8 * t, 0), np.full(16, 50.0), np.full(16, 2.0)), -1)[:, None]  # at the left border
    found = smooth_tracks(tracks(stop), tau=2.0)
    inside = found.uvd[..., 0] >= -0.5
    assert not inside.all()
    assert torch.equal(found.visible, inside)
    assert smooth_tracks(tracks(stop)).visible.all()
