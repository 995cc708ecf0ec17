"""What PointVid can make use of and others publish: names, addresses, licences, and where the files belong.

A SHA-256, and the commit it is of, stands here only where the publisher's own page of the file showed it. The model hub
tells that of every large file anyway, and `download` checks against it and keeps both in a lock file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import PointVidError


@dataclass(frozen=True)
class Published:
    """Files of one project that belong together.

    Attributes:
        name: to say to `pointvid download`.
        what: one line.
        licence: of the weights.
        commercial: whether that licence allows commercial use.
        size: about how many bytes.
        folder: where the files go, below the models folder.
        repository: on the model hub, "owner/name"; empty where the publisher's server has no address for single files.
        files: their names in it; kept below `folder`.
        optional: files that later versions of the repository may or may not have.
        page: for people.
        revision: the commit that is taken first; "main" takes the newest of that day, and the lock file holds it then.
        sha256: of those of `files` for which it is known.
    """

    name: str
    what: str
    licence: str
    size: int
    folder: str
    repository: str = ""
    files: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    commercial: bool = True
    page: str = ""
    revision: str = "main"
    sha256: Mapping[str, str] = field(default_factory=dict)


_TRANSFORMERS = ("config.json", "preprocessor_config.json", "model.safetensors")
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
_WORDS = ("tokenizer/tokenizer_config.json", "tokenizer/special_tokens_map.json")
_HALF = "diffusion_pytorch_model.fp16.safetensors"


def _hub(
    name: str, what: str, licence: str, size: float, folder: str, repository: str, files: tuple, **more
) -> Published:
    page = f"https://huggingface.co/{repository}"
    return Published(name, what, licence, int(size), folder, repository, files, page=page, **more)


def _sam2(size: str, megabytes: int) -> Published:
    repository = f"sam2.1-hiera-{size}"
    return _hub(
        repository, f"SAM 2.1 ({size}): boxes to masks", "Apache-2.0", megabytes * 1e6, f"sam2/{repository}",
        f"facebook/{repository}", ("config.json", "model.safetensors"),
        optional=("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json"),
    )  # fmt: skip


PUBLISHED = (
    _hub(
        "alltracker", "AllTracker: tracks every pixel", "MIT", 66e6, "pointvid_trackers",
        "aharley/alltracker", ("alltracker.pth",),
    ),
    _hub(
        "alltracker-tiny", "AllTracker, the small one", "MIT", 25.2e6, "pointvid_trackers",
        "aharley/alltracker", ("alltracker_tiny.pth",),
        sha256={"alltracker_tiny.pth": "43991b4fcee5bec0f828e7cc556ef3cfa379fc44874f56ccb531f59f5aaf234e"},
    ),
    Published(
        "spatracker", "SpaTracker: the paper's tracker", "CC BY-NC 4.0", int(136e6), "pointvid_trackers",
        files=("spaT_final.pth",), commercial=False, page="https://github.com/henry123-boy/SpaTracker",
    ),
    _hub(
        "zoedepth", "ZoeDepth (NYU + KITTI): the paper's depth", "MIT", 1.38e9, "depth_models/zoedepth-nyu-kitti",
        "Intel/zoedepth-nyu-kitti", _TRANSFORMERS,
        sha256={"model.safetensors": "c5494fa0938f18d71e215e245472470c3aefebd7b434abd89750e5ae4008e2dc"},
    ),
    _hub(
        "depth-anything-v2-small", "Depth Anything V2 (small): relative depth", "Apache-2.0", 99.2e6,
        "depth_models/Depth-Anything-V2-Small-hf", "depth-anything/Depth-Anything-V2-Small-hf", _TRANSFORMERS,
        sha256={"model.safetensors": "3152477ce0d8d6978d76b995120de97cb5b928701fd0f817769f59e249a16b70"},
    ),
    _hub(
        "grounding-dino-tiny", "Grounding DINO (tiny): words to boxes", "Apache-2.0", 690e6,
        "grounding-dino/grounding-dino-tiny", "IDEA-Research/grounding-dino-tiny", (*_TRANSFORMERS, *_TOKENIZER),
        optional=("added_tokens.json",), revision="a2bb814dd30d776dcf7e30523b00659f4f141c71",
        sha256={"model.safetensors": "1a2412ef99bd74bcd3c2a246fa1e48581f8889a1300c9051974741314fc042f3"},
    ),
    _sam2("tiny", 156),
    _sam2("small", 184),
    _hub(
        "i2vgen-xl", "I2VGen-XL: the paper's base model, half precision, for `pointvid convert`", "MIT", 5.0e9,
        "diffusers/i2vgen-xl", "ali-vilab/i2vgen-xl",
        (
            "model_index.json", "scheduler/scheduler_config.json", "feature_extractor/preprocessor_config.json",
            "tokenizer/vocab.json", "tokenizer/merges.txt", "text_encoder/config.json",
            "text_encoder/model.fp16.safetensors", "image_encoder/config.json",
            "image_encoder/model.fp16.safetensors", "vae/config.json", f"vae/{_HALF}", "unet/config.json",
            f"unet/{_HALF}",
        ),
        optional=_WORDS, revision="6c4e9e70bdcd36eb59d98d2b583adea0813ea8de",
        sha256={
            "image_encoder/model.fp16.safetensors": "ae616c24393dd1854372b0639e5541666f7521cbe219669255e865cb7f89466a",
            f"vae/{_HALF}": "3e4c08995484ee61270175e9e7a072b66a6e4eeb5f0c266667fe1f45b90daf9a",
            f"unet/{_HALF}": "6ef043141380ab4f5f0698d0b735e4020d6049819e3c756ddbe2672a48a466d4",
        },
    ),
    _hub(
        "modelscope-t2v", "ModelScopeT2V: another base model, half precision", "CC BY-NC 4.0", 3.7e9,
        "diffusers/text-to-video-ms-1.7b", "ali-vilab/text-to-video-ms-1.7b",
        (
            "model_index.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json", "tokenizer/merges.txt",
            "text_encoder/config.json", "text_encoder/model.fp16.safetensors", "vae/config.json", f"vae/{_HALF}",
            "unet/config.json", f"unet/{_HALF}",
        ),
        optional=_WORDS, commercial=False,
    ),
)  # fmt: skip


def published(name: str) -> Published:
    """The entry called `name`.

    Raises:
        PointVidError: there is none.
    """
    for entry in PUBLISHED:
        if entry.name == name:
            return entry
    raise PointVidError(f"nothing is called {name!r}, expected one of {', '.join(entry.name for entry in PUBLISHED)}")
