"""Depth models of a few thousand random weights, in folders laid out as the published ones."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    BeitConfig,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    DepthProConfig,
    DepthProForDepthEstimation,
    DepthProImageProcessor,
    Dinov2Config,
    DPTImageProcessor,
    GLPNConfig,
    GLPNForDepthEstimation,
    GLPNImageProcessor,
    ZoeDepthConfig,
    ZoeDepthForDepthEstimation,
    ZoeDepthImageProcessor,
)

from .tiny_models import randomize


def dinov2(**changes: object) -> Dinov2Config:
    sizes = {"patch_size": 14, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    return Dinov2Config(**(sizes | {"image_size": 28} | changes))


def zoedepth():
    stages = ["stage1", "stage2", "stage3", "stage4"]
    beit = BeitConfig(
        image_size=32, patch_size=16, hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16,
        out_features=stages, reshape_hidden_states=False, use_relative_position_bias=True,
    )  # fmt: skip
    config = ZoeDepthConfig(
        backbone_config=beit, backbone_hidden_size=16, neck_hidden_sizes=[8] * 4, fusion_hidden_size=8,
        bottleneck_features=8, num_relative_features=8, bin_embedding_dim=8, num_attractors=[2, 2, 1, 1],
        bin_configurations=[{"n_bins": 8, "min_depth": 0.001, "max_depth": 10.0, "name": "nyu"}],
    )  # fmt: skip
    size = {"height": 32, "width": 48}
    return ZoeDepthForDepthEstimation(config), ZoeDepthImageProcessor(size=size, ensure_multiple_of=16)


def depth_anything(kind: str):
    backbone = dinov2(out_features=["stage1", "stage2"], reshape_hidden_states=False, apply_layernorm=True)
    config = DepthAnythingConfig(
        backbone_config=backbone, patch_size=14, reassemble_hidden_size=16, neck_hidden_sizes=[8, 8],
        reassemble_factors=[2, 1], fusion_hidden_size=8, head_hidden_size=8, depth_estimation_type=kind, max_depth=20,
    )  # fmt: skip
    processor = DPTImageProcessor(size={"height": 28, "width": 28}, ensure_multiple_of=14, keep_aspect_ratio=True)
    return DepthAnythingForDepthEstimation(config), processor


def depth_pro():
    part = dinov2(image_size=16, patch_size=8, num_hidden_layers=2)
    config = DepthProConfig(
        patch_size=16, fusion_hidden_size=16, intermediate_hook_ids=[1, 0], intermediate_feature_dims=[10, 8],
        scaled_images_ratios=[0.5, 1.0], scaled_images_overlap_ratios=[0.0, 0.2], scaled_images_feature_dims=[12, 12],
        use_fov_model=True, image_model_config=part, patch_model_config=part, fov_model_config=part,
    )  # fmt: skip
    return DepthProForDepthEstimation(config), DepthProImageProcessor(size={"height": 32, "width": 32})


def glpn():
    config = GLPNConfig(
        hidden_sizes=[8] * 4, depths=[1] * 4, num_attention_heads=[1] * 4, decoder_hidden_size=8
    )  # fmt: skip
    return GLPNForDepthEstimation(config), GLPNImageProcessor()


MAKERS = {
    "zoedepth": zoedepth,
    "depth_anything": lambda: depth_anything("relative"),
    "depth_anything_metric": lambda: depth_anything("metric"),
    "depth_pro": depth_pro,
    "glpn": glpn,
}


def published_folder(folder: Path, name: str) -> Path:
    """The folder of a model in `MAKERS`, as the model hub would have it."""
    net, processor = MAKERS[name]()
    randomize(net)
    if name == "depth_pro":  # sees about 60 degrees, and things about 2 image widths away
        with torch.no_grad():
            net.fov_model.head.layers[-1].bias.fill_(60.0)
            net.head.layers[-2].bias.fill_(0.5)
    net.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def seeded_clip(frames: int, height: int, width: int) -> torch.Tensor:
    """uint8 [T, H, W, 3] of smooth noise that moves slowly."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, frames, height // 8 + 2, width // 8 + 2, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (frames, height, width), mode="trilinear")
    return smooth[0].permute(1, 2, 3, 0).mul(255).to(torch.uint8)
