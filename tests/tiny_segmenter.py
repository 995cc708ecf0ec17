"""Grounding DINO and SAM 2 with few random weights, in folders laid out as the published ones are."""

import json

import numpy as np
import torch
from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection

from pointvid.segmenters.sam2 import build_sam2
from pointvid.segmenters.sam2_weights import config_of, from_meta

from . import sam2_reference

WORDS = ("man", "baseball", "bat", "red", "box", "ball", "dog", "car")


def write_models(folder):
    """`folder`/grounding-dino/tiny and `folder`/sam2/tiny; returns `folder`."""
    write_detector(folder / "grounding-dino" / "tiny")
    write_masker(folder / "sam2" / "tiny")
    return folder


def write_detector(folder):
    """A folder of Grounding DINO: weights, tokenizer, image processor."""
    torch.manual_seed(0)
    sizes = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    text = {"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    swin = {"model_type": "swin", "embed_dim": 8, "depths": [1] * 4, "num_heads": [1] * 4, "window_size": 4}
    config = GroundingDinoConfig(
        backbone_config={**swin, "image_size": 64, "out_features": ["stage2", "stage3", "stage4"]},
        text_config={**text, "intermediate_size": 16, "vocab_size": 1040},
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=30,
        max_text_len=16,
        **sizes,
    )
    net = GroundingDinoForObjectDetection(config)
    # At their initialisation all boxes and scores are alike.
    generator = torch.Generator().manual_seed(0)
    for name, value in net.named_parameters():
        if "bbox_embed" in name or "enc_output" in name:
            value.data += 0.3 * torch.randn(value.shape, generator=generator)
    net.save_pretrained(folder)
    # Where BERT has them: the model knows the numbers of the marks.
    vocabulary = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}
    vocabulary |= {200 + k: word for k, word in enumerate(WORDS)}
    lines = (vocabulary.get(k, f"[unused{k}]") for k in range(1040))
    (folder / "vocab.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_tokenizer(folder)
    processor = {
        "image_processor_type": "GroundingDinoImageProcessor",
        "size": {"shortest_edge": 64, "longest_edge": 128},
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "do_pad": True,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor), encoding="utf-8")


def write_tokenizer(folder):
    """tokenizer.json of the words in vocab.txt."""
    from tokenizers import BertWordPieceTokenizer

    BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True).save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


def write_masker(folder):
    """A folder of SAM 2."""
    with np.load(sam2_reference.GOLDEN) as golden:
        state = sam2_reference.seeded_state(sam2_reference.shapes(str(golden["layout_test"])))
    config = config_of(state, sam2_reference.IMAGE_SIZE, sam2_reference.TINY)
    build_sam2(from_meta(state), config, "tiny").save_pretrained(folder)
