"""The list of nodes this pack gives to the host."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension

from .caption_to_labels import CaptionToLabels
from .coordinates import TracksToCoordinates
from .core_tracks import TracksFromCore, TracksToCore
from .demo_clip import DemoClip
from .estimate_depth import EstimateDepth
from .export_tracks import ExportTracks
from .fill_tracks import FillTracks
from .guidance import InnerGuidance, RigidityGuidance, WithoutPoints
from .host_api import io
from .image_to_video import ImageToVideo
from .join_split import JoinLatents, SplitLatents
from .load_depth_model import LoadDepthModel
from .load_model import LoadModel
from .load_segmenter import LoadSegmenter
from .load_tracker import LoadTracker
from .measure_tracks import MeasureTracks
from .point_cloud_preview import PointCloudPreview
from .sample_files import LoadSample, SaveSample
from .sampler import VideoPointSampler
from .save_model import SaveModel
from .segment_objects import SegmentObjects
from .smooth_tracks import SmoothTracks
from .track_files import LoadTracks, SaveTracks
from .tracking_preprocessor import TrackingPreprocessor
from .trajectory_decoder import TrajectoryDecoder


class PointVidExtension(ComfyExtension):
    """Everything the host learns of at start-up."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """In the order of the graph: source, tracking, refining, looking, files, bridges."""
        return [
            DemoClip,
            CaptionToLabels,
            LoadSegmenter,
            SegmentObjects,
            LoadTracker,
            LoadDepthModel,
            EstimateDepth,
            TrackingPreprocessor,
            SmoothTracks,
            FillTracks,
            PointCloudPreview,
            MeasureTracks,
            LoadTracks,
            SaveTracks,
            ExportTracks,
            LoadSample,
            SaveSample,
            TracksToCore,
            TracksFromCore,
            TracksToCoordinates,
            LoadModel,
            SaveModel,
            ImageToVideo,
            VideoPointSampler,
            TrajectoryDecoder,
            InnerGuidance,
            RigidityGuidance,
            WithoutPoints,
            JoinLatents,
            SplitLatents,
        ]
