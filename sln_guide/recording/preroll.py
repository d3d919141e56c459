"""`PreRoll`: the last seconds before Record was pressed, kept compressed in memory."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Self

from hardware.frame import Frame
from hardware.realtime import Rank, go_first
from sln_guide.guidance import Role
from sln_guide.recording.codec import Codec
from sln_guide.recording.packed import PackedFrame, pack_frame
from sln_guide.recording.writer import CaseWriter

JOIN_S = 2.0


@dataclass(slots=True, eq=False)
class KeptFrame:
    """One frame kept: as it came, and compressed as soon as its turn has come."""

    role: Role
    content: Frame | PackedFrame
    held: bool = True
    """Whether the pre-roll still counts it."""

    @property
    def size(self) -> int:
        """Bytes."""
        content = self.content
        return content.size if isinstance(content, PackedFrame) else content.pixels.nbytes

    def write_into(self, case: CaseWriter) -> None:
        """Record it. Raises RecordingError."""
        content = self.content
        if isinstance(content, PackedFrame):
            case.write_packed(content)
        else:
            case.write_frame(self.role, content)


class PreRoll:
    """Frames of the last ``seconds``, oldest dropped first; compresses on a thread of its own.

    ``max_bytes`` bounds the memory, however fast or large the frames are. White light is kept as
    JPEG with ``white_jpeg_quality``. All methods may be called from any thread.
    """

    def __init__(
        self, seconds: float, max_bytes: int, white_jpeg_quality: int | None = None
    ) -> None:
        self._span_ns = round(seconds * 1e9)
        self._max_bytes = max_bytes
        self._white_jpeg_quality = white_jpeg_quality
        self._changed = threading.Condition()
        self._kept: deque[KeptFrame] = deque()
        self._raw: deque[KeptFrame] = deque()
        self._bytes = 0
        self._ending = False
        self._packing = threading.Thread(target=self._pack_all, name="pre-roll", daemon=True)
        self._packing.start()

    @property
    def size(self) -> int:
        """Bytes held."""
        with self._changed:
            return self._bytes

    def put_frame(self, role: Role, frame: Frame) -> None:
        """Keep ``frame``; let go of what is too old or too much. Never waits for compression."""
        kept = KeptFrame(role, frame)
        with self._changed:
            if self._ending:
                return
            self._kept.append(kept)
            self._raw.append(kept)
            self._bytes += kept.size
            oldest_ns = frame.host_time_ns - self._span_ns
            while self._kept and (
                self._bytes > self._max_bytes or self._kept[0].content.host_time_ns < oldest_ns
            ):
                dropped = self._kept.popleft()
                dropped.held = False
                self._bytes -= dropped.size
            self._changed.notify()

    def hand_over(self) -> list[KeptFrame]:
        """Return all that is kept, oldest first, and keep nothing of it."""
        with self._changed:
            kept = list(self._kept)
            for each in kept:
                each.held = False
            self._kept.clear()
            self._raw.clear()
            self._bytes = 0
            return kept

    def close(self) -> None:
        """Keep nothing more; end the thread. Idempotent."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self.hand_over()
        self._packing.join(JOIN_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pack_all(self) -> None:
        go_first(Rank.BESIDE)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._raw or self._ending)
                if self._ending:
                    return
                kept = self._raw.popleft()
            if kept.held and isinstance(kept.content, Frame):
                try:
                    packed = pack_frame(
                        kept.role, kept.content, Codec.LZ4, self._white_jpeg_quality
                    )
                except Exception:  # noqa: BLE001 - it stays as it is: the recorder packs it, or tells
                    continue
                with self._changed:
                    if kept.held:
                        self._bytes += packed.size - kept.size
                        kept.content = packed
