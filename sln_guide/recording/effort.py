"""`Effort`: how hard to compress, so that the recorder keeps up and spares the processor."""

from __future__ import annotations

from sln_guide.recording.codec import Codec

LOWER_AT = 0.05
"""Share of the backlog that waits when the codec is lowered; a twentieth is about 0.2 s."""
CALM_AT = 0.01
RAISE_AFTER_S = 30.0


class Effort:
    """Chooses the codec of frames to come, from how many wait and what writing them takes.

    A cheaper codec helps where compressing is what takes the time. Where the disk does, it would
    make more bytes for it to take, and is left alone.

    Parameters
    ----------
    normal
        Codec while nothing waits.
    capacity
        Bytes of frames that may wait.
    """

    def __init__(self, normal: Codec, capacity: int) -> None:
        self._normal = normal
        self._capacity = capacity
        self._lowered = False
        self._calm_since_s: float | None = None

    def choose(
        self, now_s: float, waiting: int, compressing_s: float, writing_s: float
    ) -> tuple[Codec, str]:
        """Return the codec for the next frames, and why in plain words.

        ``compressing_s`` and ``writing_s`` are what the last frames took.
        """
        if not self._lowered:
            processor_bound = compressing_s > writing_s
            if waiting > LOWER_AT * self._capacity and processor_bound:
                self._lowered = True
                self._calm_since_s = None
            return self._now(f"{waiting / 1e6:.0f} MB of frames wait for the processor")
        if waiting > CALM_AT * self._capacity:
            self._calm_since_s = None
        elif self._calm_since_s is None:
            self._calm_since_s = now_s
        elif now_s - self._calm_since_s >= RAISE_AFTER_S:
            self._lowered = False
        return self._now(f"nothing has waited for {RAISE_AFTER_S:g} s")

    def _now(self, why: str) -> tuple[Codec, str]:
        return (Codec.FAST if self._lowered else self._normal), why
