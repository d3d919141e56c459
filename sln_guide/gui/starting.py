"""`Starting`: has a source started on a thread of its own, while its window is open already."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sln_guide.gui.wake import Wake

_begun: list[threading.Thread] = []


def under_way() -> bool:
    """Whether work goes on, maybe with nobody waiting for it any more: maybe a compiler's."""
    return any(thread.is_alive() for thread in _begun)


def _begin(thread: threading.Thread) -> threading.Thread:
    _begun[:] = [each for each in _begun if each.is_alive()]
    _begun.append(thread)
    thread.start()
    return thread


def beside(work: Callable[[], object]) -> Callable[[], None]:
    """Do ``work`` on a thread of its own; what is returned waits for it, and raises its error."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            raised.append(error)

    thread = _begin(threading.Thread(target=run, name="beside-starting", daemon=True))

    def wait() -> None:
        thread.join()
        if raised:
            raise raised[0]

    return wait


class Starting:
    """Does ``work`` on a thread, then calls ``done`` or ``failed`` on the GUI thread.

    `error` is what ``work`` raised. GUI thread only.
    """

    def __init__(
        self, work: Callable[[], object], done: Callable[[], object], failed: Callable[[], object]
    ) -> None:
        self._work = work
        self._done = done
        self._failed = failed
        self.error: BaseException | None = None
        self._told = Wake(self._tell)
        self._thread = threading.Thread(target=self._run, name="starting", daemon=True)

    def begin(self) -> None:
        """Begin the work."""
        _begin(self._thread)

    def end(self) -> None:
        """Call nobody any more; work that takes long goes on unheard."""
        self._told.end()
        self._told.deleteLater()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            self.error = error
        self._told()

    def _tell(self) -> None:
        if self.error is None:
            self._done()
        else:
            self._failed()
