"""`Grabbing`: makes frames of the buffers of one run, from start to stop. Knows no SDK itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hardware.buffers import GIGE_BLOCK_IDS, ArrivalClock, BlockNumbers
from hardware.camera import CameraCounters, CameraSettings, IncompleteFrameError
from hardware.frame import Frame, PixelFormat, half_exposure_ns
from hardware.genicam import Features
from hardware.images import Pixels
from hardware.pylon_words import description


@dataclass(frozen=True, slots=True)
class _Chunks:
    """What a buffer says of its own exposure; None where it does not say."""

    exposure_us: float | None = None
    gain_db: float | None = None
    line_status: int | None = None

    def light_on(self, bit: int | None) -> bool | None:
        """Return the state of the line of the excitation light; None if it is not wired."""
        if bit is None or self.line_status is None:
            return None
        return bool(self.line_status >> bit & 1)


_NO_CHUNKS = _Chunks()

MOST_HZ = 1000.0
"""No camera of ours is faster, whatever triggers it."""
MOST_TIMES_FASTER = 2.0
SPARE_FRAMES = 30
"""The rate may just have been changed, and a clock be coarse."""
LATEST_S = 60.0
"""Without a clock of the device, buffers may lie so long before they are read."""


class Grabbing:
    """One run of a stream; its counter begins anew with each.

    Parameters
    ----------
    serial, epoch
        Stamped on every frame.
    counters
        What was counted before, since the camera was opened.
    block_ids
        After how many block IDs they begin anew; None: never.
    ns_per_tick
        Length of a tick of the device's clock [ns]; None: it has none.
    chunks
        Whether frames bring their own exposure, gain and line status.
    light_bit
        Bit of the line status that is the excitation light; None: not wired.
    """

    def __init__(
        self,
        serial: str,
        epoch: int,
        counters: CameraCounters,
        *,
        started_ns: int,
        block_ids: int | None,
        ns_per_tick: float | None,
        chunks: bool,
        light_bit: int | None,
    ) -> None:
        self.counters = counters
        self.last_buffer_ns = started_ns
        self._serial = serial
        self._epoch = epoch
        self._numbers = BlockNumbers(block_ids)
        self._ns_per_tick = ns_per_tick
        self._clock = ArrivalClock(ns_per_tick)
        self._chunks = chunks
        self._light_bit = light_bit
        self._in_flight = 0
        self._numbered_ns = 0, started_ns
        """When the last buffer came, by the device's clock and by ours."""

    def settings_changed(self, waiting: int) -> None:
        """Mark frames under way: ``waiting`` in the SDK, one read out, one exposed, one to spare.

        The time from exposure to arrival changed too: the clock is pinned anew.
        """
        self._in_flight = waiting + 3
        self._clock = ArrivalClock(self._ns_per_tick)

    def frame(self, result: Any, host_ns: int, settings: CameraSettings, readout_ns: int) -> Frame:
        """Make a frame of a grab result that arrived at ``host_ns``; copies its pixels.

        ``mid_exposure_ns`` is the arrival, freed of the host's jitter where the device has a
        clock, less readout, less half the exposure.

        Raises
        ------
        IncompleteFrameError
            The buffer failed; counted.
        """
        self.last_buffer_ns = host_ns
        device_ns = self._clock.device_ns(result.GetTimeStamp())
        most = self._possible(device_ns, host_ns, settings.frame_rate_hz)
        sequence, lost = self._numbers.take(result.GetBlockID(), most)
        self._numbered_ns = device_ns, host_ns
        counted = replace(self.counters, lost=self.counters.lost + lost)
        in_flight, self._in_flight = self._in_flight > 0, max(0, self._in_flight - 1)
        pixel_format = settings.pixel_format
        assert pixel_format is not None
        try:
            if not result.GrabSucceeded():
                raise IncompleteFrameError(description(result))
            pixels = copied_pixels(result, pixel_format)
        except IncompleteFrameError as error:
            self.counters = replace(counted, failed=counted.failed + 1)
            raise IncompleteFrameError(f"camera {self._serial}: buffer failed: {error}") from None
        sent = _chunk_values(result) if self._chunks else _NO_CHUNKS
        exposure_us = settings.exposure_us if sent.exposure_us is None else sent.exposure_us
        gain_db = settings.gain_db if sent.gain_db is None else sent.gain_db
        assert exposure_us is not None
        assert gain_db is not None
        known = sent.exposure_us is not None and sent.gain_db is not None
        arrival_ns = self._clock.arrival_ns(device_ns, host_ns)
        self.counters = replace(counted, delivered=counted.delivered + 1)
        return Frame(
            pixels=pixels,
            pixel_format=pixel_format,
            bit_depth=pixel_format.bit_depth,
            sequence=sequence,
            stream_epoch=self._epoch,
            device_time_ns=device_ns,
            host_time_ns=host_ns,
            mid_exposure_ns=arrival_ns - readout_ns - half_exposure_ns(exposure_us),
            exposure_us=exposure_us,
            gain_db=gain_db,
            camera_id=self._serial,
            light_on=sent.light_on(self._light_bit),
            settings_in_flight=in_flight and not known,
        )

    def _possible(self, device_ns: int, host_ns: int, rate_hz: float | None) -> float:
        """Return how many frames can have been exposed since the last buffer."""
        before_device_ns, before_host_ns = self._numbered_ns
        elapsed_s = (host_ns - before_host_ns) / 1e9 + LATEST_S
        if device_ns > 0 and before_device_ns > 0:  # a clock that went back began anew as well
            elapsed_s = max(0.0, (device_ns - before_device_ns) / 1e9)
        return SPARE_FRAMES + MOST_TIMES_FASTER * elapsed_s * (rate_hz or MOST_HZ)


