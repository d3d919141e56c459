"""How values cross from one thread to another: `Latest` (newest wins) and `Backlog` (lossless)."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """Nothing will come any more, and nothing is left."""


class Latest(Generic[T]):
    """A mailbox of one: `put` overwrites what nobody took, and counts it. Any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: T | None = None
        self._fresh = False
        self._closed = False
        self._overwritten = 0

    def put(self, value: T) -> None:
        """Replace the value; wakes a waiting `take`."""
        with self._changed:
            if self._fresh:
                self._overwritten += 1
            self._value = value
            self._fresh = True
            self._changed.notify_all()

    def take(self, timeout_s: float) -> T | None:
        """Return a value not taken before, or None after ``timeout_s``. Raises `Closed`."""
        with self._changed:
            self._changed.wait_for(lambda: self._fresh or self._closed, timeout_s)
            if self._fresh:
                self._fresh = False
                return self._value
            if self._closed:
                raise Closed
            return None

    def take_now(self) -> T | None:
        """Return a value not taken before, or None; never waits, never raises."""
        with self._changed:
            if not self._fresh:
                return None
            self._fresh = False
            return self._value

    def peek(self) -> T | None:
        """Return the newest value, taken or not; None before the first."""
        with self._changed:
            return self._value

    @property
    def overwritten(self) -> int:
        """How many values nobody took before the next came."""
        with self._changed:
            return self._overwritten

    def close(self) -> None:
        """Wake waiters for good."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Backlog(Generic[T]):
    """A bounded queue that never drops in silence: `put` says no, and the caller must tell.

    ``capacity`` in values of type ``T``, at least 1 (else ValueError).
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        self._capacity = capacity
        self._changed = threading.Condition()
        self._values: deque[T] = deque()
        self._closed = False

    def put(self, value: T) -> bool:
        """Append; return False (and keep nothing) when full or closed. Never waits."""
        with self._changed:
            if self._closed or len(self._values) >= self._capacity:
                return False
            self._values.append(value)
            self._changed.notify()
            return True

    def take_some(self, most: int, timeout_s: float) -> list[T]:
        """Return up to ``most`` of the oldest values; none after ``timeout_s``.

        Raises `Closed` when drained.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._values or self._closed, timeout_s)
            if not self._values and self._closed:
                raise Closed
            return [self._values.popleft() for _ in range(min(most, len(self._values)))]

    def close(self) -> None:
        """Refuse further values; those inside are still handed out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._values)
