"""What the two processes tell each other, and how arrays cross: through shared memory."""

from __future__ import annotations

import pickle
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sln_guide.guidance import Mode, SessionHealth
from sln_guide.source import EventMark

BLOCKS = 3
"""One being filled, one on its way, one being emptied."""
IN_BAND_BYTES = 4096
"""Arrays smaller than this travel in the message itself."""
ALIGN = 64
SPARE = 1.25


@dataclass(frozen=True, slots=True)
class Call:
    """Window → engine: do this. ``number``: an answer is awaited."""

    method: str
    arguments: dict[str, Any] = field(default_factory=dict)
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Unloaded:
    """Window → engine: this block may be filled again."""

    block: int


@dataclass(frozen=True, slots=True)
class Reply:
    """Engine → window: the answer to a call."""

    number: int
    value: Any = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """Engine → window, many times a second: how it fares. ``asked_ns``: monotonic."""

    health: SessionHealth
    events: tuple[EventMark, ...]
    title: str
    mode: Mode
    asked_ns: int


@dataclass(frozen=True, slots=True)
class Load:
    """Engine → window: a picture or a white frame, its arrays in shared memory.

    ``spans`` are (first byte, end byte) of each array, in the order of the pickle.
    """

    block: int
    name: str
    spans: tuple[tuple[int, int], ...]
    body: bytes


class Loader:
    """Engine's end: puts a value's arrays into one of a few blocks. One thread loads.

    `unloaded` and `close` may be called from another.
    """

    def __init__(self) -> None:
        self._memory: list[SharedMemory | None] = [None] * BLOCKS
        self._free = list(range(BLOCKS))

    @property
    def room(self) -> bool:
        """Whether a block is free."""
        return bool(self._free)

    def load(self, value: Any) -> Load:
        """Copy ``value`` into a free block. Raises IndexError when there is no `room`."""
        buffers: list[NDArray[np.uint8]] = []

        def take(buffer: pickle.PickleBuffer) -> bool:
            raw = buffer.raw()
            if raw.nbytes < IN_BAND_BYTES:
                return True
            buffers.append(np.frombuffer(raw, np.uint8))
            return False

        body = pickle.dumps(value, protocol=5, buffer_callback=take)
        spans, end = [], 0
        for each in buffers:
            first = -(-end // ALIGN) * ALIGN
            end = first + each.size
            spans.append((first, end))
        block = self._free.pop()
        memory = self._sized(block, end)
        whole = _bytes_of(memory)
        for each, (first, last) in zip(buffers, spans, strict=True):
            np.copyto(whole[first:last], each)  # without the interpreter's lock
        del whole
        return Load(block, memory.name, tuple(spans), body)

    def unloaded(self, block: int) -> None:
        """Take a block back."""
        self._free.append(block)

    def close(self) -> None:
        """Give the memory back to the system."""
        for memory in self._memory:
            if memory is not None:
                memory.close()
                memory.unlink()
        self._memory = [None] * BLOCKS

    def _sized(self, block: int, size: int) -> SharedMemory:
        memory = self._memory[block]
        if memory is not None and memory.size >= size:
            return memory
        if memory is not None:
            memory.close()
            memory.unlink()
        memory = SharedMemory(create=True, size=max(int(size * SPARE), 1 << 20))
        self._memory[block] = memory
        return memory


class Unloader:
    """Window's end: copies what came out of shared memory into memory of its own.

    So the engine may die, or go on, whatever the window still holds. The memory is used again as
    soon as nothing refers to it: fresh pages would cost more than the copy.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, SharedMemory] = {}
        self._spare: list[NDArray[np.uint8]] = []

    def unload(self, load: Load) -> Any:
        """Return what `Loader.load` was given; its large arrays are read-only."""
        memory = self._attached(load)
        size = load.spans[-1][1] if load.spans else 0
        lease = self._lease(size)
        np.copyto(lease, _bytes_of(memory)[:size])
        view = lease.data.toreadonly()
        return pickle.loads(load.body, buffers=[view[a:b] for a, b in load.spans])

    def close(self, *, remove: bool = False) -> None:
        """Let go of the shared memory. ``remove``: the engine could not do it itself."""
        for memory in self._blocks.values():
            memory.close()
            if remove:
                with suppress(FileNotFoundError):
                    memory.unlink()
        self._blocks.clear()

    def _attached(self, load: Load) -> SharedMemory:
        memory = self._blocks.get(load.block)
        if memory is not None and memory.name == load.name:
            return memory
        if memory is not None:
            memory.close()
        memory = self._blocks[load.block] = SharedMemory(load.name)
        return memory

    def _lease(self, size: int) -> NDArray[np.uint8]:
        """Return ``size`` writable bytes that come back when the last view of them is gone."""
        whole = None
        with suppress(IndexError):
            whole = self._spare.pop()
        if whole is None or whole.size < size:
            whole = np.empty(int(size * SPARE), np.uint8)
        lease = whole[:size]
        giving_back = weakref.finalize(lease, self._spare.append, whole)
        giving_back.atexit = False
        return lease


def _bytes_of(memory: SharedMemory) -> NDArray[np.uint8]:
    assert memory.buf is not None
    return np.frombuffer(memory.buf, np.uint8)
