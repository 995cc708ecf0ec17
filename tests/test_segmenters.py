"""Objects that a segmenter finds, what it is asked, and how labels become boxes and boxes masks."""

import shutil
from types import SimpleNamespace

import pytest
import torch
from torchvision.ops import nms

from pointvid.errors import PointVidError
from pointvid.segmenters.base import Objects, check_request
from pointvid.segmenters.grounded_sam2 import GroundedSam2, find_models, keep_distinct, load_grounded_sam2
from pointvid.segmenters.grounding_dino import Boxes, GroundingDino

from .sam2_reference import seeded_frame
from .tiny_segmenter import write_models


def man_with_bat():
    masks = torch.zeros(2, 6, 8, dtype=torch.bool)
    masks[0, 1:5, 2:4] = True  # the bat: 8 pixels
    masks[1, :, 3:7] = True  # the man: 24, behind it
    return Objects(["bat", "man"], torch.tensor([0.9, 0.5]), torch.zeros(2, 4), masks)


def test_the_smaller_object_is_in_front():
    found = man_with_bat()
    expected = torch.zeros(6, 8, dtype=torch.int32)
    expected[:, 3:7] = 2
    expected[1:5, 2:4] = 1
    assert torch.equal(found.object_map, expected)
    assert found.object_map.dtype == torch.int32
    assert torch.equal(found.mask, expected > 0)
    assert len(found) == 2


def test_shapes_of_objects_are_checked():
    found = man_with_bat()
    with pytest.raises(PointVidError, match=r"2 labels with scores \[1\]"):
        Objects(found.labels, found.scores[:1], found.boxes, found.masks)
    with pytest.raises(PointVidError, match=r"masks \[6, 8\]"):
        Objects(found.labels, found.scores, found.boxes, found.masks[0])


def test_labels_are_cleaned():
    image = torch.zeros(4, 4, 3, dtype=torch.uint8)
    assert check_request(image, [" Red  car", "dog", "red car", " "]) == ["red car", "dog"]


@pytest.mark.parametrize(
    ("labels", "message"), [([], "labels is empty"), (["", " "], "labels is empty"), ("dog", "expected a list")]
)
def test_labels_that_name_nothing(labels, message):
    with pytest.raises(PointVidError, match=message):
        check_request(torch.zeros(4, 4, 3, dtype=torch.uint8), labels)


def test_an_image_that_is_no_frame():
    with pytest.raises(PointVidError, match=r"image is torch.float32 \[4, 4, 3\]"):
        check_request(torch.zeros(4, 4, 3), ["dog"])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_models(tmp_path_factory.mktemp("models"))


def detector_that_sees(monkeypatch, models, rows):
    """A detector whose network answers with `rows` of (box centre and size, {token: probability})."""
    detector = GroundingDino(models / "grounding-dino" / "tiny")
    asked = []

    def forward(pixel_values=None, input_ids=None, **_):
        asked.append((tuple(pixel_values.shape[-2:]), input_ids[0].tolist()))
        logits = torch.full((1, len(rows), 16), -20.0)
        for k, (_, tokens) in enumerate(rows):
            for token, probability in tokens.items():
                logits[0, k, token] = torch.tensor(probability).logit()
        boxes = torch.tensor([box for box, _ in rows]).reshape(1, -1, 4)
        return SimpleNamespace(logits=logits, pred_boxes=boxes)

    monkeypatch.setattr(detector.net, "forward", forward)
    return detector, asked


# Tokens of "man. baseball bat. dog.": 0 [CLS], 1 man, 2 ., 3 baseball, 4 bat, 5 ., 6 dog, 7 ., 8 [SEP].
ASKED = ["man", "baseball bat", "dog"]
LEFT, MIDDLE, OUTSIDE = (0.25, 0.5, 0.5, 1.0), (0.5, 0.5, 0.2, 0.4), (0.95, 0.5, 0.2, 0.5)


