"""Clip -> sample, against the exact truth; and every gate with a clip made to trip it."""

import math
import pickle
from dataclasses import replace

import pytest
import torch
from PIL import Image

from pointvid import depth
from pointvid.errors import PointVidError
from pointvid.files.sample import decode_sample, encode_sample
from pointvid.files.video import write_video
from pointvid.preprocess import (
    ClipSettings,
    ClipSource,
    Footage,
    Gates,
    Preprocessor,
    PreprocessSettings,
    Rejected,
    TrackSettings,
    read_footage,
)
from pointvid.segmenters.base import Objects
from pointvid.tracks import PointTracks
from tests.moving_clips import FPS, FRAMES, SIZE, STEP, Oracle, box_clip, box_mask, box_points, texture

SETTINGS = PreprocessSettings(ClipSettings(SIZE, FRAMES, FPS), TrackSettings(grid=24, extra=100))


def footage(frames=None, **changes):
    return Footage(box_clip() if frames is None else frames, FPS, "a box moves to the right", **changes)


class Boxes:
    """Finds the box whatever it is called, or what else it is told to."""

    def __init__(self, masks=None):
        self.masks = box_mask()[None] if masks is None else masks
        self.asked = []

    def segment(self, image, labels, progress=None):
        assert image.shape == (*SIZE, 3)
        self.asked.append(list(labels))
        if "unicorn" in labels:
            raise PointVidError("none of unicorn is found in the frame")
        if "crowd" in labels:
            raise PointVidError("out of memory decoding masks") from torch.cuda.OutOfMemoryError("out of memory")
        count = len(self.masks)
        return Objects([labels[0]] * count, torch.linspace(0.9, 0.5, count), torch.zeros(count, 4), self.masks)


class Depth:
    """The same depth everywhere, as a model that flickers by `flicker` would give it."""

    unit = "metric"
    chunk = 8

    def __init__(self, depth=2.5, flicker=0.0, fails=()):
        self.depth, self.flicker, self.fails, self.chunks = depth, flicker, list(fails), []

    def estimate(self, video, progress=None, camera=None):
        self.chunks.append(self.chunk)
        if self.fails:
            self.fails.pop()()
        sign = torch.tensor([(-1.0) ** t for t in range(video.shape[0])])
        maps = self.depth * torch.exp(self.flicker * sign)[:, None, None].expand(video.shape[:3])
        return depth.Depth(maps, self.unit)


class Words:
    """Labels as a caption's words, but none for "?"."""

    def labels(self, caption):
        if "?" in caption:
            raise PointVidError(f"caption {caption!r} names no object")
        return [word for word in caption.split() if word in ("box", "unicorn")]


def gates_tripped(work):
    with pytest.raises(Rejected) as caught:
        work()
    for reason in caught.value.reasons:
        assert reason.message
        assert "\n" not in reason.message
    return {reason.gate for reason in caught.value.reasons}


# From a clip to a sample


def test_without_any_model_the_moving_box_is_found_and_followed():
    sample = Preprocessor(SETTINGS)(footage())
    found, truth = sample.point_map.mask, box_mask()
    assert (found & truth).sum() / (found | truth).sum() > 0.5
    both = found & truth
    error = (sample.point_map.points - box_points())[:, both][..., :2].norm(dim=-1)
    assert error.median() < 0.1
    assert (sample.point_map.points[:, both][..., 2] - 1).abs().max() < 1e-6
    assert sample.point_map.depth_unit == "relative"
    assert sample.provenance["found_by"] == "motion"
    assert sample.point_map.objects[30, 30] == 1


