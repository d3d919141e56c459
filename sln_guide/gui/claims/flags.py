"""`Flags`: what is said of guidance over the picture stands long enough to be read. No Qt."""

from __future__ import annotations

from sln_guide.guidance import Guidance

STANDS_NS = 600_000_000
"""What holds for one frame and not for the next would flicker, and the picture below it jump."""


class Flags:
    """Remembers by the clock of the frames: a replay says the same, at whatever speed."""

    def __init__(self) -> None:
        self._seen_ns: dict[str, int] = {}

    def follow(self, guidance: Guidance | None) -> frozenset[str]:
        """Return the flags of a guidance, and of those up to `STANDS_NS` before it.

        Of none where there is no guidance: nothing is claimed then.
        """
        if guidance is None:
            return frozenset()
        now_ns = guidance.pair.nir.mid_exposure_ns
        self._seen_ns |= dict.fromkeys(guidance.flags, now_ns)
        self._seen_ns = {f: t for f, t in self._seen_ns.items() if 0 <= now_ns - t < STANDS_NS}
        return frozenset(self._seen_ns)
