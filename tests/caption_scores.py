"""How well labels are read from captions whose labels are known; the tests and the benchmarks print the same."""

import json
from pathlib import Path

from pointvid.errors import PointVidError
from pointvid.labels import extract_labels

CAPTIONS = Path(__file__).parent / "data" / "captions.json"


def hand_labelled():
    """(caption, labels, optional labels): written and labelled by hand before the extractor was."""
    rows = json.loads(CAPTIONS.read_text(encoding="utf-8"))
    return [(row["caption"], row["labels"], row.get("optional", [])) for row in rows]


def synthetic(seeds=range(40)):
    """The same of the synthetic scenes, as scripted; nothing is simulated or rendered."""
    import numpy as np

    from pointvid.synthetic.scenes import SCENES
    from pointvid.synthetic.stage import Simulation

    scripts = [
        scene(Simulation(np.random.default_rng(seed), 1.75, detail=64)) for scene in SCENES.values() for seed in seeds
    ]
    return [(script.caption, list(script.labels), []) for script in scripts]


def scores(rows):
    """(recall, precision) of the extractor: a label counts when it is exactly right; optional ones do not count."""
    right = missed = wrong = 0
    for caption, labels, optional in rows:
        try:
            found = extract_labels(caption)
        except PointVidError:
            found = []
        right += sum(label in found for label in labels)
        missed += sum(label not in found for label in labels)
        wrong += sum(label not in labels and label not in optional for label in found)
    return right / (right + missed), right / (right + wrong)
