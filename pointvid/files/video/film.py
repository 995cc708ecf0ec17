"""One frame of a film, exactly that one, from anywhere in the file.

A seek is a guess: formats land early, late, on frames that need others, or say yes and do nothing. So what is reached
is checked, by packet and by frame, and where it does not fit the next seek goes further back, in the end to the
beginning. What plain decoding from the beginning gives is the truth.
"""

from __future__ import annotations

import ctypes
import io
import os
import weakref
from collections import deque
from fractions import Fraction
from typing import Any

import av
import av.error
import numpy as np

from ...errors import PointVidError
from ..pictures import MAX_PIXELS, printable
from .color import Converter
from .container import alpha_decoder, choose_track, is_cut_short, open_container, read_packets
from .orientation import deinterlaced, display_matrix, square_pixels, upright
from .timing import DEFAULT_RATE, times_in_order

# Where a seek is known to be one: by an index, or by searching the file. In other formats all frames are reached by
# decoding from the beginning.
_INDEXED = {"mov", "matroska"}
_SEARCHED = {"mpegts", "mpeg", "flv", "mxf", "asf", "avi", "ogg"}
_MOST_FRAMES = 1_000_000_000  # a header that promises more is damaged itself
_WORTH_A_SEEK = 48  # so many frames ahead a later key frame is looked for
_UNSPECIFIED = (0, 2)  # AVColorTransferCharacteristic

_films: weakref.WeakSet[Film] = weakref.WeakSet()


class Recounted(PointVidError):
    """The packets promised other frames than can be decoded; `Film.times` now says which there are."""