def test_boxes_take_the_label_they_fit_best(monkeypatch, models):
    rows = [
        (MIDDLE, {3: 0.5, 4: 0.7}),  # both words of the bat
        (LEFT, {1: 0.9, 6: 0.3}),  # a man, a little of a dog
        (OUTSIDE, {6: 0.6}),  # a dog that is half off the frame
        (MIDDLE, {4: 0.45}),  # "bat" alone, so less than half of "baseball bat"
        (LEFT, {1: 0.3}),  # unsure
        (LEFT, {2: 0.9, 0: 0.9}),  # marks are no words
        ((0.5, 0.5, 0.001, 0.5), {1: 0.9}),  # thinner than a pixel
    ]
    detector, asked = detector_that_sees(monkeypatch, models, rows)
    found = detector.detect(torch.zeros(50, 100, 3, dtype=torch.uint8), ASKED, 0.35, 0.25)
    assert found.labels == ["man", "baseball bat", "dog"]
    assert torch.allclose(found.scores, torch.tensor([0.9, 0.7, 0.6]))
    expected = [[0, 0, 50, 50], [40, 15, 60, 35], [85, 12.5, 100, 37.5]]
    assert torch.allclose(found.boxes, torch.tensor(expected), atol=1e-4)
    assert asked[0][1] == [101, 200, 1012, 201, 202, 1012, 206, 1012, 102]
    assert found.notice == ""
    assert len(detector.detect(torch.zeros(50, 100, 3, dtype=torch.uint8), ASKED, 0.25, 0.2).labels) == 5


def test_labels_that_one_text_cannot_hold(monkeypatch, models):
    """16 tokens are seven words with their full stops and two marks."""
    detector, asked = detector_that_sees(monkeypatch, models, [(LEFT, {1: 0.9})])
    labels = ["man", "bat", "red", "box", "ball", "dog", "car", "red box", "red car"]
    found = detector.detect(torch.zeros(50, 100, 3, dtype=torch.uint8), labels)
    assert [len(ids) for _, ids in asked] == [16, 8]
    assert found.labels == ["man", "red box"]
    with pytest.raises(PointVidError, match=r"label 'red red.*is too long"):
        detector.detect(torch.zeros(50, 100, 3, dtype=torch.uint8), ["red " * 20])


