"""`ReplaySession`: a recorded case, through the same pipeline, at any speed, in the same window."""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hardware.frame import Frame
from hardware.rig import Rig
from sln_guide import pipeline
from sln_guide.drawing import Drawing
from sln_guide.guidance import (
    Guidance,
    Health,
    Mode,
    Pair,
    Picture,
    Role,
    SessionHealth,
    Settings,
    StreamHealth,
)
from sln_guide.handoff import Latest
from sln_guide.latency import Latency
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.reader import CaseReader
from sln_guide.source import EventMark

LEAD_IN_PAIRS = 12
"""Pairs computed before the one sought, so that tracks and scale have settled."""
REMEMBER_STATE_EVERY = 30
MIN_SPEED = 0.1
END_TIMEOUT_S = 3.0
CATCH_UP_S = 0.25
"""If replay falls further behind than this, time is taken from there: pairs are never skipped."""


class ReplaySession:
    """Plays a case. Implements `PictureSource` and `Replayable`.

    One thread reads, computes and draws; the window's calls only leave a wish for it.
    """

    def __init__(self, case: CaseReader, *, settings: Settings | None = None) -> None:
        self._case = case
        self._rig = case.rig
        self._settings = settings or case.settings
        self._pairs = tuple(case.pairs())
        if not self._pairs:
            raise RecordingError(f"{case.folder.name} holds no NIR frame: nothing to replay")
        nir_ns = case.times_ns(Role.NIR)
        self._origin_ns = int(nir_ns[self._pairs[0][0]])
        self._times_s = [(int(nir_ns[nir]) - self._origin_ns) / 1e9 for nir, _ in self._pairs]
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
        self._latency = Latency()
        self._painted_number = 0
        self._started_ns = time.monotonic_ns()
        self._marks = tuple(
            EventMark((event.time_ns - self._origin_ns) / 1e9, event.name, event.detail)
            for event in case.events()
        )
        self._player = _Player(case, self._pairs)
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)

    # -- PictureSource ---------------------------------------------------------------------------

    @property
    def mode(self) -> Mode:
        """REPLAY, always."""
        return Mode.REPLAY

    @property
    def recorded_mode(self) -> Mode:
        """Whether what was recorded was live or simulated."""
        return self._case.mode

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
        """What the operator last chose (at first: what the case was recorded with)."""
        return self._settings

    def start(self) -> None:
        """Show the first pair and wait."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and close the case. Idempotent."""
        with self._wish:
            self._ending = True
            self._wish.notify_all()
        if self._thread.is_alive():
            self._thread.join(END_TIMEOUT_S)
        self._wake = None
        self._case.close()

    def on_picture(self, wake: Callable[[], None] | None) -> None:
        """Have ``wake`` called from the replay thread after each new picture."""
        self._wake = wake

    def latest_picture(self) -> Picture | None:
        """Return the newest picture."""
        return self._picture.peek()

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
        """Replace fields of `Settings` and compute the present pair again with them."""
        self._settings = replace(self._settings, **changes)
        with self._wish:
            self._redraw = True
            self._wish.notify_all()
        return self._settings

    def painted(self, picture: Picture, painted_ns: int, overlay_visible: bool) -> None:
        """Count the latency from pair decoded to painted."""
        if picture.number != self._painted_number:
            self._painted_number = picture.number
            self._latency.add((painted_ns - picture.handed_over_ns) / 1e6)

    def events(self) -> tuple[EventMark, ...]:
        """Return the recorded marks."""
        return self._marks

    def mark(self, name: str, detail: str = "") -> None:
        """Do nothing: a recorded case is never altered."""

    @property
    def skipped(self) -> tuple[str, ...]:
        """What could not be read so far, a line a pair."""
        return tuple(self._player.skipped.copy().values())

    # -- Replayable ------------------------------------------------------------------------------

    @property
    def duration_s(self) -> float:
        """Time from the first pair to the last."""
        return self._times_s[-1]

    @property
    def position_s(self) -> float:
        """Time of the pair shown."""
        return self._times_s[max(self._index, 0)]

    @property
    def recorded_at_ns(self) -> int:
        """Wall clock (ns since 1970, UTC) of the first pair."""
        return self._case.started_wall_ns + self._origin_ns - self._case.started_monotonic_ns

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
            if self._index >= len(self._pairs) - 1:
                self._target = 0
            self._playing = True
            self._wish.notify_all()

    def pause(self) -> None:
        """Stop time."""
        with self._wish:
            self._playing = False
            self._wish.notify_all()

    def step(self, pairs: int) -> None:
        """Pause, then move by ``pairs``."""
        with self._wish:
            self._playing = False
            base = self._index if self._target is None else self._target
            self._target = min(max(base + pairs, 0), len(self._pairs) - 1)
            self._wish.notify_all()

    def seek(self, position_s: float) -> None:
        """Move to the pair nearest to ``position_s``."""
        right = min(bisect_right(self._times_s, position_s), len(self._pairs) - 1)
        left = max(right - 1, 0)
        near = min((left, right), key=lambda i: abs(self._times_s[i] - position_s))
        with self._wish:
            self._target = near
            self._wish.notify_all()

    def set_speed(self, speed: float) -> None:
        """Choose the speed. Raises ValueError below 0.1."""
        if not speed >= MIN_SPEED:
            raise ValueError(f"speed must be at least {MIN_SPEED}, not {speed}")
        with self._wish:
            self._speed = speed
            self._wish.notify_all()

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
                self._fault = (f"{type(error).__name__}: {error}", time.monotonic_ns())
                self._playing = False
                clock = None

    def _something_wished(self) -> bool:
        return self._ending or self._playing or self._redraw or self._target is not None

    def _play_on(
        self, player: _Player, clock: tuple[float, float] | None, speed: float
    ) -> tuple[float, float] | None:
        """Show the next pair when its time has come. ``clock``: (monotonic s, position s)."""
        following = self._index + 1
        if following >= len(self._pairs):
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

    def _show(self, player: _Player, index: int) -> None:
        self._publish(player.at(index, self._settings))
        self._index = index
        self._white = player.white
        self._fault = None

    def _publish(self, picture: Picture | None) -> None:
        if picture is None:
            return
        self._picture.put(picture)
        wake = self._wake
        if wake is not None:
            wake()

    def _stream(self, role: Role) -> StreamHealth:
        times_ns = self._case.times_ns(role)
        period_ns = 0
        if len(times_ns) > 1:
            period_ns = int((int(times_ns[-1]) - int(times_ns[0])) / (len(times_ns) - 1))
        return StreamHealth(
            role=role,
            camera_id=self._case.title,
            health=Health.LIVE,
            rate_hz=1e9 / period_ns if period_ns > 0 else 0.0,
            period_ns=max(period_ns, 0),
            delivered=self._case.count(role),
            lost=sum(gap.count for gap in self._case.gaps(role)),
            failed=len(self._player.skipped) if role is Role.NIR else 0,
        )


