"""Training samples on disk: clip, point map and caption in one file, specified in docs/sample-format.md."""

from __future__ import annotations

from . import types
from .host import existing_file, file_fingerprint, list_files, output_file
from .host_api import io
from .inputs import filename_prefix


class SaveSample(io.ComfyNode):
    """IMAGE + POINT_MAP + caption -> a sample file in the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_SaveSample",
            display_name="Save PointVid Sample",
            category="PointVid/files",
            description="Writes a training sample: the clip, the 3D trajectory of every foreground pixel, and a "
            "caption. A folder of these is a data set for the PointVid trainer.",
            search_aliases=["training sample", "dataset", "webdataset", "save sample", "fine-tune"],
            inputs=[
                io.Image.Input("image", tooltip="The clip that was tracked."),
                types.PointMap.Input(
                    "point_map", tooltip="Its point map, from Track Points in 3D or Fill Point Tracks."
                ),
                io.String.Input(
                    "caption",
                    default="",
                    multiline=True,
                    tooltip="What happens in the clip, as in a prompt: a hand pushes the red box to the left.",
                ),
                io.String.Input(
                    "labels", default="", tooltip="The objects that are tracked, separated by commas: hand, red box."
                ),
                filename_prefix("pointvid/sample"),
            ],
            outputs=[io.String.Output(display_name="path", tooltip="Where the file was written.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, image, point_map, caption: str, labels: str, filename_prefix: str) -> io.NodeOutput:
        """Write a new numbered file; the graph goes into its provenance unless the host was told --disable-metadata."""
        from comfy.cli_args import args

        from ..pointvid import __version__
        from ..pointvid.errors import PointVidError
        from ..pointvid.files.sample import SUFFIX, Sample, write_sample
        from .images import to_uint8

        here, there = tuple(image.shape[:3]), tuple(point_map.points.shape[:3])
        if here != there:
            raise PointVidError(
                f"image is {'x'.join(map(str, here))}, point_map {'x'.join(map(str, there))} (TxHxW); expected the "
                "clip that was tracked"
            )
        provenance = {"software": f"ComfyUI-PointVid {__version__}"}
        if not args.disable_metadata and cls.hidden.prompt is not None:
            provenance["comfyui_prompt"] = cls.hidden.prompt
        sample = Sample(
            video=to_uint8(image).cpu(),
            point_map=point_map,
            caption=caption.strip(),
            labels=tuple(label.strip() for label in labels.split(",") if label.strip()),
            provenance=provenance,
        )
        path, saved = output_file(filename_prefix, SUFFIX)
        write_sample(sample, path)
        return io.NodeOutput(str(path), ui={"files": [saved]})


class LoadSample(io.ComfyNode):
    """A sample file -> IMAGE, POINT_MAP, MASK, caption, fps."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as the host asks for them."""
        return io.Schema(
            node_id="PointVid_LoadSample",
            display_name="Load PointVid Sample",
            category="PointVid/files",
            description="Reads a training sample written by Save PointVid Sample or by the trainer's tools.",
            search_aliases=["training sample", "dataset", "open sample", "load sample"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=list_files(".pointvid.tar"),
                    tooltip="Files in input/, input/pointvid/ and output/. Press R to look again.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The clip."),
                types.PointMap.Output(display_name="point_map", tooltip="A trajectory for every foreground pixel."),
                io.Mask.Output(display_name="mask", tooltip="The foreground of the first frame."),
                io.String.Output(display_name="caption", tooltip="What happens in the clip."),
                io.Float.Output(display_name="fps", tooltip="Frames a second."),
            ],
        )

    @classmethod
    def validate_inputs(cls, file: str) -> bool | str:
        """Any file below the host's folders will do, listed or not."""
        from ..pointvid.errors import PointVidError

        try:
            existing_file(file, "sample file")
        except PointVidError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, file: str) -> str:
        """Run again when the file has changed."""
        return file_fingerprint(file)

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        """Read the file and check its hash."""
        from ..pointvid.files.sample import read_sample
        from .images import to_image

        sample = read_sample(existing_file(file, "sample file"))
        points = sample.point_map
        return io.NodeOutput(
            to_image(sample.video), points, points.mask[None].float(), sample.caption, float(points.fps)
        )
