"""Reading and writing video.

| file | what |
|---|---|
| reader.py | `VideoFile`, `read_clip`: frames at a constant rate |
| film.py | one frame of a file that FFmpeg decodes, exactly that one |
| container.py | opening a file, choosing its track, what its packets promise |
| timing.py | from display times to a constant rate |
| color.py, orientation.py | from coded pixels to upright 8-bit RGB |
| stills.py | pictures, animations, sequences, folders |
| writer.py | writing H.264 |
"""

from .reader import Clip, VideoFile, decode_mp4, read_clip
from .writer import encode_mp4, write_video

__all__ = ["Clip", "VideoFile", "decode_mp4", "encode_mp4", "read_clip", "write_video"]
