"""The paper's ablation (Figure 9) and our own, on the small model: `python -m experiments.ablate`."""
