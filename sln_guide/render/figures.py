"""`Figures`: numbers that stand still long enough to be read, the same wherever said."""

from __future__ import annotations

from sln_guide.guidance import Detection

STANDING_NS = 250_000_000
"""How long figures stand still [ns of the recording]."""
MOST_KEPT = 64


class Figures:
    """Remembers whose figures are being said of each thing. One thread.

    Shared by all that word the same guidance for one pair of eyes: two numbers for one node, in
    the picture and beside it, would have the surgeon ask which is true.
    """

    def __init__(self) -> None:
        self._said: dict[int, tuple[Detection, int]] = {}
        self.changes = 0
        """Grows when other figures are to be said: whoever says them can follow at once."""

    def standing(self, key: int, detection: Detection, now_ns: int) -> Detection:
        """Return the detection whose figures to say instead of ``detection``'s, or itself.

        Only figures of the same thing in the same state stand still; what is lost from sight,
        clipped or taken for something else is said at once.

        Parameters
        ----------
        key
            Tells things apart: the track.
        now_ns
            Mid-exposure of the NIR frame that ``detection`` was found in.
        """
        said = self._said.get(key)
        if said is not None and 0 <= now_ns - said[1] < STANDING_NS:
            if _state(said[0]) == _state(detection):
                return said[0]
        if len(self._said) >= MOST_KEPT:
            self._said = {k: s for k, s in self._said.items() if 0 <= now_ns - s[1] < STANDING_NS}
        self._said[key] = detection, now_ns
        self.changes += 1
        return detection


def _state(detection: Detection) -> tuple[object, ...]:
    return (
        (detection.kind, detection.node_number, detection.confirmed, detection.coasted),
        (detection.saturated_fraction > 0, detection.flags),
    )
