"""MP4 with H.264: what people can play anywhere. Lossy, for looking, never for measuring."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

TICKS_PER_S = 90_000
MAX_EDGE_PX = 16_000
"""What H.264 and x264 take, squared too."""
QUALITY = 18
"""Constant rate factor of x264: 0 lossless, 51 worst."""
BT709 = 1
"""Code of ITU-R BT.709 for primaries and transfer (ITU-T H.273, tables 2 and 3)."""


class OverlayVideo:
    """Writes pictures at their own times; used by one thread.

    The first picture gives the size, padded to even and made smaller where H.264 could not hold it;
    a picture of another size is fitted into it, its proportions kept. Times must rise; a time that
    does not is moved on by one tick.

    Parameters
    ----------
    path
        Is overwritten. The format is MP4 whatever its name.
    rate_hz
        Roughly how many pictures a second will come.

    Raises
    ------
    OSError
        When it cannot be written.
    """

    def __init__(self, path: Path, *, rate_hz: float) -> None:
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        rate = Fraction(rate_hz).limit_denominator(1001) if rate_hz > 0 else Fraction(1)
        self._stream = self._container.add_stream(
            "libx264", rate=rate, options={"crf": str(QUALITY), "preset": "veryfast"}
        )
        self._to_yuv = VideoReformatter()
        self._sized = False
        self._last_tick = -1
        self._closed = self._broken = False
        self.pictures = 0

    def write(self, rgb32: NDArray[np.uint32], time_s: float) -> None:
        """Append a picture: (H, W) uint32 0xffRRGGBB, not kept, ``time_s`` from the beginning."""
        if not self._sized:
            self._begin(*rgb32.shape)
        # looked at where it lies: a copy costs more than the conversion
        bgra = av.VideoFrame.from_numpy_buffer(_as_bgra(self._fitted(rgb32)), format="bgra")
        frame = self._to_yuv.reformat(
            bgra,
            format="yuv420p",
            src_colorspace=Colorspace.ITU709,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        tick = max(round(time_s * TICKS_PER_S), self._last_tick + 1)
        self._last_tick = tick
        frame.pts, frame.time_base = tick, Fraction(1, TICKS_PER_S)
        self._append(frame)
        self.pictures += 1

    def close(self) -> None:
        """Finish the file. Idempotent. Without a single picture it is no playable file."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._sized and not self._broken:
                self._append(None)
        finally:
            self._container.close()

    def _append(self, frame: av.VideoFrame | None) -> None:
        # nothing more after a failed write: adding to a file without a header ends the process
        self._broken = True
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
        self._broken = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, height: int, width: int) -> None:
        context = self._stream.codec_context
        share = min(1.0, MAX_EDGE_PX / max(width, height))
        width, height = max(1, int(width * share)), max(1, int(height * share))
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = context.time_base = Fraction(1, TICKS_PER_S)
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.color_primaries = context.color_trc = BT709
        self._sized = True

    def _fitted(self, rgb32: NDArray[np.uint32]) -> NDArray[np.uint32]:
        wide, high = self._stream.width, self._stream.height
        height, width = rgb32.shape
        if (height, width) == (high, wide):
            return rgb32
        if height > high or width > wide or (height < high - 1 and width < wide - 1):
            share = min(high / height, wide / width)
            width, height = max(1, int(width * share)), max(1, int(height * share))
            scaled = av.VideoFrame.from_ndarray(_as_bgra(rgb32), format="bgra").reformat(
                width=width, height=height
            )
            rgb32 = np.ascontiguousarray(scaled.to_ndarray()).view(np.uint32)[:, :, 0]
        canvas = np.full((high, wide), 0xFF000000, np.uint32)
        canvas[:height, :width] = rgb32
        return canvas


def _as_bgra(rgb32: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """See 0xffRRGGBB as bytes: blue, green, red, alpha on a little-endian machine."""
    little = np.ascontiguousarray(rgb32, dtype="<u4")
    return little.view(np.uint8).reshape(*rgb32.shape, 4)
