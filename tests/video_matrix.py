"""Every container x codec that ffmpeg can write here, read from every start and backwards, against plain decoding.

    python -m tests.video_matrix [NAME ...]     # prints a line a file: frames, starts tried, wrong frames

Needs ffmpeg on the path. The reference is PyAV's own loop over all packets, and ffprobe's count of frames.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from pointvid.files.video import VideoFile
from pointvid.files.video.color import Converter
from pointvid.files.video.orientation import deinterlaced

COUNT = 50
# Every frame is told from every other: what moves moves, and the grey rises.
SOURCE = (
    f"testsrc2=s=96x64:r=25:d={COUNT / 25},format=yuv420p,"
    "geq=lum='clip(lum(X,Y)/2+2*N,16,235)':cb='cb(X,Y)':cr='cr(X,Y)'"
)
X264 = "-c:v libx264 -preset veryfast -g 12 -sc_threshold 0 -bf 2"
X265 = "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=12:min-keyint=12:bframes=3"
MPEG2 = "-c:v mpeg2video -q:v 3 -g 12 -bf 2"
CODECS = {
    "h264": X264,
    "h264_open": f"{X264} -x264-params open-gop=1:b-pyramid=normal:bframes=4:ref=4",
    "h264_refresh": "-c:v libx264 -preset veryfast -g 15 -bf 0 -x264-params intra-refresh=1",
    "h264_pyramid": f"{X264} -x264-params b-pyramid=strict:bframes=5:b-adapt=0",
    "h264_interlaced": f"{X264} -flags +ildct+ilme -x264-params tff=1",
    "hevc": f"{X265}:open-gop=0",
    "hevc_open": f"{X265}:open-gop=1:b-adapt=0:b-pyramid=1",
    "hevc_refresh": "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=15:intra-refresh=1:bframes=0",
    "vp8": "-c:v libvpx -g 12 -auto-alt-ref 1 -lag-in-frames 16 -b:v 300k",
    "vp9": "-c:v libvpx-vp9 -g 12 -auto-alt-ref 1 -lag-in-frames 16 -row-mt 0 -cpu-used 5 -b:v 300k",
    "av1": "-c:v libsvtav1 -g 12 -preset 12",
    "mpeg2": f"{MPEG2} -flags +cgop -sc_threshold 1000000000",
    "mpeg2_open": MPEG2,
    "mpeg4": "-c:v mpeg4 -q:v 3 -g 12 -bf 2",
    "prores": "-c:v prores -pix_fmt yuv422p10le",
    "mjpeg": "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p",
    "wmv2": "-c:v wmv2 -q:v 3 -g 12",
    "flv1": "-c:v flv -q:v 3 -g 12",
    "theora": "-c:v libtheora -q:v 6 -g 12",
    "ffv1": "-c:v ffv1 -g 12",
}
H264 = ("h264", "h264_open", "h264_refresh", "h264_pyramid")
HEVC = ("hevc", "hevc_open", "hevc_refresh")
MPEG = ("mpeg2", "mpeg2_open", "mpeg4")
CONTAINERS = {
    "mp4": (*H264, "h264_interlaced", *HEVC, "vp9", "av1", *MPEG),
    "mov": (*H264, *HEVC, "prores", "mjpeg"),
    "mkv": (*H264, *HEVC, "vp8", "vp9", "av1", *MPEG, "prores", "ffv1", "theora"),
    "webm": ("vp8", "vp9", "av1"),
    "ts": (*H264, "h264_interlaced", *HEVC, "mpeg2", "mpeg2_open"),
    "mpg": ("mpeg2", "mpeg2_open"),
    "vob": ("mpeg2", "mpeg2_open"),
    "avi": (*H264, "mpeg4", "mjpeg", "mpeg2_open", "ffv1"),
    "flv": (*H264, "flv1"),
    "mxf": ("mpeg2", "mpeg2_open", "h264"),
    "wmv": ("wmv2",),
    "ogv": ("theora",),
    "gif": ("",),
    "apng": ("",),
    "h264": ("h264", "h264_open"),
    "nut": ("h264_open",),
}
EXTRA = {"fragmented.mp4": ("mp4", "h264_open", "-movflags +frag_keyframe+empty_moov+default_base_moof")}
CUTS = (
    "h264.mp4",
    "h264_open.mp4",
    "hevc_open.mp4",
    "h264_open.mkv",
    "hevc_open.mkv",
    "h264_open.ts",
    "mpeg2_open.mpg",
)


@dataclass(frozen=True)
class Count:
    """What came of one file: frames in it, frames asked for, how many of those were wrong, how often it failed."""

    name: str
    frames: int
    asked: int
    wrong: int
    failed: str = ""


def files(folder: Path, wanted: tuple[str, ...] = ()) -> list[Path]:
    """Write the matrix's files, or those whose name holds one of `wanted`."""
    jobs = {
        f"{codec or container}.{container}": (container, codec, "")
        for container, codecs in CONTAINERS.items()
        for codec in codecs
    }
    jobs |= EXTRA
    made = []
    for name, (container, codec, more) in jobs.items():
        cut = f"cut_{name}"
        if wanted and not any(part in name or (name in CUTS and part in cut) for part in wanted):
            continue
        path = folder / name
        kind = ["-f", "apng", "-plays", "0"] if container == "apng" else []
        encode("-f", "lavfi", "-i", SOURCE, *CODECS.get(codec, "").split(), *more.split(), *kind, str(path))
        made.append(path)
        if name in CUTS:  # without encoding again, in the middle of a group
            encode("-ss", "0.7", "-i", str(path), "-c", "copy", str(folder / cut))
            made.append(folder / cut)
    return made


