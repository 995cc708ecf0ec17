"""SAM 2's masks are those of Meta's implementation, from Meta's weights in either file format."""

import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers import Sam2VideoConfig, Sam2VideoModel

from pointvid.errors import PointVidError
from pointvid.segmenters.sam2 import Sam2, _prepared, build_sam2, load_sam2
from pointvid.segmenters.sam2_weights import (
    PREFIXES,
    config_of,
    from_meta,
    read_meta_weights,
)

from . import sam2_reference as reference


@pytest.fixture(scope="module")
def golden():
    with np.load(reference.GOLDEN) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def state(golden):
    """Random weights in Meta's layout, of the tests' size."""
    return reference.seeded_state(reference.shapes(str(golden["layout_test"])))


@pytest.fixture(scope="module")
def net(state):
    return build_sam2(from_meta(state), config_of(state, reference.IMAGE_SIZE, reference.TINY), "test")


def sam2_with(net):
    """A `Sam2` around a network of the tests' size, which no file of published sizes could hold."""
    found = Sam2.__new__(Sam2)
    found.net, found.device = net, None
    return found


def logits_of(net, frame, boxes):
    """(logits [K, H, W], quality [K]): what `Sam2.masks` thresholds."""
    height, width = frame.shape[:2]
    scale = torch.tensor([reference.IMAGE_SIZE / width, reference.IMAGE_SIZE / height] * 2)
    features = net.get_image_embeddings(_prepared(frame, reference.IMAGE_SIZE))
    found = net(image_embeddings=features, input_boxes=(boxes * scale)[None], multimask_output=False)
    logits = F.interpolate(found.pred_masks[0], (height, width), mode="bilinear", align_corners=False)
    return logits[:, 0], found.iou_scores[0, :, 0]


def relative_error(found, expected):
    return ((found - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("name", reference.PUBLISHED)
def test_published_layouts(golden, name):
    """Every tensor of the published weights finds its place, and every place is filled."""
    named = reference.shapes(str(golden[f"layout_{name}"]))
    state = {key: torch.empty(shape, device="meta") for key, shape in named.items()}
    net = build_sam2(from_meta(state), config_of(state), name)
    assert net.config.prompt_encoder_config.image_size == 1024
    twice = 2 * state["sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"].numel()
    expected = sum(value.numel() for value in state.values()) + twice // 2
    assert sum(value.numel() for value in net.state_dict().values()) == expected


def test_numbers_of_the_reference(golden, net):
    logits, quality = logits_of(net, reference.seeded_frame(), reference.BOXES)
    kept = logits[:, :: reference.EVERY, :: reference.EVERY]
    assert relative_error(kept, torch.from_numpy(golden["logits"])) < 1e-4
    assert relative_error(quality, torch.from_numpy(golden["quality"])) < 1e-4
    assert torch.equal(sam2_with(net).masks(reference.seeded_frame(), reference.BOXES), logits > 0)


def test_numbers_of_the_reference_live(net, state):
    checkout = os.environ.get("SAM2_REFERENCE")
    if not checkout:
        pytest.skip("SAM2_REFERENCE names no checkout of facebookresearch/sam2")
    model = reference.reference_model(checkout)
    report = model.load_state_dict(state, strict=False)
    assert not report.unexpected_keys
    assert not [key for key in report.missing_keys if key.startswith(PREFIXES)]
    frame, boxes = reference.seeded_frame(90, 54), torch.tensor([[5.0, 5.0, 40.0, 80.0], [20.0, 30.0, 54.0, 90.0]])
    expected = reference.reference_masks(model, frame, boxes)
    for found, wanted in zip(logits_of(net, frame, boxes), expected):
        assert relative_error(found, wanted) < 1e-4


def test_more_boxes_than_a_chunk(net):
    """Chunks change nothing, and progress counts boxes."""
    boxes = reference.BOXES.repeat(14, 1)
    said = []
    found = sam2_with(net).masks(reference.seeded_frame(), boxes, lambda *report: said.append(report))
    assert torch.equal(found, sam2_with(net).masks(reference.seeded_frame(), reference.BOXES).repeat(14, 1, 1))
    assert said[0] == (0, 42, "masks")
    assert said[-1] == (42, 42, "masks")


def test_memory_that_does_not_suffice(net, monkeypatch):
    """Smaller chunks once; then what to change."""
    sizes = []

    def forward(self, input_boxes=None, **_):
        sizes.append(input_boxes.shape[1])
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(net), "forward", forward)
    with pytest.raises(PointVidError, match=r"out of memory decoding masks.*use a smaller SAM 2"):
        sam2_with(net).masks(reference.seeded_frame(), reference.BOXES)
    assert sizes == [3, 1]


def test_both_file_formats_hold_the_same(state, tmp_path):
    torch.save({"model": {**state, "maskmem_tpos_enc": torch.zeros(1)}}, tmp_path / "sam2.1_hiera_tiny.pt")
    half = {key: value.half() for key, value in state.items()}
    save_file(half, tmp_path / "sam2.1_hiera_tiny-fp16.safetensors")
    found = read_meta_weights(tmp_path / "sam2.1_hiera_tiny.pt")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) for key in state)
    found = from_meta(read_meta_weights(tmp_path / "sam2.1_hiera_tiny-fp16.safetensors"))
    assert all(value.dtype == torch.float32 for value in found.values())
    assert torch.equal(found["no_memory_embedding"], half["no_mem_embed"].float())


