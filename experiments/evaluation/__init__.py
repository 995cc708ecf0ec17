"""Clips of several methods for one list of inputs, scored by public suites: `python -m experiments.compare`."""
