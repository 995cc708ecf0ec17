"""Small words to build API-format graphs with."""

from __future__ import annotations


class Graph(dict):
    """{id: {class_type, inputs}}, grown node by node."""

    def add(self, class_type: str, **inputs: object) -> str:
        """Add a node and return its id; an input `(id, output)` is a link."""
        node = str(len(self) + 1)
        links = {name: list(value) if isinstance(value, tuple) else value for name, value in inputs.items()}
        self[node] = {"class_type": class_type, "inputs": links}
        return node

    def probe(self, name: str, node: str, output: int = 0) -> None:
        """Have the tests' Probe write an output of `node` to NAME.pt."""
        self.add("Probe", value=(node, output), name=name)
