"""What the YAML of `training.build_dataset` may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pointvid.preprocess import ClipSettings, Gates, PreprocessSettings, TrackSettings

from ..config import Strict


class Plugin(Strict):
    """One model: a name we know, or `module:factory` of your own, and what it is made with."""

    name: str
    options: dict[str, Any] = Field({}, description="keyword arguments of the factory, e.g. weights: FILE")


class Speed(Strict):
    """How the work is spread. None of it changes the samples."""

    workers: int | None = Field(
        None,
        ge=0,
        description="processes with models of their own; None: one a GPU, else one a core; 0: none",
    )
    readers: int = Field(2, ge=1, description="threads a worker that decode; also how many captions wait for a server")
    finishers: int = Field(2, ge=1, description="threads a worker that smooth, fill and encode")
    ahead: int = Field(6, ge=1, description="clips a worker holds at a time")
    overlap: bool = Field(True, description="false: one step of one clip at a time in each worker")
    torch_threads: int = Field(1, ge=1, description="threads of one tensor operation")
    gpus_a_worker: float = Field(1.0, gt=0, description="on Ray: what a worker asks for where `device` is cuda")


class BuildDataset(Strict):
    """`training.build_dataset`."""

    videos: Path | None = Field(None, description="where the video names of lists are looked up, besides beside them")
    min_score: float | None = Field(None, description="rows of a list with a lower matching_score are left out")
    clip: ClipSettings = ClipSettings()
    tracks: TrackSettings = TrackSettings()
    gates: Gates = Gates()
    need_caption: bool = True
    labels: Plugin | None = Field(Plugin(name="rules"), description="None: only labels that come with the clips")
    segmenter: Plugin | None = Field(None, description="None: the foreground is what moves by itself")
    depth: Plugin | None = Field(None, description="None: flat, unless depth files come with the clips")
    tracker: Plugin = Plugin(name="lucas_kanade")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the models run")
    clips_in_shard: int = Field(100, ge=1, description="clips of the input a shard is made of, rejected ones too")
    report_samples: int = Field(12, ge=0, description="samples that the report shows")
    speed: Speed = Speed()

    def preprocess_settings(self) -> PreprocessSettings:
        """As the library takes them."""
        return PreprocessSettings(self.clip, self.tracks, self.gates, self.need_caption)

    def decisive(self) -> dict[str, Any]:
        """The settings beside the models' that decide what the samples are; a folder is built with one set of them."""
        models = {"labels", "segmenter", "depth", "tracker"}
        found = self.model_dump(mode="json", exclude={"videos", "device", "report_samples", "speed", *models})
        return {**found, "tracks": self.tracks.facts()}

    def without_secrets(self) -> BuildDataset:
        """To be written down."""
        if self.labels is None or "key" not in self.labels.options:
            return self
        options = {name: value for name, value in self.labels.options.items() if name != "key"}
        return self.model_copy(update={"labels": self.labels.model_copy(update={"options": options})})
