"""Pictures of tracks that need no GL and no JavaScript: over the video, and as a moving point cloud."""

from .cloud import render_point_cloud, swing
from .overlay import draw_tracks, overlay_frames
from .preview import compose_preview

__all__ = ["compose_preview", "draw_tracks", "overlay_frames", "render_point_cloud", "swing"]
