"""Step: from a caption to the names of what moves in it."""

from __future__ import annotations

from .host_api import io


class CaptionToLabels(io.ComfyNode):
    """STRING -> STRING."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_CaptionToLabels",
            display_name="Caption to Labels",
            category="PointVid/tracks",
            description="Names the moving objects of an English caption, for Segment Objects by Name: 'a man swinging "
            "a baseball bat in a studio' gives 'man, baseball bat'. By rules, or by a language model behind a server.",
            search_aliases=["noun phrases", "extract objects", "llm labels", "prompt to objects"],
            inputs=[
                io.String.Input(
                    "caption", multiline=True, default="", tooltip="What happens in the clip, in English sentences."
                ),
                io.String.Input(
                    "server",
                    default="",
                    optional=True,
                    advanced=True,
                    tooltip="Address of a server that speaks OpenAI's chat completions, like "
                    "http://localhost:23333/v1 (lmdeploy serve api_server MODEL). Empty uses the built-in rules. "
                    "A key is read from the environment variable POINTVID_API_KEY.",
                ),
                io.String.Input(
                    "model",
                    default="",
                    optional=True,
                    advanced=True,
                    tooltip="The model's name at the server. Empty takes its first.",
                ),
            ],
            outputs=[io.String.Output(display_name="labels", tooltip="Names, separated by commas.")],
        )

    @classmethod
    def execute(cls, caption: str, server: str = "", model: str = "") -> io.NodeOutput:
        """Ask the rules or the server."""
        from ..pointvid.labels import ChatLabels, RuleLabels

        source = ChatLabels(server, model) if server.strip() else RuleLabels()
        return io.NodeOutput(", ".join(source.labels(caption)))