def test_labels_masks_and_depth_come_from_the_models():
    segmenter = Boxes()
    make = Preprocessor(SETTINGS, Oracle(), Words(), segmenter, Depth(2.5), about={"tracker": {"name": "oracle"}})
    sample = make(footage())
    assert segmenter.asked == [["box"]]
    assert torch.equal(sample.point_map.mask, box_mask())
    # The smoother's pull on uniform motion and the fill's on a rigid box are nil.
    assert (sample.point_map.points - box_points(depth=2.5)).abs().max() < 1e-4
    assert sample.point_map.depth_unit == "metric"
    assert sample.labels == ("box",)
    assert sample.caption == "a box moves to the right"
    facts = sample.provenance
    assert facts["objects"] == [["box", 0.9]]
    assert facts["tracker"] == {"name": "oracle"}
    share = 36 * 40 / (64 * 96)
    figures = {"motion": STEP * (FRAMES - 1), "foreground": share, "objects": 1, "visible": 1, "filled": 1, "jitter": 0}
    assert {name: facts["quality"][name] for name in figures} == pytest.approx(figures, abs=1e-4)
    again = decode_sample(encode_sample(sample))
    assert again.provenance == facts
    assert (again.point_map.points - sample.point_map.points).abs().max() < 0.01


def test_two_objects_keep_their_numbers():
    left, right = box_mask(), box_mask()
    left[:, 28:], right[:, :28] = False, False
    sample = Preprocessor(SETTINGS, Oracle(), segmenter=Boxes(torch.stack((left, right))))(footage(labels=("box",)))
    assert torch.equal(sample.point_map.objects, (left * 1 + right * 2).to(torch.int32))


def test_a_given_mask_and_depth_plug_in_instead():
    segmenter, model = Boxes(), Depth()
    clip = footage(mask=box_mask(), depth=depth.Depth(torch.full((FRAMES, *SIZE), 4.0), "metric"))
    sample = Preprocessor(SETTINGS, Oracle(), segmenter=segmenter, depth_model=model)(clip)
    assert segmenter.asked == []
    assert model.chunks == []
    assert sample.provenance["found_by"] == "mask"
    assert (sample.point_map.points[:, box_mask()][..., 2] - 4).abs().max() < 1e-4


def test_a_sample_is_a_function_of_its_clip():
    small = replace(SETTINGS, tracks=TrackSettings(grid=12, extra=10))
    one, two = (encode_sample(Preprocessor(small)(footage(mask=box_mask()))) for _ in range(2))
    assert one == two


# Trimming


@pytest.fixture(scope="module")
def long_video(tmp_path_factory):
    """40 frames at 16 fps, twice the size: frame t is grey level 4 t + 20 at the left, a texture at the right."""
    path = tmp_path_factory.mktemp("video") / "long.mp4"
    frames = texture(1, (128, 192), 0, 255).repeat(40, 1, 1, 1)
    frames[:, :, :96] = (torch.arange(40) * 4 + 20).to(torch.uint8)[:, None, None, None]
    write_video(path, frames, 16, crf=4, pix_fmt="yuv444p")
    return path


