"""Methods beside our own: diffusers' pipelines with random weights, and ComfyUI workflows on a local stub server."""

import io
import json
import threading
import urllib.parse
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from PIL import Image

from experiments.evaluation.comfyui import ComfyUI, filled, read_workflow
from experiments.evaluation.inputs import Item
from experiments.evaluation.methods import Diffusers, make_method
from pointvid.errors import PointVidError
from pointvid.files.video import encode_mp4


@pytest.fixture
def item(tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGB", (40, 40), (200, 10, 10)).save(path)
    return Item("red", 'a "red" box', path)


def image_encoder(width):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=16,
            projection_dim=width,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=224,
            intermediate_size=16,
            patch_size=56,
        )
    )


@pytest.fixture(scope="module")
def svd(tmp_path_factory):
    from diffusers import (
        AutoencoderKLTemporalDecoder,
        EulerDiscreteScheduler,
        StableVideoDiffusionPipeline,
        UNetSpatioTemporalConditionModel,
    )
    from transformers import CLIPImageProcessor

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("svd")
    StableVideoDiffusionPipeline(
        unet=UNetSpatioTemporalConditionModel(
            block_out_channels=(32, 64),
            layers_per_block=1,
            sample_size=8,
            in_channels=8,
            out_channels=4,
            down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
            up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
            cross_attention_dim=32,
            num_attention_heads=8,
            projection_class_embeddings_input_dim=96,
            addition_time_embed_dim=32,
        ),
        vae=AutoencoderKLTemporalDecoder(
            block_out_channels=[32, 64], down_block_types=["DownEncoderBlock2D"] * 2, latent_channels=4
        ),
        image_encoder=image_encoder(32),
        feature_extractor=CLIPImageProcessor(crop_size=224, size=224),
        scheduler=EulerDiscreteScheduler(prediction_type="v_prediction", sigma_min=0.002, sigma_max=700),
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def i2vgen(tmp_path_factory):
    from diffusers import AutoencoderKL, DDIMScheduler, I2VGenXLPipeline, I2VGenXLUNet
    from transformers import CLIPImageProcessor, CLIPTextConfig, CLIPTextModel

    from training.model.small_model import load_tokenizer, tokenizer_files

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("i2vgen")
    text = {"hidden_size": 4, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2}
    I2VGenXLPipeline(
        unet=I2VGenXLUNet(
            block_out_channels=(4, 8),
            layers_per_block=1,
            sample_size=32,
            down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
            up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
            cross_attention_dim=4,
            attention_head_dim=4,
            num_attention_heads=None,
            norm_num_groups=2,
        ),
        vae=AutoencoderKL(block_out_channels=(8,), latent_channels=4, norm_num_groups=2),
        text_encoder=CLIPTextModel(CLIPTextConfig(vocab_size=200, max_position_embeddings=77, **text)),
        tokenizer=load_tokenizer(tokenizer_files(["a", "box", "red"]), 77),
        image_encoder=image_encoder(4),
        feature_extractor=CLIPImageProcessor(crop_size=224, size=224),
        scheduler=DDIMScheduler(beta_schedule="linear", clip_sample=False),
    ).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["svd", "i2vgen-xl"])
def test_pipelines_make_a_clip_that_is_a_function_of_the_seed(kind, request, item):
    folder = request.getfixturevalue("svd" if kind == "svd" else "i2vgen")
    method = make_method(kind, str(folder), size=(32, 48), frames=2, fps=7, steps=2)
    one, again, other = (method.generate(item, seed) for seed in (0, 0, 1))
    assert one.video.shape == (2, 32, 48, 3)
    assert one.video.dtype == torch.uint8
    assert one.fps == 7
    assert torch.equal(one.video, again.video)
    assert not torch.equal(one.video, other.video)
    assert method.settings == {
        "kind": kind,
        "size": (32, 48),
        "frames": 2,
        "fps": 7,
        "steps": 2,
        "guidance": None,
        "folder": folder.name,
    }


def test_a_folder_that_is_no_pipeline(tmp_path, item):
    with pytest.raises(PointVidError, match=r"svd: .* holds no model_index\.json"):
        Diffusers("svd", tmp_path, (32, 32)).generate(item, 0)
    (tmp_path / "model_index.json").write_text("{}", encoding="utf-8")
    with pytest.raises(PointVidError, match="cannot be loaded as StableVideoDiffusionPipeline"):
        Diffusers("svd", tmp_path, (32, 32)).generate(item, 0)
    with pytest.raises(PointVidError, match="expected a checkpoint"):
        make_method("pointvid", str(tmp_path / "none.safetensors"))


