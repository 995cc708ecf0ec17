"""A base of another kind in the real host: its own file, its host half, its line; no node knows of it."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from pointvid.diffusion import bases
from pointvid.diffusion.checkpoint import Checkpoint, CheckpointInfo, save_checkpoint
from pointvid.diffusion.sampling import guided, initial_noise, sample
from pointvid.points.point_range import PointRange
from tests.host.conftest import Host
from tests.host.graphs import Graph
from tests.toy_base import LIBRARY, registered

pytestmark = pytest.mark.host

FRAMES, SIZE, FPS = 9, 32, 12.0


@pytest.fixture(scope="module")
def joint():
    """Random weights, the new ones too, so that both halves matter to each other; points are foreground everywhere."""
    with registered(bases, LIBRARY):
        from pointvid.diffusion.bases.toy import ToyBase, ToyConfig, ToyDiT, scale

        torch.manual_seed(0)
        network = ToyDiT(ToyConfig())
        nn.init.constant_(network.points_out.bias, 0.3)
        info = CheckpointInfo(
            base="toy-dit",
            config=ToyConfig(),
            process=ToyBase.process,
            resolution=(SIZE, SIZE),
            frames=FRAMES,
            fps=FPS,
            point_range=PointRange(0.5, 4.0),
        )
        parts = {"text_encoder": nn.Embedding(256, 48).state_dict(), "vae": scale().state_dict()}
        yield Checkpoint(info, network.state_dict(), parts)
    sys.modules.pop("pointvid.diffusion.bases.toy")


@pytest.fixture(scope="module")
def toy_host(comfyui, joint, tmp_path_factory):
    base = tmp_path_factory.mktemp("toy_host")
    folder = base / "models" / "checkpoints"
    folder.mkdir(parents=True)
    save_checkpoint(joint, folder / "toy.safetensors")
    host = Host(comfyui, base, "--toy")
    yield host
    host.close()


def graph(sampler: str = "KSampler", latent: str = "latent_image", **changes) -> tuple[Graph, str, str, str]:
    """From the checkpoint to a sampler: the graph, loader, conditioning, sampler."""
    made = Graph()
    load = made.add("PointVid_LoadModel", name="toy.safetensors", dtype="fp32")
    positive = made.add("CLIPTextEncode", clip=(load, 1), text="a red ball")
    negative = made.add("CLIPTextEncode", clip=(load, 1), text="")
    image = made.add("EmptyImage", width=SIZE, height=SIZE, batch_size=1, color=0x4080C0)
    i2v = made.add(
        "PointVid_ImageToVideo", positive=(positive, 0), negative=(negative, 0), vae=(load, 3), clip_vision=(load, 2),
        start_image=(image, 0), width=SIZE, height=SIZE, length=FRAMES, fps=FPS, model=(load, 0),
    )  # fmt: skip
    settings = {"seed": 7, "steps": 4, "cfg": 2.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
    wires = {"model": (load, 0), "positive": (i2v, 0), "negative": (i2v, 1), latent: (i2v, 2)}
    return made, load, i2v, made.add(sampler, **{**settings, **wires, **changes})


@pytest.mark.parametrize("node", ["KSampler", "PointVid_VideoPointSampler"])
def test_samplers_agree_with_the_host_free_one(node, toy_host, joint):
    own = node != "KSampler"
    made, _, i2v, sampler = graph(node, "latent" if own else "latent_image")
    made.probe("latent", sampler)
    made.probe("positive", i2v, 0)
    made.probe("negative", i2v, 1)
    result = toy_host.run(made)
    assert result["ok"], result
    found = toy_host.probed("latent")["samples"]

    adapter = bases.base_model("toy-dit")
    network = adapter.build(joint.info.config).eval()
    network.load_state_dict(joint.weights)
    both = []
    for name in ("positive", "negative"):
        ((text, extra),) = toy_host.probed(name)
        both.append(
            adapter.conditions({"text": text, "image_latent": extra["toy_first_frame"]}, 3, torch.tensor([FPS]))
        )
    shape = (1, 12, 3, SIZE // 2, SIZE // 2)
    noise = initial_noise(shape, 7) if own else torch.randn(shape, generator=torch.Generator().manual_seed(7))
    process = joint.info.process
    with torch.no_grad():
        expected = sample(guided(network, process, *both, 2.0), process, noise, steps=4, known=adapter.known(both[0]))
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
    torch.testing.assert_close(found[:, :6, 0], both[0]["first_frame"][:, :, 0])  # given, and kept


def test_decoder_gives_frames_and_trajectories(toy_host, joint):
    made, load, _, sampler = graph()
    decoder = made.add("PointVid_TrajectoryDecoder", latent=(sampler, 0), vae=(load, 3), model=(load, 0))
    halves = made.add("PointVid_SplitLatents", joint=(sampler, 0))
    made.probe("frames", decoder, 0)
    made.probe("tracks", decoder, 1)
    made.probe("point_map", decoder, 2)
    made.probe("point_frames", decoder, 4)
    made.probe("before", sampler)
    made.probe("joined", made.add("PointVid_JoinLatents", video=(halves, 0), points=(halves, 1)))
    made.probe("stock", made.add("VAEDecode", samples=(halves, 1), vae=(load, 3)))
    result = toy_host.run(made)
    assert result["ok"], result
    assert toy_host.probed("frames").shape == (FRAMES, SIZE, SIZE, 3)
    points = toy_host.probed("point_frames")
    assert torch.equal(points, toy_host.probed("stock").reshape(points.shape))
    assert torch.equal(toy_host.probed("joined")["samples"], toy_host.probed("before")["samples"])
    mask = joint.info.point_range.decode_mask(points.movedim(-1, 1) * 2 - 1)
    assert mask.any()
    assert torch.equal(toy_host.probed("point_map")["objects"] != 0, mask)
    assert toy_host.probed("tracks")["uvd"].shape == (FRAMES, int(mask.sum()), 3)
    assert toy_host.probed("tracks")["fps"] == FPS


def test_guidance_takes_the_model(toy_host):
    def sampled(patch=None):
        made, load, _, sampler = graph()
        if patch:
            made[sampler]["inputs"]["model"] = [patch(made, load), 0]
        made.probe("guided", sampler)
        result = toy_host.run(made)
        assert result["ok"], result
        return toy_host.probed("guided")["samples"]

    plain = sampled()
    rigid = sampled(
        lambda made, load: made.add(
            "PointVid_RigidityGuidance", model=(load, 0), vae=(load, 3), strength=0.8, start_at=700
        )
    )
    inner = sampled(
        lambda made, load: made.add("PointVid_InnerGuidance", model=(load, 0), text_weight=1.0, point_weight=0.0)
    )
    assert not torch.equal(rigid[:, 6:], plain[:, 6:])
    torch.testing.assert_close(inner, plain, rtol=1e-4, atol=1e-4)  # a cfg of 1 + w1


def test_a_length_it_cannot_make_is_refused(toy_host):
    made, *_, sampler = graph()
    (i2v,) = (node for node in made.values() if node["class_type"] == "PointVid_ImageToVideo")
    i2v["inputs"]["length"] = 8
    made.probe("x", sampler)
    result = toy_host.run(made)
    assert not result["ok"]
    assert "length is 8 frames, expected 1 more than a multiple of 4" in result["error"]