@pytest.mark.parametrize(
    ("start", "end", "take", "first"),
    [
        # 8 frames at 8 of 16 fps span 15 frames of the file.
        (0, None, "first", 0),
        (0, None, "middle", (40 - 15) // 2),
        (0.5, None, "first", 8),
        (0.5, 2.0, "middle", 8 + (24 - 15) // 2),
        (0.5, 0.5 + 15 / 16, "middle", 8),
    ],
)
def test_trimming_takes_the_right_frames(long_video, start, end, take, first):
    source = ClipSource(str(long_video), "x", start, end)
    clip = read_footage(source, ClipSettings(SIZE, 8, 8.0, take))
    assert clip.frames.shape == (8, *SIZE, 3)
    assert clip.fps == 8
    expected = torch.arange(first, first + 15, 2) * 4 + 20
    assert (clip.frames[:, :, :40].float().mean((1, 2, 3)) - expected).abs().max() < 1.5
    assert clip.provenance["first_frame"] == first
    assert clip.provenance["every"] == 2


def test_a_mask_file_pins_the_start_and_is_cut_like_the_clip(long_video, tmp_path):
    big = torch.zeros(128, 192, dtype=torch.uint8)
    big[20:60, 30:80] = 255
    Image.fromarray(big.numpy()).save(tmp_path / "mask.png")
    source = ClipSource(str(long_video), "x", 0.25, mask=str(tmp_path / "mask.png"))
    clip = read_footage(source, ClipSettings(SIZE, 8, 8.0, "middle"))
    assert clip.provenance["first_frame"] == 4
    assert torch.equal(clip.mask, big[::2, ::2] > 0)


def test_depth_files_are_thinned_out_with_the_frames(long_video, tmp_path):
    import numpy as np

    depth = np.broadcast_to(np.arange(1, 41, dtype=np.float32)[:, None, None], (40, 128, 192))
    np.savez(tmp_path / "depth.npz", depth=depth, intrinsics=np.array([200.0, 200.0, 96.0, 64.0]))
    source = ClipSource(str(long_video), "x", depth=str(tmp_path / "depth.npz"))
    clip = read_footage(source, ClipSettings(SIZE, 8, 8.0, "middle"))
    assert clip.depth.maps[:, 0, 0].tolist() == [13, 15, 17, 19, 21, 23, 25, 27]
    assert clip.depth.camera.fx == 100


def test_a_video_inside_a_tar(long_video, tmp_path):
    data = long_video.read_bytes()
    (tmp_path / "many.tar").write_bytes(b"x" * 77 + data + b"y" * 50)
    settings = ClipSettings(SIZE, 8, 8.0)
    inside = read_footage(ClipSource(str(tmp_path / "many.tar"), member=(77, len(data))), settings)
    assert torch.equal(inside.frames, read_footage(ClipSource(str(long_video)), settings).frames)


@pytest.mark.parametrize(
    ("changes", "settings", "gate"),
    [
        ({"start": 1.8}, {}, "short"),
        ({"end": 0.5}, {}, "short"),
        ({"start": 99}, {}, "short"),
        ({}, {"size": (256, 448)}, "small"),
        ({"video": "absent.mp4"}, {}, "unreadable"),
        ({"mask": "absent.png"}, {}, "unreadable"),
        ({"depth": "absent.npz"}, {}, "unreadable"),
        ({"member": (0, 100)}, {}, "unreadable"),
    ],
)
def test_files_that_cannot_be_used(long_video, changes, settings, gate):
    source = replace(ClipSource(str(long_video), "x"), **changes)
    assert gates_tripped(lambda: read_footage(source, replace(ClipSettings(SIZE, 8, 8.0), **settings))) == {gate}


def test_damaged_videos_are_rejected(long_video, tmp_path):
    whole = long_video.read_bytes()
    for name, data in (("half", whole[: len(whole) // 2]), ("text", b"no video at all" * 50), ("empty", b"")):
        (tmp_path / name).write_bytes(data)
        source = ClipSource(str(tmp_path / name))
        assert gates_tripped(lambda source=source: read_footage(source, ClipSettings(SIZE, 8))) == {"unreadable"}


# Gates, each with a clip made to trip it


def black():
    return torch.zeros(FRAMES, *SIZE, 3, dtype=torch.uint8)


def one_white_frame():
    frames = box_clip()
    frames[0] = 255
    return frames


def two_shots():
    frames = box_clip()
    frames[5:] = box_clip(seed=7)[5:]
    return frames


def frozen():
    return box_clip()[:1].repeat(FRAMES, 1, 1, 1)


@pytest.mark.parametrize(
    ("frames", "gate"), [(black, "blank"), (one_white_frame, "blank"), (two_shots, "cut"), (frozen, "still")]
)
def test_frames_that_no_model_needs_to_see(frames, gate):
    tripped = gates_tripped(lambda: Preprocessor(SETTINGS).read(footage(frames())))
    assert gate in tripped


def test_a_cut_is_told_from_a_flash_and_a_pan():
    flash = box_clip()
    flash[4] = flash[4] // 3
    wide = texture(5, (SIZE[0], SIZE[1] + 8 * FRAMES), 0, 255)
    pan = torch.stack([wide[:, 8 * t : 8 * t + SIZE[1]] for t in range(FRAMES)])
    for frames in (flash, pan):
        Preprocessor(SETTINGS).read(footage(frames))


def hide(share, frames):
    def damage(tracks: PointTracks):
        visible = tracks.visible.clone()
        visible[frames, : math.ceil(share * tracks.num_points)] = False
        return tracks.replace(visible=visible)

    return damage


def shake(sigma, channel):
    def damage(tracks: PointTracks):
        noise = torch.randn(tracks.uvd.shape[:2], generator=torch.Generator().manual_seed(0)) * sigma
        noise[0] = 0
        uvd = tracks.uvd.clone()
        uvd[..., channel] = uvd[..., channel] * noise.exp() if channel == 2 else uvd[..., channel] + noise
        return tracks.replace(uvd=uvd)

    return damage


def no_move(tracks: PointTracks):
    return tracks.replace(uvd=tracks.uvd[:1].expand_as(tracks.uvd).contiguous())


@pytest.mark.parametrize(
    ("damage", "gate", "figure"),
    [
        (hide(0.95, slice(FRAMES - 1, None)), "track_loss", "survival"),
        (hide(0.9, slice(1, FRAMES - 1)), "track_loss", "visible"),
        (shake(8.0, 0), "jitter", "jitter"),
        (shake(0.3, 2), "depth_jitter", "depth_jitter"),
        (no_move, "no_motion", "motion"),
    ],
)
def test_tracks_that_are_not_good_enough(damage, gate, figure):
    with pytest.raises(Rejected) as caught:
        Preprocessor(SETTINGS, Oracle(damage))(
            footage(mask=box_mask(), depth=depth.Depth(torch.ones(FRAMES, *SIZE), "metric"))
        )
    (reason,) = caught.value.reasons
    assert reason.gate == gate
    assert reason.found == caught.value.figures[figure]
    assert f"{reason.limit:g}" in reason.message


def test_too_few_tracks():
    sparse = replace(SETTINGS, tracks=TrackSettings(grid=8, extra=0))
    with pytest.raises(Rejected) as caught:
        Preprocessor(sparse, Oracle())(footage(mask=box_mask()))
    # The cells are 12 x 8 pixels, so the box holds the centres of three columns and five rows, or thereabouts.
    assert caught.value.reasons[0].gate == "few_tracks"
    assert 10 <= caught.value.figures["tracks"] <= 20


def test_objects_without_tracks_leave_the_foreground_unfilled():
    lost = torch.zeros(*SIZE, dtype=torch.bool)
    lost[:, 60:] = True
    both = torch.stack((box_mask(), lost))
    settings = replace(SETTINGS, tracks=TrackSettings(grid=1, extra=0), gates=Gates(min_tracks=None, max_still=None))
    # One query, in the middle of the frame, which is on the box; the other object has 36 * 64 pixels.
    with pytest.raises(Rejected) as caught:
        Preprocessor(settings, Oracle(), segmenter=Boxes(both))(footage(labels=("box",)))
    (reason,) = caught.value.reasons
    assert reason.gate == "unfilled"
    assert reason.found == pytest.approx(1440 / (1440 + 36 * 64), abs=1e-3)


def test_gates_are_settings():
    off = Gates(**dict.fromkeys(Gates.__dataclass_fields__))
    sample = Preprocessor(replace(SETTINGS, gates=off), Oracle(shake(8.0, 0)))(footage(mask=box_mask()))
    assert sample.provenance["quality"]["jitter"] > 8
    strict = replace(SETTINGS, gates=Gates(min_tracks=1e6))
    assert gates_tripped(lambda: Preprocessor(strict, Oracle())(footage(mask=box_mask()))) == {"few_tracks"}


def one_pixel():
    mask = torch.zeros(1, *SIZE, dtype=torch.bool)
    mask[0, 5, 5] = True
    return mask


def five_hundred():
    masks = torch.zeros(500, *SIZE, dtype=torch.bool)
    for n in range(500):
        masks[n, (n // 46) * 4, (n % 46) * 2] = True
    return masks


@pytest.mark.parametrize(
    ("masks", "gates"),
    [
        (one_pixel, {"small_foreground"}),
        (five_hundred, {"many_objects"}),
        (lambda: torch.ones(1, *SIZE, dtype=torch.bool), {"large_foreground"}),
        (lambda: torch.zeros(1, *SIZE, dtype=torch.bool), {"nothing_found"}),
    ],
)
def test_masks_that_cannot_be_used(masks, gates):
    make = Preprocessor(SETTINGS, Oracle(), segmenter=Boxes(masks()))
    assert gates_tripped(lambda: make(footage(labels=("box",)))) == gates


def test_nothing_is_found():
    make = Preprocessor(SETTINGS, Oracle(), segmenter=Boxes())
    assert gates_tripped(lambda: make(footage(labels=("unicorn",)))) == {"nothing_found"}
    assert gates_tripped(lambda: make(footage(labels=("crowd",)))) == {"memory"}
    without = Preprocessor(SETTINGS, Oracle(no_move))
    assert gates_tripped(lambda: without(footage())) == {"nothing_found"}


def test_captions_and_labels_that_are_missing():
    silent = Footage(box_clip(), FPS)
    assert gates_tripped(lambda: Preprocessor(SETTINGS).read(silent)) == {"no_caption"}
    assert Preprocessor(replace(SETTINGS, need_caption=False)).read(silent).labels == ()
    puzzling = replace(footage(), caption="what?")
    with pytest.raises(Rejected, match=r"'what\?' names no object") as caught:
        Preprocessor(SETTINGS, Oracle(), Words(), Boxes())(puzzling)
    assert caught.value.reasons[0].gate == "no_labels"
    assert gates_tripped(lambda: Preprocessor(SETTINGS, segmenter=Boxes())(footage())) == {"no_labels"}
    # Where labels only decorate, their absence is no reason.
    assert Preprocessor(SETTINGS, Oracle(), Words())(replace(puzzling, mask=box_mask())).labels == ()


# Memory


def no_gpu_memory():
    raise torch.OutOfMemoryError("none left")


def no_cpu_memory():
    torch.empty(1 << 60, dtype=torch.uint8)


@pytest.mark.parametrize("fails", [no_gpu_memory, no_cpu_memory])
def test_memory_runs_out_once_then_for_good(fails):
    depth = Depth(fails=[fails])
    sample = Preprocessor(SETTINGS, Oracle(), depth_model=depth)(footage())
    assert depth.chunks == [8, 2]
    assert sample.point_map.depth_unit == "metric"
    with pytest.raises(Rejected, match="out of memory, also with smaller chunks: choose a smaller") as caught:
        Preprocessor(SETTINGS, Oracle(), depth_model=Depth(fails=[fails, fails]))(footage())
    assert caught.value.reasons[0].gate == "memory"


def test_rejections_travel_between_processes():
    with pytest.raises(Rejected) as caught:
        Preprocessor(SETTINGS).read(footage(black()))
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.reasons == caught.value.reasons
    assert again.figures == caught.value.figures
    assert str(again) == str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClipSettings(frames=1), "clip.frames is 1"),
        (lambda: ClipSettings(size=(8, 8)), r"clip.size is \[8, 8\]"),
        (lambda: ClipSettings(take="last"), "clip.take is 'last'"),
        (lambda: ClipSettings(fps=0), "clip.fps is 0"),
        (lambda: TrackSettings(interpolation="x"), "tracks.interpolation is 'x'"),
        (lambda: TrackSettings(k=0), "k 0"),
        (lambda: Gates(min_tracks=-1), "gates.min_tracks is -1"),
    ],
)
def test_settings_are_checked(make, message):
    with pytest.raises(PointVidError, match=message):
        make()
