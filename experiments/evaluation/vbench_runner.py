"""Runs inside VBench's own environment, knows nothing of PointVid:

    python vbench_runner.py VIDEOS PROMPTS.json DIMENSION OUT_FOLDER

One dimension of VBench (arXiv 2311.17982) on custom videos; writes OUT_FOLDER/DIMENSION_eval_results.json.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    """One dimension."""
    videos, prompts, dimension, out = sys.argv[1:]
    import torch
    import vbench

    prompt_list = json.loads(Path(prompts).read_text(encoding="utf-8"))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    bench = vbench.VBench(device, str(Path(vbench.__file__).parent / "VBench_full_info.json"), out)
    # "longer" is what the published command line does with large frames; the library has no default of its own.
    bench.evaluate(
        videos_path=videos,
        name=dimension,
        prompt_list=prompt_list,
        dimension_list=[dimension],
        mode="custom_input",
        imaging_quality_preprocessing_mode="longer",
    )


if __name__ == "__main__":
    main()
