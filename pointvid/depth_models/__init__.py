"""Depth of every frame of a clip, from single-image networks behind one protocol."""
