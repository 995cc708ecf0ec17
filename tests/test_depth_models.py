"""Depth models give what transformers' own post-processing gives, in chunks, with the right unit and camera."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoImageProcessor, AutoModelForDepthEstimation

from pointvid.camera import Camera
from pointvid.depth_models.disparity import depth_from_disparity
from pointvid.depth_models.loading import load_depth_model
from pointvid.errors import PointVidError

from .tiny_depth_models import MAKERS, published_folder, seeded_clip

FRAMES, HEIGHT, WIDTH = 5, 40, 56


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("depth")
    return {name: published_folder(root / name, name) for name in MAKERS}


@pytest.fixture(scope="module")
def clip():
    return seeded_clip(FRAMES, HEIGHT, WIDTH)


def by_transformers(folder, clip, **post):
    """Each frame by itself, as the model's page says: [T, H, W]."""
    processor = AutoImageProcessor.from_pretrained(folder)
    net = AutoModelForDepthEstimation.from_pretrained(folder).eval()
    found = []
    for image in clip.numpy():
        with torch.no_grad():
            outputs = net(**processor(images=image, return_tensors="pt", input_data_format="channels_last"))
        results = processor.post_process_depth_estimation(outputs, **post)
        found.append(results[0]["predicted_depth"])
    return torch.stack(found)


@pytest.mark.parametrize("name", ["depth_anything_metric", "glpn", "depth_pro"])
def test_metric_depth_is_that_of_transformers(folders, clip, name):
    found = load_depth_model(folders[name]).estimate(clip)
    expected = by_transformers(folders[name], clip, target_sizes=[(HEIGHT, WIDTH)])
    assert found.unit == "metric"
    assert found.maps.dtype == torch.float32
    assert torch.allclose(found.maps, expected, rtol=1e-4)
    assert expected.std() > 1e-4 * expected.mean()  # it does depend on the image


def test_zoedepth_averages_each_image_with_its_mirror_image(folders, clip):
    found = load_depth_model(folders["zoedepth"]).estimate(clip)
    size = [(HEIGHT, WIDTH)]
    straight = by_transformers(folders["zoedepth"], clip, source_sizes=size)
    mirrored = by_transformers(folders["zoedepth"], clip.flip(2), source_sizes=size).flip(-1)
    assert torch.allclose(found.maps, (straight + mirrored) / 2, rtol=1e-5)
    assert not torch.allclose(straight, mirrored, rtol=1e-5)
    assert found.unit == "metric"
    assert found.camera is None


def test_relative_models_predict_disparity(folders, clip):
    found = load_depth_model(folders["depth_anything"], near=2.0, far=8.0).estimate(clip)
    disparity = by_transformers(folders["depth_anything"], clip, target_sizes=[(HEIGHT, WIDTH)])
    low, high = np.quantile(disparity.numpy(), [0.01, 0.99])
    share = (disparity - low) / (high - low)
    expected = 1 / (1 / 8 + share * (1 / 2 - 1 / 8)).clamp(min=1 / 16)
    assert found.unit == "relative"
    assert torch.allclose(found.maps, expected, rtol=1e-3)
    inside = (found.maps >= 2) & (found.maps <= 8)
    assert inside.float().mean() == pytest.approx(0.98, abs=0.002)


def test_disparity_by_hand():
    disparity = torch.linspace(0, 100, 101).view(1, 1, 101)
    depth = depth_from_disparity(disparity.clone(), 1.0, 10.0)[0, 0]
    # The hundredths are 1 and 99; half way between, 1/d is half way between 1/10 and 1.
    assert depth[[1, 50, 99]].tolist() == pytest.approx([10, 1 / 0.55, 1])
    assert depth[0] > 10
    assert depth[100] < 1
    shifted = depth_from_disparity(3 * disparity + 7, 1.0, 10.0)
    assert torch.allclose(shifted[0, 0], depth, rtol=1e-5)  # scale and shift are not known, so they do not matter
    flat = depth_from_disparity(torch.full((2, 3, 4), 5.0), 1.0, 9.0)
    assert (flat == 3).all()


def test_chunks_change_nothing_and_progress_counts_frames(folders, clip):
    seen = []
    whole = load_depth_model(folders["glpn"], chunk=8).estimate(clip)
    parts = load_depth_model(folders["glpn"], chunk=2).estimate(clip, lambda *step: seen.append(step))
    assert torch.allclose(parts.maps, whole.maps, rtol=1e-5)
    assert seen == [(2, 5, "estimating depth"), (4, 5, "estimating depth"), (5, 5, "estimating depth")]

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_depth_model(folders["glpn"]).estimate(clip, stop)


