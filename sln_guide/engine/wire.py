"""What the two processes tell each other, and how arrays cross: through shared memory."""

from __future__ import annotations

import mmap
import os
import pickle
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sln_guide.guidance import Mode
from sln_guide.health import SessionHealth
from sln_guide.source import EventMark

BLOCKS = 6
"""One being filled, one on its way, the rest on the screen: new, painted, in the theatre, held."""
HELD_BLOCKS = 4
"""As many the window keeps; what comes beyond that it copies."""
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
    unchecked: str | None = None
    """`Rig.unchecked` of the rig as it is now."""


@dataclass(frozen=True, slots=True)
class Load:
    """Engine → window: a picture or a white frame, its arrays in shared memory.

    ``path`` opens the memory, which ``serial`` alone tells from the block's earlier ones;
    ``spans`` are (first byte, end byte) of each array, in the order of the pickle.
    """

    block: int
    path: str
    serial: int
    spans: tuple[tuple[int, int], ...]
    body: bytes


@dataclass(slots=True)
class _Block:
    """Memory without a name: it is gone with the last process that maps it, however that ends."""

    descriptor: int
    serial: int
    memory: NDArray[np.uint8]


class Loader:
    """Engine's end: puts a value's arrays into one of a few blocks. One thread loads.

    `unloaded` and `close` may be called from another.
    """

    def __init__(self) -> None:
        self._blocks: list[_Block | None] = [None] * BLOCKS
        self._free = list(range(BLOCKS))
        self._made = 0

    @property
    def room(self) -> bool:
        """Whether a block is free."""
        return bool(self._free)

    def load(self, value: Any) -> Load:
        """Copy ``value`` into a free block.

        Raises
        ------
        IndexError
            There is no `room`.
        OSError, MemoryError
            The system gives no memory, or no descriptor; the block stays free.
        """
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
        number = self._free.pop()
        try:
            block = self._sized(number, end)
        except BaseException:
            self._free.append(number)
            raise
        for each, (first, last) in zip(buffers, spans, strict=True):
            np.copyto(block.memory[first:last], each)  # without the interpreter's lock
        path = f"/proc/{os.getpid()}/fd/{block.descriptor}"
        return Load(number, path, block.serial, tuple(spans), body)

    def unloaded(self, block: int) -> None:
        """Take a block back."""
        self._free.append(block)

    def close(self) -> None:
        """Give the memory back to the system; what the window still maps lives on there."""
        for block in self._blocks:
            if block is not None:
                os.close(block.descriptor)
        self._blocks = [None] * BLOCKS

    def _sized(self, number: int, size: int) -> _Block:
        block = self._blocks[number]
        if block is not None and block.memory.size >= size:
            return block
        if block is not None:
            self._blocks[number] = None
            os.close(block.descriptor)
        size = max(int(size * SPARE), 1 << 20)
        descriptor = os.memfd_create("sln-guide picture")
        try:
            # now, not when it is written to: there a system out of memory would end the process
            os.posix_fallocate(descriptor, 0, size)
            memory = np.frombuffer(mmap.mmap(descriptor, size), np.uint8)
        except BaseException:
            os.close(descriptor)
            raise
        self._made += 1
        block = self._blocks[number] = _Block(descriptor, self._made, memory)
        return block


class Unloader:
    """Window's end: arrays that lie in the engine's memory, read-only, without a copy.

    A block is the window's for as long as anything refers to its arrays, even when the engine has
    died; then ``give_back`` is called with its number, from whichever thread let go. Where the
    window holds many (a picture held, others on their way), the next one is copied instead, so
    that the engine never runs out of blocks. One thread unloads.
    """

    def __init__(self, give_back: Callable[[int], None]) -> None:
        self._give_back = give_back
        self._mapped: dict[int, tuple[int, NDArray[np.uint8]]] = {}
        self._held: set[int] = set()

    def unload(self, load: Load) -> Any:
        """Return what `Loader.load` was given; its large arrays are read-only.

        Raises
        ------
        OSError, MemoryError
            The engine has ended, and its memory with it; or the system gives us no descriptor or
            no room for it, and the block is given back.
        """
        try:
            lease = self._whole(load)[:]
        except (OSError, MemoryError):
            self._give_back(load.block)
            raise
        if len(self._held) < HELD_BLOCKS:
            self._held.add(load.block)
            giving_back = weakref.finalize(lease, self._let_go, load.block)
            giving_back.atexit = False
        else:
            lease = lease[: load.spans[-1][1] if load.spans else 0].copy()
            self._give_back(load.block)
        view = lease.data.toreadonly()
        return pickle.loads(load.body, buffers=[view[a:b] for a, b in load.spans])

    def _let_go(self, block: int) -> None:
        self._held.discard(block)
        self._give_back(block)

    def _whole(self, load: Load) -> NDArray[np.uint8]:
        mapped = self._mapped.get(load.block)
        if mapped is None or mapped[0] != load.serial:
            descriptor = os.open(load.path, os.O_RDONLY)
            try:
                memory = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
            finally:
                os.close(descriptor)
            mapped = load.serial, np.frombuffer(memory, np.uint8)
            self._mapped[load.block] = mapped
        return mapped[1]
