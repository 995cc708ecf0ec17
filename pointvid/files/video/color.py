"""From a decoded frame, in whatever colours it is coded, to 8-bit RGB for an ordinary screen.

The matrix and the range are given to the converter explicitly: PyAV before 17 ignores what the frame says of them. SDR
keeps its primaries and its curve: of BT.2020 without HDR the matrix is undone, no more. PQ and HLG are tone-mapped.
"""

from __future__ import annotations

from functools import lru_cache

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from ...errors import PointVidError
from ..pictures import on_black

UNSPECIFIED, FULL = 2, 2  # AVColorSpace, AVColorRange
_PLAIN = (0, UNSPECIFIED, 3, 5, 6)  # RGB and BT.601: what the converter does unasked
_ASKED = (1, 4, 7, 9, 10)  # BT.709, FCC, SMPTE 240M, BT.2020
_UNKNOWN = {8: "YCgCo", 11: "SMPTE 2085", 12: "chroma-derived", 13: "chroma-derived", 14: "ICtCp"}
PQ, HLG = 16, 18  # AVColorTransferCharacteristic

WHITE = 203.0  # cd/m2 of diffuse white in HDR (ITU-R BT.2408), which becomes white
PEAK = 1000.0  # cd/m2, the brightest that is told apart
_TO_709 = np.array(  # linear light, BT.2020 primaries -> BT.709's (ITU-R BT.2087)
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


class Converter:
    """Converts the frames of one file. It keeps FFmpeg's converters, and their threads, for as long as it is kept."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._converters: dict[tuple, VideoReformatter] = {}

    def rgb8(self, frame: av.VideoFrame, transfer: int) -> np.ndarray:
        """uint8 [H, W, 3], transparency on black.

        Args:
            frame: as decoded.
            transfer: its curve, as FFmpeg numbers them.
        Raises:
            PointVidError: coded in a way that FFmpeg's converter does not know.
        """
        if transfer in (PQ, HLG):
            return tone_mapped(self._converted(frame, "rgb48le"), transfer)
        if has_alpha(frame):
            return on_black(self._converted(frame, "rgba"))
        return self._converted(frame, "rgb24")

    def _converted(self, frame: av.VideoFrame, format: str) -> np.ndarray:
        matrix, full = int(frame.colorspace), int(frame.color_range) == FULL
        if matrix in _UNKNOWN:
            raise PointVidError(
                f"{self._name}: colours are coded as {_UNKNOWN[matrix]}, expected RGB, BT.601, BT.709 or BT.2020; "
                "encode it again"
            )
        options = {}
        if not (frame.format.is_rgb or (matrix in _PLAIN and (not full or frame.format.name.startswith("yuvj")))):
            # Any other matrix and range for the target: they mean nothing for RGB, but only a difference is acted upon.
            options = {
                "dst_colorspace": "ITU709" if matrix not in _ASKED else "ITU601",
                "src_color_range": "JPEG" if full else "MPEG",
                "dst_color_range": "MPEG",
            }
        # Each case has a converter of its own: one would keep what the last call told it.
        converter = self._converters.setdefault((matrix, full, format), VideoReformatter())
        return converter.reformat(frame, format=format, **options).to_ndarray()


def has_alpha(frame: av.VideoFrame) -> bool:
    """Whether pixels of the frame can be transparent; those of a palette can."""
    return frame.format.name == "pal8" or any(component.is_alpha for component in frame.format.components)


def tone_mapped(rgb: np.ndarray, transfer: int) -> np.ndarray:
    """uint16 [H, W, 3], full range, BT.2020 with the curve PQ or HLG -> uint8 [H, W, 3], BT.709 with gamma 2.4.

    Dark and middle tones keep their brightness; from 92 cd/m2 on the knee of ITU-R BT.2390 brings 1000 cd/m2 to white.
    The curve is the same for every frame: nothing flickers.
    """
    light = _light(transfer)[rgb]  # float32, cd/m2 (HLG: of the scene, 0..1)
    if transfer == HLG:
        luminance = light @ np.array([0.2627, 0.6780, 0.0593], np.float32)
        light = light * (PEAK * np.maximum(luminance, 1e-6) ** np.float32(0.2))[..., None]
    levels, mapped = _knee()
    strongest = np.maximum(light.max(-1), 1e-4)
    gain = np.interp(strongest, levels, mapped).astype(np.float32) / (strongest * np.float32(WHITE))
    display = np.clip((light * gain[..., None]) @ _TO_709.T, 0, 1) ** np.float32(1 / 2.4)
    return np.round(display * 255).astype(np.uint8)


@lru_cache
def _light(transfer: int) -> np.ndarray:
    """float32 [65536]: what each code value stands for."""
    signal = np.arange(65536) / 65535
    if transfer == PQ:
        return _pq_to_light(signal).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073  # ITU-R BT.2100
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12).astype(np.float32)


@lru_cache
def _knee() -> tuple[np.ndarray, np.ndarray]:
    """Light before and after the knee, both in cd/m2 (ITU-R BT.2390-8, 5.4.1, without a black level)."""
    signal = np.linspace(0, 1, 4096)
    peak, white = _light_to_pq(np.array([PEAK, WHITE]))
    largest = white / peak
    start = 1.5 * largest - 0.5
    value = np.minimum(signal / peak, 1)
    t = np.clip((value - start) / (1 - start), 0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * start + (t**3 - 2 * t**2 + t) * (1 - start) + (3 * t**2 - 2 * t**3) * largest
    return _pq_to_light(signal), _pq_to_light(np.where(value < start, value, spline) * peak)


_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128  # SMPTE ST 2084
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def _pq_to_light(signal: np.ndarray) -> np.ndarray:
    power = signal ** (1 / _M2)
    return 10000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def _light_to_pq(light: np.ndarray) -> np.ndarray:
    power = (light / 10000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