class _Player:
    """Computes the picture of any pair; remembers states so that going back is quick."""

    def __init__(self, case: CaseReader, pairs: tuple[tuple[int, int | None], ...]) -> None:
        self._case = case
        self._pairs = pairs
        self._setup = pipeline.Setup.from_rig(case.rig, dark=case.dark())
        self._drawing = Drawing(self._setup.registration)
        self._before: dict[int, pipeline.State] = {0: pipeline.initial_state(self._setup)}
        self._next = 0
        self._state = self._before[0]
        self._states_settings: Settings | None = None
        self.white: Frame | None = None
        self.skipped: dict[int, str] = {}

    def at(self, index: int, settings: Settings) -> Picture | None:
        """Return the picture of pair ``index`` made with ``settings``; None if unreadable."""
        self._forget_other_settings(settings)
        if index != self._next:
            self._rewind(index)
        guidance: Guidance | None = None
        pair: Pair | None = None
        decoded_ns = time.monotonic_ns()
        while self._next <= index:
            if self._next % REMEMBER_STATE_EVERY == 0:
                self._before[self._next] = self._state
            try:
                pair = self._pair(self._next)
            except RecordingError as error:
                self.skipped[self._next] = str(error)
                pair = guidance = None
                self._next += 1
                continue
            decoded_ns = time.monotonic_ns()
            self._state, guidance = pipeline.step(self._state, pair, settings)
            self._next += 1
        if pair is None or guidance is None:
            return None
        self.white = pair.white
        picture = self._drawing.picture(pair.nir, pair.white, guidance, settings)
        return None if picture is None else replace(picture, handed_over_ns=decoded_ns)

    def _forget_other_settings(self, settings: Settings) -> None:
        """Drop remembered states that another threshold made (the others change no state)."""
        before = self._states_settings
        if before is not None and before.threshold_sigma != settings.threshold_sigma:
            self._before = {0: pipeline.initial_state(self._setup)}
            self._rewind(self._next)
        self._states_settings = settings

    def _rewind(self, index: int) -> None:
        """Take the remembered state nearest before ``index``, or begin a lead-in before it."""
        known = max((i for i in self._before if i <= index), default=0)
        if index - known <= REMEMBER_STATE_EVERY:
            self._next, self._state = known, self._before[known]
        elif 0 <= index - self._next <= LEAD_IN_PAIRS:
            pass
        else:
            self._next = max(0, index - LEAD_IN_PAIRS)
            self._state = pipeline.initial_state(self._setup)

    def _pair(self, index: int) -> Pair:
        nir_index, white_index = self._pairs[index]
        nir = self._case.frame(Role.NIR, nir_index)
        white = None if white_index is None else self._case.frame(Role.WHITE, white_index)
        skew_ns = 0 if white is None else white.mid_exposure_ns - nir.mid_exposure_ns
        return Pair(nir, white, skew_ns)
