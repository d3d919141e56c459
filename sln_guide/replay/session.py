"""`ReplaySession`: a recorded case, through the same pipeline, at any speed, in the same window."""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from hardware.rig import Rig
from sln_guide.core.draw import Drawer
from sln_guide.guidance import Mode, Picture, Role, Settings
from sln_guide.handoff import Latest
from sln_guide.health import Health, SessionHealth, StreamHealth
from sln_guide.latency import Latency
from sln_guide.one_line import unexpected
from sln_guide.recording.asked import Asked
from sln_guide.recording.codec import REPACKED
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.reader import CaseReader
from sln_guide.replay.player import Player
from sln_guide.source import EventMark, NodeSignals, Paint

MIN_SPEED = 0.1
END_TIMEOUT_S = 3.0
SIGNALS_EVERY_NS = 200_000_000
CATCH_UP_S = 0.25
"""If replay falls further behind than this, time is taken from there: moments are never skipped."""


class ReplaySession:
    """Plays a case. Implements `PictureSource` and `Replayable`.

    One thread reads, computes and draws; the window's calls only leave a wish for it. Another
    looks up when each node was first seen, which is marked like the events, and how bright it was.

    Raises RecordingError for a case without frames. The case is its own from then on: `close`
    closes it.
    """

    def __init__(self, case: CaseReader) -> None:
        self._case = case
        self._rig = case.rig
        self._asked = case.asked()
        self._settings = case.settings
        self._moments = tuple(case.moments())
        if not self._moments:
            raise RecordingError(f"{case.folder.name} holds no frame: nothing to replay")
        times_ns = [case.moment_ns(*moment) for moment in self._moments]
        self._origin_ns = times_ns[0]
        self._times_s = [(time_ns - self._origin_ns) / 1e9 for time_ns in times_ns]
        self._wish = threading.Condition()
        self._playing = False
        self._speed = 1.0
        self._target: int | None = 0
        self._redraw = False
        self._index = -1
        self._ending = False
        self._picture: Latest[Picture] = Latest()
        self._white: Frame | None = None
        self._wake: Callable[[], None] | None = None
        self._fault: tuple[str, int] | None = None
        self._unread: tuple[Role, str] | None = None
        """Whose frame of the present moment cannot be read, and why."""
        self._latency = Latency()
        self._painted_number = 0
        self._started_ns = time.monotonic_ns()
        self._marks = tuple(
            EventMark((event.time_ns - self._origin_ns) / 1e9, event.name, event.detail)
            for event in case.events()
            if event.name != REPACKED
        )
        self._signals: NodeSignals | None = None
        self._player = Player(case, self._moments)
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)
        self._looking = threading.Thread(target=self._mark_nodes, name="nodes", daemon=True)

    # -- PictureSource ---------------------------------------------------------------------------

    @property
    def mode(self) -> Mode:
        """REPLAY, always."""
        return Mode.REPLAY

    @property
    def folder(self) -> Path:
        """Where the case lies."""
        return self._case.folder

    @property
    def rig(self) -> Rig:
        """The rig the case was recorded with."""
        return self._rig

    @property
    def title(self) -> str:
        """Name of the case."""
        return self._case.title or self._case.folder.stem

    @property
    def settings(self) -> Settings:
        """What the present moment is made with: as recorded, but for what was chosen since."""
        return self._settings

    def start(self) -> None:
        """Show the first moment and wait."""
        self._thread.start()
        self._looking.start()

    def close(self) -> None:
        """End the thread and close the case. Idempotent."""
        with self._wish:
            self._ending = True
            self._wish.notify_all()
        for thread in (self._thread, self._looking):
            if thread.is_alive():
                thread.join(END_TIMEOUT_S)
        self._wake = None
        self._case.close()

    def on_picture(self, wake: Callable[[], None] | None) -> None:
        """Have ``wake`` called from the replay thread after each new picture."""
        self._wake = wake

    def latest_picture(self) -> Picture | None:
        """Return the picture of the present moment; None where that cannot be read."""
        return None if self._unread is not None else self._picture.peek()

    def latest_white(self) -> Frame | None:
        """Return the white frame at the present position."""
        return self._white

    def health(self) -> SessionHealth:
        """Return how replay fares; losses are those of the recording."""
        p50, p99 = self._latency.percentiles_ms()
        return SessionHealth(
            nir=self._stream(Role.NIR),
            white=self._stream(Role.WHITE) if self._case.count(Role.WHITE) else None,
            processing_error=None if self._fault is None else self._fault[0],
            processing_since_ns=None if self._fault is None else self._fault[1],
            latency_p50_ms=p50,
            latency_p99_ms=p99,
            started_ns=self._started_ns,
        )

    def change(self, **changes: Any) -> Settings:
        """Replace fields of `Settings` and compute the present moment again with them."""
        with self._wish:
            self._asked = self._asked.changed(**changes)
            self._settings = replace(self._settings, **changes)
            self._redraw = True
            self._wish.notify_all()
            return self._settings

    def painted(self, paint: Paint) -> None:
        """Count the latency from decoded to painted."""
        if paint.number != self._painted_number:
            self._painted_number = paint.number
            self._latency.add((paint.painted_ns - paint.handed_over_ns) / 1e6)

    def events(self) -> tuple[EventMark, ...]:
        """Return the recorded marks, and where nodes were first seen, by time."""
        return self._marks

    def mark(self, name: str, detail: str = "") -> None:
        """Do nothing: a recorded case is never altered."""

    # -- Replayable ------------------------------------------------------------------------------

    @property
    def duration_s(self) -> float:
        """Time from the first moment to the last."""
        return self._times_s[-1]

    @property
    def position_s(self) -> float:
        """Time of the moment shown."""
        return self._times_s[max(self._index, 0)]

    @property
    def asked(self) -> Asked:
        """What is made otherwise than it was recorded."""
        return self._asked

    def thumbnail(self, position_s: float, width_px: int) -> NDArray[np.uint32] | None:
        """Return a small picture of the frame nearest to ``position_s``. Any thread."""
        role = Role.WHITE if self._case.count(Role.WHITE) else Role.NIR
        off_ns = self._case.times_ns(role) - (self._origin_ns + round(position_s * 1e9))
        index = int(np.argmin(np.abs(off_ns)))
        try:
            frame = self._case.frame(role, index)
        except RecordingError:
            return None  # the replay itself says so when it comes there
        drawer = Drawer(self._rig.white_balance)
        if role is Role.NIR:
            return drawer.nir_thumbnail(frame, width_px)
        return drawer.white_thumbnail(frame, width_px)

    @property
    def caveat(self) -> str:
        """What is wrong with the case, as far as it was read: `verify` tells all of it."""
        if self._case.problems or self._player.unread:
            return "DAMAGED: ask sln-guide verify"
        if self._case.being_recorded:
            return "STILL BEING RECORDED"
        return "" if self._case.complete else "NOT COMPLETE"

    @property
    def recorded_at_ns(self) -> int:
        """Wall clock (ns since 1970, UTC) of the first moment."""
        return self._case.started_wall_ns + self._origin_ns - self._case.started_monotonic_ns

    @property
    def began_ns(self) -> int:
        """The frames' own clock at position 0."""
        return self._origin_ns

    def recorded_signals(self) -> NodeSignals | None:
        """Return what was measured of the nodes when it was recorded; see `Replayable`."""
        return self._signals

    @property
    def playing(self) -> bool:
        """Whether time runs."""
        return self._playing

    @property
    def speed(self) -> float:
        """Multiple of real time."""
        return self._speed

    def play(self) -> None:
        """Let time run; from the start again when at the end."""
        with self._wish:
            if self._index >= len(self._moments) - 1:
                self._target = 0
            self._playing = True
            self._wish.notify_all()

    def pause(self) -> None:
        """Stop time."""
        with self._wish:
            self._playing = False
            self._wish.notify_all()

    def step(self, pairs: int) -> None:
        """Pause, then move by so many moments."""
        with self._wish:
            self._playing = False
            base = self._index if self._target is None else self._target
            self._target = min(max(base + pairs, 0), len(self._moments) - 1)
            self._wish.notify_all()

    def seek(self, position_s: float) -> None:
        """Move to the moment nearest to ``position_s``."""
        near = self._nearest(position_s)
        with self._wish:
            self._target = near
            self._wish.notify_all()

    def _nearest(self, position_s: float) -> int:
        right = min(bisect_right(self._times_s, position_s), len(self._moments) - 1)
        left = max(right - 1, 0)
        return min((left, right), key=lambda i: abs(self._times_s[i] - position_s))

    def set_speed(self, speed: float) -> None:
        """Choose the speed. Raises ValueError below 0.1."""
        if not speed >= MIN_SPEED:
            raise ValueError(f"speed must be at least {MIN_SPEED}, not {speed}")
        with self._wish:
            self._speed = speed
            self._wish.notify_all()

    # -- nodes thread ----------------------------------------------------------------------------

    def _mark_nodes(self) -> None:
        """Mark where each node was first seen, and keep how bright they were.

        An hour of them takes seconds to read.
        """
        found: dict[int, EventMark] = {}
        signals: list[tuple[int, dict[int, float]]] = []
        for mid_exposure_ns, nodes in self._case.nodes_seen():
            if self._ending:
                return
            time_ns = mid_exposure_ns - self._origin_ns
            for number in nodes.keys() - found.keys():
                found[number] = EventMark(time_ns / 1e9, f"SLN-{number}", "first seen")
            if not signals or time_ns - signals[-1][0] >= SIGNALS_EVERY_NS:
                signals.append((time_ns, nodes))
        if signals:
            self._signals = tuple(signals)
        marks = [*self._marks, *found.values()]
        self._marks = tuple(sorted(marks, key=lambda mark: mark.time_s))

    # -- replay thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        player = self._player
        clock: tuple[float, float] | None = None
        while True:
            with self._wish:
                self._wish.wait_for(self._something_wished)
                if self._ending:
                    return
                target, self._target = self._target, None
                redraw, self._redraw = self._redraw, False
                speed = self._speed
            try:
                if target is not None:
                    self._show(player, target)
                    clock = None
                elif redraw:
                    self._show(player, self._index)
                    clock = None
                else:
                    clock = self._play_on(player, clock, speed)
            except Exception as error:  # noqa: BLE001 - said on the screen; the window stays
                self._fault = (unexpected(error), time.monotonic_ns())
                self._playing = False
                clock = None

    def _something_wished(self) -> bool:
        return self._ending or self._playing or self._redraw or self._target is not None

    def _play_on(
        self, player: Player, clock: tuple[float, float] | None, speed: float
    ) -> tuple[float, float] | None:
        """Show the next moment when its time has come. ``clock``: (monotonic s, position s)."""
        following = self._index + 1
        if following >= len(self._moments):
            self._playing = False
            return None
        now_s = time.monotonic()
        clock = clock or (now_s, self._times_s[max(self._index, 0)])
        due_s = clock[0] + (self._times_s[following] - clock[1]) / speed
        if math.isfinite(speed) and due_s > now_s:
            with self._wish:
                disturbed = self._wish.wait_for(
                    lambda: (
                        self._ending
                        or not self._playing
                        or self._redraw
                        or self._target is not None
                        or self._speed != speed
                    ),
                    due_s - now_s,
                )
            if disturbed:
                return None
        elif now_s - due_s > CATCH_UP_S:
            clock = (now_s, self._times_s[following])
        self._show(player, following)
        return clock

    def _show(self, player: Player, index: int) -> None:
        asked = self._asked
        picture = player.at(index, asked)
        with self._wish:
            if asked is self._asked:  # else something was chosen meanwhile: it is made again
                self._settings = player.settings
        unread = player.unread.get(index)
        self._index = index
        self._white = player.white
        self._fault = None
        if picture is not None:
            self._picture.put(picture)
        elif unread is None:
            return
        self._unread = unread
        wake = self._wake
        if wake is not None:
            wake()

    def _stream(self, role: Role) -> StreamHealth:
        times_ns = self._case.times_ns(role)
        period_ns = 0
        if len(times_ns) > 1:
            period_ns = int((int(times_ns[-1]) - int(times_ns[0])) / (len(times_ns) - 1))
        unread = sum(whose is role for whose, _ in self._player.unread.copy().values())
        here = self._unread
        lost = here is not None and here[0] is role
        return StreamHealth(
            role=role,
            camera_id=self._case.title,
            health=Health.LOST if lost else Health.LIVE,
            rate_hz=1e9 / period_ns if period_ns > 0 else 0.0,
            period_ns=max(period_ns, 0),
            delivered=self._case.count(role),
            lost=sum(gap.count for gap in self._case.gaps(role)) + unread,
            failed=unread,
            error=here[1] if lost and here is not None else None,
        )
