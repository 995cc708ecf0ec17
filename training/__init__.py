"""The two-stage fine-tuner: `python -m training.augment CONFIG`, then `python -m training.regularize CONFIG`."""