def ns_per_tick(transport: str, features: Features) -> float | None:
    """Return the length of the device clock's tick; None where it has none we know."""
    if transport == "BaslerUsb":
        return 1.0
    if transport == "BaslerGigE":
        ticks_per_s = features.number("GevTimestampTickFrequency")
        return 1e9 / ticks_per_s if ticks_per_s else None
    return None


def block_ids(transport: str, features: Features) -> int | None:
    """Return after how many block IDs they begin anew; None: never."""
    if transport != "BaslerGigE":
        return None
    name = features.first("GevGVSPExtendedIDMode", "BslGevGVSPExtendedIDMode")
    extended = name is not None and features.get(name) == "On"
    return None if extended else GIGE_BLOCK_IDS


def copied_pixels(result: Any, pixel_format: PixelFormat) -> Pixels:
    """Copy the image of a grab result, once, into read-only memory of its own.

    Through the raw view of the buffer: pylon's own arrays would unpack Mono12p and copy twice.

    Raises
    ------
    IncompleteFrameError
        The buffer is smaller than its own size and format say.
    """
    shape = pixel_format.array_shape(result.GetHeight(), result.GetWidth())
    row_bytes = shape[1] * np.dtype(pixel_format.dtype).itemsize
    stride = row_bytes + result.GetPaddingX()
    view = np.frombuffer(result.GetImageMemoryView(), dtype=np.uint8)
    if view.size < stride * shape[0]:
        raise IncompleteFrameError(
            f"{view.size} bytes are too few for {result.GetWidth()} x {result.GetHeight()} "
            f"pixels of {pixel_format}"
        )
    pixels: Pixels = np.empty(shape, dtype=np.dtype(pixel_format.dtype))
    rows = view[: stride * shape[0]].reshape(shape[0], stride)[:, :row_bytes]
    pixels.view(np.uint8)[...] = rows
    pixels.setflags(write=False)
    return pixels


def _chunk_values(result: Any) -> _Chunks:
    """Read the chunks of a grab result."""
    if not result.IsChunkDataAvailable():
        return _NO_CHUNKS
    names = ("ChunkExposureTime", "ChunkGain", "ChunkLineStatusAll")
    nodes = [result.GetChunkNode(name) for name in names]
    exposure_us, gain_db, lines = (node.Value if node.IsReadable() else None for node in nodes)
    return _Chunks(
        None if exposure_us is None else float(exposure_us),
        None if gain_db is None else float(gain_db),
        None if lines is None else int(lines),
    )