def encode(*arguments: str) -> None:
    """Run ffmpeg."""
    subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments], check=True, capture_output=True)


def plain(path: Path) -> list[np.ndarray]:
    """All frames, by the simplest loop that there is."""
    converter = Converter(path.name)
    with av.open(str(path)) as container:
        frames = [frame for frame in container.decode(video=0) if not frame.is_corrupt]
        pictures = [(converter.rgb8(frame, 2), frame.interlaced_frame) for frame in frames]
    return [deinterlaced(pixels) if is_interlaced else pixels for pixels, is_interlaced in pictures]


def ffprobe_count(path: Path) -> int:
    """How many frames ffmpeg's own programs decode."""
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_frames", "-show_entries"]
    done = subprocess.run(
        [*command, "stream=nb_read_frames", "-of", "csv=p=0", str(path)], capture_output=True, text=True
    )
    return int(done.stdout.split()[0].strip(","))


def check(path: Path, starts: int | None = None) -> Count:
    """Read a file forwards, backwards, at random, and from every start, or from so many spread over it."""
    truth = plain(path)
    count = len(truth)
    asked = wrong = 0

    def compare(frame: np.ndarray, index: int) -> None:
        nonlocal asked, wrong
        asked += 1
        wrong += not np.array_equal(frame, truth[index])

    try:
        with VideoFile(path) as video:
            if len(video) != count:
                return Count(path.name, count, 0, 0, f"found {len(video)} frames")
            fps = video.fps
            jumps = np.random.default_rng(0).permutation(count)
            for t in [*range(count), *reversed(range(count)), *jumps.tolist()]:
                compare(video[t].numpy(), t)
        for first in range(0, count, 1 if starts is None else max(1, count // starts)):
            with VideoFile(path, frames=min(2, count - first), start=first / fps) as video:
                for t, frame in enumerate(video):
                    compare(frame.numpy(), first + t)
    except Exception as error:
        return Count(path.name, count, asked, wrong, f"{type(error).__name__}: {error}")
    return Count(path.name, count, asked, wrong)


def main() -> int:
    """Print the counts; exit status 1 if anything is wrong."""
    if shutil.which("ffmpeg") is None:
        print("ffmpeg is not on the path, expected it: it writes the files")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        counts = []
        for path in files(Path(folder), tuple(sys.argv[1:])):
            found = check(path)
            counts.append(found)
            probed = ffprobe_count(path)
            note = "" if probed == found.frames else f"(ffprobe counts {probed})"
            print(
                f"{found.name:24} {found.frames:3} frames, {found.asked:4} read, {found.wrong} wrong",
                note,
                found.failed,
            )
    bad = [count for count in counts if count.wrong or count.failed]
    read, wrong = sum(count.asked for count in counts), sum(count.wrong for count in counts)
    print(f"{len(counts)} files, {read} frames read, {wrong} wrong, {sum(bool(c.failed) for c in counts)} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
