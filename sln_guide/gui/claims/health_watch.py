"""`HealthWatch`: asks the source how it fares, on a thread of its own, so that no paint waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sln_guide.health import SessionHealth
from sln_guide.one_line import unexpected
from sln_guide.source import SourceError

EVERY_S = 0.1
END_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class HealthReading:
    """A summary and when the asking began; ``error`` if the source could not say."""

    health: SessionHealth | None = None
    asked_ns: int | None = None
    error: str | None = None


class HealthWatch:
    """Keeps the newest `HealthReading`. A source that takes long only makes it old."""

    def __init__(self, ask: Callable[[], SessionHealth]) -> None:
        self._ask = ask
        self._newest = HealthReading()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health-watch", daemon=True)

    @property
    def newest(self) -> HealthReading:
        """The newest reading. Any thread; never waits."""
        return self._newest

    def start(self) -> None:
        """Begin asking."""
        self._thread.start()

    def end(self) -> bool:
        """Stop asking; False if the source still holds the thread after a bounded time."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(END_TIMEOUT_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._ending.is_set():
            asked_ns = time.monotonic_ns()
            try:
                self._newest = HealthReading(self._ask(), asked_ns)
            except SourceError as error:
                self._unanswered(str(error))
            except Exception as error:  # noqa: BLE001 - said on the screen, with the last figures
                self._unanswered(f"the session cannot say how it fares: {unexpected(error)}")
            self._ending.wait(EVERY_S)

    def _unanswered(self, text: str) -> None:
        before = self._newest
        self._newest = HealthReading(before.health, before.asked_ns, text)
