"""Objects that a segmenter finds, and what it is asked."""

import pytest
import torch

from pointvid.errors import PointVidError
from pointvid.segmenters.base import Objects, check_request


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