@pytest.mark.parametrize("kind", ["image", "video"])
def test_folder_in_transformers_layout(state, net, tmp_path, capfd, kind):
    """The published folders hold the model for videos, of which that for images is a part."""
    saved = net
    if kind == "video":
        saved = Sam2VideoModel(Sam2VideoConfig(**config_of(state, reference.IMAGE_SIZE, reference.TINY)))
        assert not saved.load_state_dict(from_meta(state), strict=False).unexpected_keys
    saved.save_pretrained(tmp_path / "sam2")
    capfd.readouterr()
    found = load_sam2(tmp_path / "sam2").state_dict()
    assert capfd.readouterr() == ("", "")
    assert found.keys() == net.state_dict().keys()
    assert all(torch.equal(value, found[key]) for key, value in net.state_dict().items())


def test_bad_weights(state, tmp_path, net):
    cases = {
        "none.pt": "there is no file",
        "text.pt": "cannot be read",
        "cut.safetensors": "cannot be read",
        "other.pt": "holds no SAM 2",
        "odd.pt": "16 wide with 6 blocks, expected one of: 96 wide with 12 blocks",
        "half.pt": r"the weights lack image_encoder\.trunk",
    }
    (tmp_path / "text.pt").write_text("no weights", encoding="ascii")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10")
    torch.save({"model": {"weight": torch.zeros(1)}}, tmp_path / "other.pt")
    torch.save({"model": state}, tmp_path / "odd.pt")
    torch.save({key: state[key] for key in state if "sam_" in key}, tmp_path / "half.pt")
    for name, message in cases.items():
        with pytest.raises(PointVidError, match=message) as caught:
            Sam2(tmp_path / name)
        assert "\n" not in str(caught.value)
    lacking = {key: value for key, value in state.items() if "iou_token" not in key}
    with pytest.raises(PointVidError, match=r"1 missing: mask_decoder\.iou_token\.weight"):
        build_sam2(from_meta(lacking), config_of(lacking, reference.IMAGE_SIZE, reference.TINY), "test")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PointVidError, match=r"empty holds no config\.json"):
        Sam2(tmp_path / "empty")
    net.save_pretrained(tmp_path / "lacks")
    whole = dict(net.state_dict())
    del whole["mask_decoder.iou_token.weight"]
    save_file({key: value.clone() for key, value in whole.items()}, tmp_path / "lacks" / "model.safetensors")
    with pytest.raises(
        PointVidError, match=r"1 weights of Sam2Model are missing or of another shape \(mask_decoder.iou_token.weight\)"
    ):
        Sam2(tmp_path / "lacks")
