"""Captions -> names of the objects that move: by rules, or by a language model behind a server."""