def test_detector_out_of_memory(monkeypatch, models):
    """The frame is made smaller once; then the message says what to change."""
    detector, _ = detector_that_sees(monkeypatch, models, [(LEFT, {1: 0.9})])
    whole, sizes = detector.net.forward, []

    def forward(pixel_values=None, **rest):
        sizes.append(min(pixel_values.shape[-2:]))
        if sizes[-1] < 480:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return whole(pixel_values=pixel_values, **rest)

    monkeypatch.setattr(detector.net, "forward", forward)
    found = detector.detect(torch.zeros(50, 100, 3, dtype=torch.uint8), ["man"])
    assert found.labels == ["man"]
    assert sizes == [64, 480]
    assert "memory was short" in found.notice

    def never(**_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(detector.net, "forward", never)
    with pytest.raises(PointVidError, match=r"out of memory searching the frame.*use grounding-dino-tiny"):
        detector.detect(torch.zeros(50, 100, 3, dtype=torch.uint8), ["man"])


def test_distinct_boxes_are_those_of_torchvision():
    generator = torch.Generator().manual_seed(0)
    corner = 60 * torch.rand(200, 2, generator=generator)
    boxes = torch.cat((corner, corner + 5 + 60 * torch.rand(200, 2, generator=generator)), -1)
    for overlap in (0.3, 0.5, 0.8):
        scores = torch.linspace(1, 0, len(boxes))
        assert torch.equal(keep_distinct(boxes, overlap), nms(boxes, scores, overlap))
    assert keep_distinct(boxes[:0], 0.5).tolist() == []


class Detected:
    """A detector that found `count` boxes of 4x4 pixels, side by side."""

    def __init__(self, count):
        self.count = count

    def detect(self, image, labels, box_threshold, text_threshold, progress):
        k = torch.arange(self.count)
        corner = torch.stack((4 * (k % 40), 4 * (k // 40)), -1).float()
        scores = torch.linspace(0.9, 0.4, self.count)
        return Boxes([labels[i % len(labels)] for i in range(self.count)], scores, torch.cat((corner, corner + 4), -1))


class Filled:
    """A masker that fills each box, but finds nothing in the first."""

    def masks(self, image, boxes, progress):
        masks = torch.zeros(len(boxes), *image.shape[:2], dtype=torch.bool)
        for mask, (left, top, right, bottom) in zip(masks[1:], boxes[1:].long().tolist()):
            mask[top:bottom, left:right] = True
        return masks


def test_five_hundred_objects():
    frame = torch.zeros(60, 160, 3, dtype=torch.uint8)
    found = GroundedSam2(Detected(500), Filled()).segment(frame, ["ant", "bee"])
    assert len(found) == 99  # the best 100, one of which SAM 2 sees nothing in
    assert found.notice == "500 objects found, the best 100 are kept"
    assert found.labels[:2] == ["bee", "ant"]
    assert found.object_map.unique().tolist() == list(range(100))
    assert found.mask.sum() == 99 * 16
    everything = GroundedSam2(Detected(500), Filled(), most=500).segment(frame, ["ant", "bee"])
    assert len(everything) == 499
    assert everything.notice == ""


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_found_lists_the_labels(count):
    with pytest.raises(PointVidError, match=r"found none of: ant, red bee; lower the box threshold \(0\.35\)"):
        GroundedSam2(Detected(count), Filled()).segment(torch.zeros(60, 160, 3, dtype=torch.uint8), ["Ant", "red  bee"])


def test_published_folders(models):
    segmenter = load_grounded_sam2(models, box_threshold=0.0, text_threshold=0.0)
    said = []
    found = segmenter.segment(seeded_frame(), ["man", "red box"], lambda *report: said.append(report))
    again = segmenter.segment(seeded_frame(), ["man", "red box"])
    assert len(found) > 3
    assert set(found.labels) <= {"man", "red box"}
    assert found.masks.shape[1:] == seeded_frame().shape[:2]
    assert torch.equal(found.masks, again.masks)
    assert {what for _, _, what in said} == {"boxes", "masks"}

    def stop(done, total, what):
        if what == "masks":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segmenter.segment(seeded_frame(), ["man"], stop)


def test_folders_that_lack_something(models, tmp_path):
    assert find_models(models) == (models / "grounding-dino" / "tiny", models / "sam2" / "tiny")
    with pytest.raises(PointVidError, match=r"none, expected a folder that holds Grounding DINO and SAM 2"):
        find_models(tmp_path / "none")
    with pytest.raises(PointVidError, match="holds no Grounding DINO and SAM 2, expected"):
        find_models(tmp_path)
    shutil.copytree(models / "grounding-dino" / "tiny", tmp_path / "dino")
    with pytest.raises(PointVidError, match="holds no SAM 2, expected"):
        find_models(tmp_path)
    (tmp_path / "sam2.1_hiera_tiny.pt").touch()
    assert find_models(tmp_path)[1] == tmp_path / "sam2.1_hiera_tiny.pt"
    (tmp_path / "dino" / "tokenizer.json").unlink()
    (tmp_path / "dino" / "vocab.txt").unlink()
    with pytest.raises(PointVidError, match=r"holds no tokenizer\.json or vocab\.txt"):
        GroundingDino(tmp_path / "dino")
    shutil.copytree(models / "grounding-dino" / "tiny", tmp_path / "blind")
    (tmp_path / "blind" / "preprocessor_config.json").unlink()
    with pytest.raises(PointVidError, match="blind cannot be read"):
        GroundingDino(tmp_path / "blind")
    with pytest.raises(PointVidError, match=r"holds no config\.json, expected Grounding DINO"):
        GroundingDino(tmp_path)