class Stream:
    """A clip that gives each frame once, in rising order."""

    def __init__(self, frames):
        self.frames, self.shape, self.next = frames, frames.shape, 0

    def __getitem__(self, t):
        assert t == self.next
        self.next += 1
        return self.frames[t]


def starve(model, most):
    """Have the network run out of memory above `most` images at once."""
    forward = model.net.forward

    def limited(pixel_values):
        if len(pixel_values) > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
        return forward(pixel_values=pixel_values)

    model.net.forward = limited
    return model


def test_out_of_memory_goes_on_with_one_frame_at_a_time(folders, clip):
    found = starve(load_depth_model(folders["glpn"], chunk=3), 1).estimate(Stream(clip))
    assert torch.allclose(found.maps, load_depth_model(folders["glpn"]).estimate(clip).maps, rtol=1e-5)
    message = "out of memory while estimating depth of frames of 40x56, one at a time; use a smaller clip"
    with pytest.raises(PointVidError, match=message) as caught:
        starve(load_depth_model(folders["glpn"]), 0).estimate(clip)
    assert "\n" not in str(caught.value)


def test_other_failures_are_not_taken_for_memory(folders, clip):
    model = load_depth_model(folders["glpn"])

    def broken(pixel_values):
        raise RuntimeError("a bug")

    model.net.forward = broken
    with pytest.raises(RuntimeError, match="a bug"):
        model.estimate(clip)


def test_depth_pro_takes_the_camera_that_is_given(folders, clip):
    model = load_depth_model(folders["depth_pro"])
    free = model.estimate(clip)
    net = AutoModelForDepthEstimation.from_pretrained(folders["depth_pro"]).eval()
    processor = AutoImageProcessor.from_pretrained(folders["depth_pro"])
    inputs = processor(images=list(clip.numpy()), return_tensors="pt", input_data_format="channels_last")
    with torch.no_grad():
        degrees = net(**inputs).field_of_view.median().item()
    focal = WIDTH / 2 / math.tan(math.radians(degrees) / 2)
    assert free.camera.intrinsics == pytest.approx((focal, focal, 27.5, 19.5), rel=1e-3)
    camera = Camera(100.0, 100.0, 27.0, 19.0)
    given = model.estimate(clip, camera=camera)
    assert given.camera == camera
    twice = model.estimate(clip, camera=Camera(200.0, 200.0, 27.0, 19.0))
    assert torch.allclose(twice.maps, 2 * given.maps, rtol=1e-5)  # a longer lens sees further things as large


def test_kind_may_be_told(folders, clip):
    assert load_depth_model(folders["depth_anything"], kind="metric").unit == "metric"
    assert load_depth_model(folders["glpn"], kind="disparity").unit == "relative"
    with pytest.raises(PointVidError, match="kind is 'depth', expected auto, metric or disparity"):
        load_depth_model(folders["glpn"], kind="depth")


def test_bad_folders(folders, tmp_path):
    def copy(name, **config):
        folder = tmp_path / name
        folder.mkdir()
        for file in folders["glpn"].iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8")) | config
        (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
        return folder

    cases = {
        "empty": r"holds no config\.json, expected the folder of a depth model .*`pointvid download zoedepth`",
        "height": "what a model of type 'chmv2' predicts is not known",
        "text": "text cannot be read",
        "short": r"1 weights of AutoModelForDepthEstimation are missing or of another shape \(head\.",
        "cut": "cut cannot be read",
        "unprocessed": "unprocessed cannot be read",
    }
    (tmp_path / "empty").mkdir()
    copy("height", model_type="chmv2")
    copy("text", model_type="bert")
    state = load_file(copy("short") / "model.safetensors")
    del state[next(key for key in state if key.startswith("head."))]
    save_file(state, tmp_path / "short" / "model.safetensors", {"format": "pt"})
    (copy("cut") / "model.safetensors").write_bytes(b"\x10")
    (copy("unprocessed") / "preprocessor_config.json").unlink()
    for name, message in cases.items():
        with pytest.raises(PointVidError, match=message) as caught:
            load_depth_model(tmp_path / name, kind="metric" if name == "text" else "auto")
        assert "\n" not in str(caught.value)
    with pytest.raises(PointVidError, match="expected 0 < near < far"):
        load_depth_model(folders["glpn"], near=3.0, far=2.0)
    with pytest.raises(PointVidError, match=r"video is \[0, 4, 4, 3\]"):
        load_depth_model(folders["glpn"]).estimate(torch.zeros(0, 4, 4, 3, dtype=torch.uint8))
