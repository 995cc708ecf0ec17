"""What travels along the wires of the graph.

POINT_TRACKS
    A `pointvid.tracks.PointTracks`: `uvd` float32 [T, N, 3] (u right and v down in pixels of the clip, pixel centres
    at integers; depth along the camera's axis), `visible` bool [T, N], `image_size` (H, W), `camera` (pinhole
    intrinsics in pixels), `depth_unit` "metric" (metres) or "relative", `fps`, and, where known, `color` uint8 [N, 3]
    and `object_id` int32 [N]. The first frame is the reference: `uvd[0, n, :2]` is where track n was started.
POINT_MAP
    A `pointvid.point_map.PointMap`: `points` float32 [T, H, W, 3], where entry (row v, column u) of EVERY frame holds
    the (u, v, depth) that pixel (u, v) of the first frame has then, and `objects` int32 [H, W], the object of each
    pixel of the first frame: 0 is background, -1 foreground of no object known. `mask` bool [H, W] is where it is not
    0. `visible` bool [T, H, W] where it is known; `camera`, `depth_unit` and `fps` as above.
POINT_TRACKER
    Something that follows points, as `pointvid.trackers.base.Tracker` says: `track(video, queries, ...)`. Its
    network is in the host's memory management.
OBJECT_SEGMENTER
    Something that finds objects by name, as `pointvid.segmenters.base.Segmenter` says: `segment(image, labels, ...)`.
    Its networks are in the host's memory management.
DEPTH_MODEL
    Something that estimates depth, as `pointvid.depth_models.base.DepthModel` says: `unit`, `estimate(video, ...)`. Its
    network is in the host's memory management.

All tensors are on the CPU. Nodes of other packs may read these attributes; the values are never changed in place.
Everything else uses the host's own sockets.
"""

from __future__ import annotations

from .host_api import io

PointTracks = io.Custom("POINT_TRACKS")
PointMap = io.Custom("POINT_MAP")
PointTracker = io.Custom("POINT_TRACKER")
ObjectSegmenter = io.Custom("OBJECT_SEGMENTER")
DepthModel = io.Custom("DEPTH_MODEL")

# Core's geometry packets: dicts documented at the head of comfy_extras/nodes_depth_anything_3.py and nodes_moge.py.
DepthAnything3Geometry = io.Custom("DA3_GEOMETRY")
MogeGeometry = io.Custom("MOGE_GEOMETRY")

# Older cores have no 3D file sockets, and one of them no TRACKS: there a path travels as STRING, tracks under core's
# later name.
File3DGLB = getattr(io, "File3DGLB", io.String)
# An export's scene fits what takes any 3D file, and as ply also what takes point clouds.
File3DScene = io.Custom("FILE_3D,FILE_3D_PLY") if hasattr(io, "File3DAny") else io.String
CoreTracks = getattr(io, "Tracks", None) or io.Custom("TRACKS")
