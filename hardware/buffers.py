"""Which frame of a stream a device's buffer is, and when it could have been here."""

from __future__ import annotations

import math

NO_BLOCK_ID = 2**64 - 1
"""What pylon reports where a buffer carries no block ID."""

GIGE_BLOCK_IDS = 65535
"""GigE Vision without extended IDs counts 1, 2, ... 65535, 1, ...; zero is left out."""


class BlockNumbers:
    """Turns block IDs into a sequence that only grows, and tells how many frames are missing.

    Parameters
    ----------
    modulus
        How many different IDs there are before they begin anew; None: they never do.
    """

    def __init__(self, modulus: int | None = None) -> None:
        self._modulus = modulus
        self._sequence = -1
        self._last_id: int | None = None
        self._unnumbered = 0

    def take(self, block_id: int, most: float = math.inf) -> tuple[int, int]:
        """Return (sequence of this buffer, frames missing before it).

        The first ID is where counting starts: what came before it was never asked for. A buffer
        without an ID (some failed ones) counts as one frame, and so hides no loss and makes none.

        ``most`` frames can have been exposed since the last buffer. Where the ID went back and more
        would have to be missing, the device has begun anew at 1 before it had counted to the end.
        """
        if block_id == NO_BLOCK_ID or (self._modulus is not None and block_id == 0):
            self._unnumbered += 1
            self._sequence += 1
            return self._sequence, 0
        if self._last_id is None:
            self._sequence = max(self._sequence + 1, block_id)
            lost = 0
        else:
            step = block_id - self._last_id
            if self._modulus is not None and step < 0:
                wrapped = step % self._modulus
                step = wrapped if wrapped <= most else block_id + self._unnumbered
            lost = max(0, step - 1 - self._unnumbered)
            self._sequence += lost + 1
        self._last_id = block_id
        self._unnumbered = 0
        return self._sequence, lost


class ArrivalClock:
    """Arrival times on the host's clock without the host's jitter.

    A thread that reads late (a busy interpreter, a burst after a pause) stamps frames late, and
    pairing by such stamps goes wrong. Where the device has a clock, its ticks are pinned to the
    quickest arrivals seen: ``arrival = device + min(host - device)``, the minimum being let go at
    100 ppm so that two crystals may drift apart. Without one the host's stamp is the arrival.

    Parameters
    ----------
    ns_per_tick
        Length of a device tick [ns]; None: no usable clock.
    """

    DRIFT = 1e-4
    LATEST_NS = 2_000_000_000

    def __init__(self, ns_per_tick: float | None) -> None:
        self._ns_per_tick = ns_per_tick
        self._offset_ns: int | None = None
        self._host_ns = 0
        self._device_ns = 0

    def device_ns(self, ticks: int) -> int:
        """Return the device's time in ns; 0 where it has no clock."""
        return round(ticks * self._ns_per_tick) if self._ns_per_tick is not None else 0

    def arrival_ns(self, device_ns: int, host_ns: int) -> int:
        """Return when the frame could have been here; never later than ``host_ns``."""
        if device_ns <= 0:
            return host_ns
        offset = host_ns - device_ns
        if self._offset_ns is not None and device_ns > self._device_ns:
            relaxed = self._offset_ns + round(self.DRIFT * (host_ns - self._host_ns))
            # two seconds late is no jitter: the device's clock was set
            if offset - relaxed < self.LATEST_NS:
                offset = min(offset, relaxed)
        self._offset_ns, self._host_ns, self._device_ns = offset, host_ns, device_ns
        return device_ns + offset