class Server(BaseHTTPRequestHandler):
    """What of ComfyUI's API a workflow needs. `server.mode`: "video", "images", "error", "nothing", "refuse"."""

    def log_message(self, *args):
        pass

    def answer(self, content, code=200):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/upload/image":
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            parts = BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
            files = {part.get_param("name", header="content-disposition"): part for part in parts}
            self.server.uploaded = files["image"].get_payload(decode=True)
            self.answer({"name": files["image"].get_filename(), "subfolder": "in", "type": "input"})
        else:
            self.server.prompt = json.loads(body)["prompt"]
            if self.server.mode == "refuse":
                self.answer({"error": {"message": "no such node"}}, 400)
            self.answer({"prompt_id": "p1"})

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        if url.path == "/history/p1":
            self.server.asked += 1
            self.answer({} if self.server.asked == 1 else {"p1": self.entry()})
        else:
            name = urllib.parse.parse_qs(url.query)["filename"][0]
            if name.endswith(".mp4"):
                self.answer(encode_mp4(torch.full((3, 16, 16, 3), 90, dtype=torch.uint8), 12))
            else:
                buffer = io.BytesIO()
                Image.new("RGB", (8, 8), (int(name[5]) * 10, 0, 0)).save(buffer, "PNG")
                self.answer(buffer.getvalue())

    def entry(self):
        mode = self.server.mode
        if mode == "error":
            messages = [["execution_error", {"node_type": "KSampler", "exception_message": "out of\nmemory"}]]
            return {"status": {"status_str": "error", "messages": messages}}
        preview = {"images": [{"filename": "frame9.png", "subfolder": "", "type": "temp"}]}
        frames = {"images": [{"filename": f"frame{i}.png", "subfolder": "a", "type": "output"} for i in (1, 2)]}
        video = {"images": [{"filename": "clip.mp4", "subfolder": "video", "type": "output"}], "animated": [True]}
        outputs = {"video": {"3": preview, "9": video}, "images": {"3": preview, "9": frames}, "nothing": {}}[mode]
        return {"status": {"status_str": "success", "completed": True}, "outputs": outputs}


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.asked, server.mode = 0, "video"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()


WORKFLOW = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "%image%"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "best quality, %prompt%", "clip": ["4", 1]}},
    "3": {"class_type": "KSampler", "inputs": {"seed": "%seed%", "steps": 4}},
}


def write_workflow(folder, workflow=WORKFLOW):
    path = folder / "flow.json"
    path.write_text(json.dumps(workflow), encoding="utf-8")
    return path


def test_a_workflow_is_filled_posted_and_its_video_fetched(server, item, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.evaluation.comfyui._POLL", 0.01)
    method = make_method("comfyui", f"{write_workflow(tmp_path)}@{server.url}/")
    clip = method.generate(item, 41)
    assert clip.video.shape == (3, 16, 16, 3)
    assert clip.fps == 12
    assert server.uploaded == item.image.read_bytes()
    assert server.prompt["1"]["inputs"]["image"].startswith("in/")
    assert server.prompt["1"]["inputs"]["image"].endswith(".png")
    assert server.prompt["2"]["inputs"]["text"] == 'best quality, a "red" box'
    assert server.prompt["2"]["inputs"]["clip"] == ["4", 1]
    assert server.prompt["3"]["inputs"] == {"seed": 41, "steps": 4}
    assert WORKFLOW["3"]["inputs"]["seed"] == "%seed%"  # the workflow itself is as it was


def test_saved_images_are_a_clip_too_and_previews_are_not(server, item, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.evaluation.comfyui._POLL", 0.01)
    server.mode = "images"
    clip = ComfyUI(WORKFLOW, server.url, "flow", fps=6).generate(item, 0)
    assert clip.fps == 6
    assert clip.video[:, 0, 0, 0].tolist() == [10, 20]


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("error", r"workflow flow failed for red: KSampler: out of memory"),
        ("nothing", r"saved no video and no images for red"),
        ("refuse", r"refused /prompt \(400\): .*no such node"),
    ],
)
def test_what_a_server_does_not_do_is_said(server, item, mode, message, monkeypatch):
    monkeypatch.setattr("experiments.evaluation.comfyui._POLL", 0.01)
    server.mode = mode
    with pytest.raises(PointVidError, match=message):
        ComfyUI(WORKFLOW, server.url, "flow").generate(item, 0)


def test_no_server_and_a_slow_one(server, item, monkeypatch):
    monkeypatch.setattr("experiments.evaluation.comfyui._POLL", 0.01)
    with pytest.raises(PointVidError, match=r"no ComfyUI at http://127\.0\.0\.1:9: it does not answer "):
        ComfyUI(WORKFLOW, "http://127.0.0.1:9", "flow").generate(item, 0)
    server.asked = -(10**9)
    monkeypatch.setattr(Server, "do_GET", lambda self: self.answer({}))
    with pytest.raises(PointVidError, match=r"red took longer than 0\.05 s"):
        ComfyUI(WORKFLOW, server.url, "flow", timeout=0.05).generate(item, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"nodes": [], "links": []}, r"is a canvas, expected the API format"),
        ({"1": {"inputs": {}}}, r"holds no nodes with a class_type"),
        ({"1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}}}, r'has no "%image%"'),
        ([], r"holds no nodes"),
    ],
)
def test_workflows_of_another_kind_are_refused(tmp_path, content, message):
    with pytest.raises(PointVidError, match=message):
        read_workflow(write_workflow(tmp_path, content))


def test_bad_sources(tmp_path):
    with pytest.raises(PointVidError, match=r"expected WORKFLOW\.json@http"):
        make_method("comfyui", "flow.json")
    with pytest.raises(PointVidError, match=r"cannot be read"):
        make_method("comfyui", f"{tmp_path / 'none.json'}@http://127.0.0.1:1")
    assert filled({"a": ["%seed%", 3, None, "x%seed%"]}, "i", "p", 5) == {"a": [5, 3, None, "x5"]}