class Film:
    """The frames of a file that FFmpeg decodes; see `stills.Source`.

    Nothing refers back to it (no generator of its own), so `close()` ends the decoder's threads at once.

    Raises:
        PointVidError: no video in it, unreadable, or nothing of it can be decoded.
    """

    def __init__(self, source: str | io.BytesIO, name: str) -> None:
        self._source, self._name = source, name
        self._matrix, self._is_matrix_known = None, False
        self._forget()
        _films.add(self)
        try:
            self._open()
            self._read_index()
        except BaseException:
            self.close()
            raise

    def pixels(self, index: int) -> np.ndarray:
        """See Source."""
        frame = self._frame(index)
        transfer = int(getattr(frame, "color_trc", 0))
        if transfer in _UNSPECIFIED:
            transfer = int(self._track.codec_context.color_trc)
        if not self._is_matrix_known:  # asked of one frame only: PyAV frames that were asked are garbage in a cycle
            self._matrix, self._is_matrix_known = display_matrix(frame), True
        pixels = self._converter.rgb8(frame, transfer)
        if frame.interlaced_frame:
            pixels = deinterlaced(pixels)
        return upright(square_pixels(pixels, self._track.sample_aspect_ratio), self._matrix)

    def close(self) -> None:
        """See Source."""
        if self._container is not None:
            self._container.close()
        self._forget()

    # Of PyAV, None while the file is closed.
    _container: Any
    _track: Any
    _decoder: Any
    _packets: Any

    def _forget(self) -> None:
        self._container = self._track = self._decoder = self._packets = None
        self._converter = Converter(printable(self._name))
        self._waiting: deque[av.VideoFrame] = deque()
        self._at = -1  # the frame that was decoded last; -1: unknown, go to a place first

    # -- which frames there are

    def _open(self) -> None:
        self.close()
        self._container = open_container(self._source, self._name)
        self._track = choose_track(self._container, self._source, self._name)
        # Older torchvisions (0.20 is one) have PyAV log through Python. A decoder thread that logs then waits for the
        # GIL while the thread that closes the decoder holds it and waits for the decoder thread: neither goes on.
        if av.logging.get_level() is not None:
            av.logging.set_level(None)
        self._track.thread_type = "AUTO"
        self._track.codec_context.options = {"max_pixels": str(MAX_PIXELS)}

    def _read_index(self) -> None:
        self._promised = packets = read_packets(self._container, self._track, self._name)
        self.time_base: Fraction = self._track.time_base
        self.rate: Fraction | None = self._track.average_rate or self._track.guessed_rate
        self.times = np.arange(packets.count) if packets.times is None else packets.times
        formats = set(self._container.format.name.split(","))
        self._is_indexed = bool(_INDEXED & formats)
        self._keys = packets.keys if (_INDEXED | _SEARCHED) & formats else packets.keys[:0]
        self._by_number, self._counted, self._unclean, self.lost = False, False, 0, 0
        promised = packets.count
        if cut := is_cut_short(self._source, self._name):
            promised = max(promised, self._track.frames) if self._track.frames < _MOST_FRAMES else promised + 1
        if packets.doubtful:
            self._count()
        if cut:
            self.lost = max(promised - len(self.times), 0)
        if not len(self.times):
            if promised:
                raise self._damaged(0, promised)
            raise PointVidError(f"{printable(self._name)} has 0 frames, expected at least 1")

    def _count(self) -> None:
        """The truth about which frames there are: what decoding all of it gives.

        What never appears, though nothing is wrong, is no frame: pictures before the first key frame, or for reference
        only. Where the decoder complained, missing frames are damage, and keep their places.
        """
        self._counted, self._by_number, self._unclean = True, False, 0
        self._restart()
        times: list[tuple[int | None, int | None]] = []
        whole: list[bool] = []
        while (frame := self._next()) is not None:
            times.append((frame.pts, frame.dts))
            whole.append(not frame.is_corrupt)
        self._at = -1
        good = np.flatnonzero(whole)
        begin, end = (int(good[0]), int(good[-1]) + 1) if len(good) else (0, 0)
        self.lost = len(whole) - end
        shown = [pts for pts, _ in times[begin:end]]
        if None not in shown and (np.diff(np.array(shown, np.float64)) > 0).all():
            self.times = np.array(shown, np.int64)
            promised, keys = self._promised.times, self._promised.keys
            if self._complaints and len(self.times) and promised is not None and len(keys):
                self.times = np.union1d(self.times, promised[promised >= keys[0]])
            return
        self._by_number, self._unclean, self._keys = True, begin, self._keys[:0]
        self.lost += self._complaints
        self.times = times_in_order(shown, [dts for _, dts in times[begin:end]])
        if not any(pts is not None or dts is not None for pts, dts in times[begin:end]):
            self.time_base = 1 / (self.rate or DEFAULT_RATE)

    # -- getting to a frame

    def _frame(self, index: int) -> av.VideoFrame:
        if self._is_just_ahead(index) and (frame := self._advance(index)):
            return frame
        key = self._key(index)
        back = 0
        while key - back > 0:
            if self._seek(int(self._keys[key - back])) and (frame := self._advance(index)):
                return frame
            back = 2 * back + 1
        self._restart()
        if frame := self._advance(index):
            return frame
        problem = self._damaged(index, len(self.times) + self.lost)
        if not self._counted:
            before = self.times
            self._count()
            if len(self.times) and not np.array_equal(before, self.times):
                raise Recounted(str(problem))
        raise problem

    def _key(self, index: int) -> int:
        """Which key frame is the last at or before a frame; -1 where none is known."""
        return int(np.searchsorted(self._keys, self.times[index], side="right")) - 1

    def _is_just_ahead(self, index: int) -> bool:
        if not 0 <= self._at < index:
            return False
        key = self._key(index)
        return index - self._at <= _WORTH_A_SEEK or key < 0 or self._keys[key] <= self.times[self._at]

    def _advance(self, wanted: int) -> av.VideoFrame | None:
        """Decode on to a frame; None where it does not come, or comes damaged."""
        while (frame := self._next()) is not None:
            index, is_known = self._index_of(frame)
            if index == wanted and is_known and not frame.is_corrupt:
                self._at = wanted
                return frame
            if index > wanted or (index == wanted and is_known):
                break
            if is_known:
                self._at = index
        self._at = -1
        return None

    def _index_of(self, frame: av.VideoFrame) -> tuple[int, bool]:
        """Where in `times` a frame is or would be, and whether it is one of them."""
        self._ordinal += 1
        if self._by_number:
            return self._ordinal - 1 - self._unclean, self._ordinal > self._unclean
        if frame.pts is None or (self._clean is not None and frame.pts < self._clean):
            return -1, False
        index = int(np.searchsorted(self.times, frame.pts))
        return index, index < len(self.times) and int(self.times[index]) == frame.pts

    def _seek(self, time: int) -> bool:
        """Go to the key frame at `time`, or to one before it; False where the file does not get us there."""
        if not self._jump(time):
            return False
        for packet in self._packets:
            if packet.is_keyframe and packet.size and packet.pts is not None:
                if packet.pts > time:
                    return False
                place = self._promised.places.get(packet.pts)
                if place is None or self._promised.order[place] != (packet.pts, packet.size):
                    return False
                self._clean = packet.pts  # what is shown earlier builds on frames that were skipped
                self._place = place + 1
                self._decode(packet)
                return True
            if packet.dts is not None and packet.dts > time:
                return False
        return False

    def _restart(self) -> None:
        """Go to the very first packet, if need be by opening the file again."""
        time = self._promised.order[0][0] if self._promised.order else None
        if self._is_indexed and time is not None and self._jump(time):
            packet = next(self._packets, None)
            if packet is not None and (packet.pts, packet.size) == self._promised.order[0]:
                self._decode(packet)
                return
        self._open()
        self._begin()

    def _jump(self, time: int) -> bool:
        if self._container is None:
            self._open()
        assert self._container is not None
        try:
            self._container.seek(time, stream=self._track)
        except av.error.FFmpegError:
            return False
        self._begin()
        return True

    def _begin(self) -> None:
        self._decoder = alpha_decoder(self._track, self._name)
        self._packets = self._container.demux(self._track)
        self._waiting.clear()
        self._at, self._ordinal, self._complaints = -1, 0, 0
        self._clean = self._place = None

    def _next(self) -> av.VideoFrame | None:
        """The next frame that comes out of the decoder; what it cannot decode is left out, as players do."""
        while not self._waiting:
            try:
                packet = next(self._packets, None)
            except (av.error.FFmpegError, OSError):
                return None
            if packet is None:
                return None
            if self._place is not None and packet.size:
                # After a search in the file, FFmpeg now and then gives packets other times than when it reads on.
                if self._promised.order[self._place] != (packet.pts, packet.size):
                    return None
                self._place += 1
            self._decode(packet)
        return self._waiting.popleft()

    def _decode(self, packet: av.Packet) -> None:
        try:
            if self._decoder is None:
                self._waiting.extend(packet.decode())
            else:
                self._waiting.extend(self._decoder.decode(packet if packet.size else None))
        except (av.error.FFmpegError, EOFError):
            self._complaints += 1

    def _damaged(self, index: int, promised: int) -> PointVidError:
        return PointVidError(
            f"{printable(self._name)}: frame {index} of {promised} cannot be decoded (damaged or truncated file), "
            "expected a whole video; copy or encode it again, or use fewer frames"
        )


def _leave_to_parent() -> None:
    """In a forked process: let go of decoders whose threads exist in the parent only.

    Freeing such a decoder would wait for its threads for ever, so it is never freed; and the open file's position is
    shared with the parent. The next frame opens the file anew.
    """
    for film in list(_films):
        for thing in (film._container, film._track, film._decoder, film._packets, film._waiting, film._converter):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
        film._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
