"""What turns a device's buffers into a stream: numbering, arrival times, and a watch on calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

CALL_GRACE_S = 2.0
"""How much longer than its own timeout a call into a driver may take before it counts as stuck."""

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

    def take(self, block_id: int) -> tuple[int, int]:
        """Return (sequence of this buffer, frames missing before it).

        The first ID is where counting starts: what came before it was never asked for. A buffer
        without an ID (some failed ones) counts as one frame, and so hides no loss and makes none.
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
            if self._modulus is not None:
                step %= self._modulus
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


class CallWatch:
    """Notes which calls into a driver are under way and when each should be back.

    `calling` is for the thread that calls; `stuck` and `last_progress_ns` are for any other and
    touch nothing but this object.
    """

    def __init__(self) -> None:
        self._under_way: dict[int, tuple[str, int]] = {}
        self._last_progress_ns = time.monotonic_ns()

    @contextmanager
    def calling(self, what: str, allowed_s: float) -> Iterator[None]:
        """Mark the body as a call named ``what`` that takes ``allowed_s`` at the very most."""
        thread = threading.get_ident()
        before = self._under_way.get(thread)
        self._under_way[thread] = (what, time.monotonic_ns() + round(allowed_s * 1e9))
        try:
            yield
        finally:
            if before is None:
                self._under_way.pop(thread, None)
            else:
                self._under_way[thread] = before
            self._last_progress_ns = time.monotonic_ns()

    @property
    def last_progress_ns(self) -> int:
        """`time.monotonic_ns` when a call last came back."""
        return self._last_progress_ns

    def stuck(self, now_ns: int) -> str | None:
        """Return the name of a call that is overdue at ``now_ns``, or None."""
        for what, deadline_ns in list(self._under_way.values()):
            if now_ns > deadline_ns:
                return what
        return None
