"""`Processing`: the thread of the main loop. It prepares first, and begins anew where it dies."""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable

from sln_guide.live.guiding import Fault, Guiding

BEGIN_ANEW_AFTER_S = 10.0
"""White light alone for so long before a thread that died is begun anew: long enough to be seen,
for nodes get new numbers with it."""
MOST_DEATHS = 3
DEATHS_WITHIN_S = 60.0
"""One that dies once more within this time stays dead: it would die again."""


class Processing:
    """Runs the main loop. A fault in it costs the overlay, never white light or the recording.

    Parameters
    ----------
    main_loop
        Returns when ``ending`` is set.
    guiding
        Keeps what fault there is; begins anew with the loop.
    mark
        Stamps an event.
    ending
        Ends the thread.
    prepare
        Done once, before the loop: it may take minutes. None: there is nothing to prepare.
    """

    def __init__(
        self,
        main_loop: Callable[[], None],
        guiding: Guiding,
        mark: Callable[[str, str], None],
        ending: threading.Event,
        prepare: Callable[[], object] | None,
    ) -> None:
        self._main_loop = main_loop
        self._guiding = guiding
        self._mark = mark
        self._ending = ending
        self._prepare = prepare
        self._preparing_since_ns: int | None = None
        self._thread = threading.Thread(target=self._run, name="processing", daemon=True)

    @property
    def preparing_since_ns(self) -> int | None:
        """Since when it prepares; None before that, and once it is ready."""
        return self._preparing_since_ns

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def fault(self) -> Fault | None:
        """Return why there is no guidance; None while all is well. Any thread."""
        fault = self._guiding.fault
        died = self._thread.ident is not None and not self.alive
        if fault is None and died and not self._ending.is_set():
            now_ns = time.monotonic_ns()
            fault = self._guiding.fault = Fault("the processing thread has ended", now_ns)
        return fault

    def start(self, now_ns: int) -> None:
        """Begin."""
        if self._prepare is not None:
            self._preparing_since_ns = now_ns
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for its end, where it was begun."""
        if self.alive:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            if self._prepare is not None:
                self._prepare()
                self._preparing_since_ns = None
            self._keep_looping()
        except BaseException as error:
            then = "It does not start again: restart the program when it is safe"
            self._guiding.fault = Fault.of(error, then)
            raise

    def _keep_looping(self) -> None:
        deaths: deque[float] = deque(maxlen=MOST_DEATHS)
        while True:
            try:
                self._main_loop()
            except BaseException as error:
                now_s = time.monotonic()
                if len(deaths) == MOST_DEATHS and now_s - deaths[0] < DEATHS_WITHIN_S:
                    raise
                deaths.append(now_s)
                then = f"It starts again by itself in {BEGIN_ANEW_AFTER_S:.0f} s"
                self._guiding.begin_anew(Fault.of(error, then))
                traceback.print_exc()
            else:
                return
            self._mark("processing died", "started again: nodes get new numbers")
            self._ending.wait(BEGIN_ANEW_AFTER_S)
