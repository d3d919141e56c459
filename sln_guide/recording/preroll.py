"""The last seconds before Record was pressed, kept compressed in memory."""

from __future__ import annotations

from collections import deque

from sln_guide.recording.records import PackedFrame
from sln_guide.recording.writer import CaseWriter


class PreRoll:
    """Frames of the last ``seconds``, oldest dropped first. One thread at a time.

    ``max_bytes`` bounds the memory, however fast or large the frames are.
    """

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self._span_ns = round(seconds * 1e9)
        self._max_bytes = max_bytes
        self._kept: deque[PackedFrame] = deque()
        self._bytes = 0

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._bytes

    @property
    def seconds(self) -> float:
        """Time covered."""
        if not self._kept:
            return 0.0
        return (self._kept[-1].host_time_ns - self._kept[0].host_time_ns) / 1e9

    def keep(self, packed: PackedFrame) -> None:
        """Keep ``packed`` (of `pack_frame`) and let go of what is too old or too much."""
        self._kept.append(packed)
        self._bytes += packed.size
        oldest_ns = packed.host_time_ns - self._span_ns
        while self._kept and (
            self._bytes > self._max_bytes or self._kept[0].host_time_ns < oldest_ns
        ):
            self._bytes -= self._kept.popleft().size

    def pour_into(self, case: CaseWriter) -> int:
        """Write all of it into ``case``, oldest first, and be empty; return how many frames.

        Raises
        ------
        RecordingError
            The case cannot take it; what was not written is still held.
        """
        count = 0
        while self._kept:
            case.write_packed(self._kept[0])
            self._bytes -= self._kept.popleft().size
            count += 1
        return count
