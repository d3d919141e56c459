"""THE MAIN LOOP: cameras → pairing → pipeline → picture, and everything into the recorder.

::

    camera thread x N (`_take_frame`) ── Frame ──► Recordings (backlog → case on disk)
                                          └──────► Arrivals: newest NIR, newest white
    processing thread (`_main_loop`): new NIR → Guiding: pipeline.step → Guidance → CaseLog;
                       each new white frame → the newest Guidance drawn into it
                       → newest picture → the window's wake-up

The only place where live parts are joined.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from hardware.camera import Camera
from hardware.frame import Frame
from hardware.realtime import Rank, Turn
from hardware.rig import Rig
from sln_guide import pipeline
from sln_guide.calibration.applied import apply_calibrations
from sln_guide.calibration.binding import utc_now
from sln_guide.calibration.gated import OLDEST_DARK_NS
from sln_guide.drawing import Drawing
from sln_guide.guidance import Guidance, Mode, NextNumbers, Picture, Role, Settings
from sln_guide.handoff import Latest
from sln_guide.health import Alignment, Health, SessionHealth, StreamHealth
from sln_guide.latency import Latency
from sln_guide.live.case_log import CaseLog
from sln_guide.live.edges import EdgeWatch, watched
from sln_guide.live.exposure import Exposing
from sln_guide.live.guiding import Guiding
from sln_guide.live.lighting import GatedLight
from sln_guide.live.pairing import Arrivals
from sln_guide.live.processing import Processing
from sln_guide.live.recordings import Recordings
from sln_guide.live.stream import Stream
from sln_guide.recording.corrections import attach_corrections
from sln_guide.side_thread import SideThread
from sln_guide.source import EventMark, Paint

WAIT_S = 0.1
HEALTH_EVERY_S = 1.0
THUMBNAILS_EVERY = 4
"""Pictures between two refreshes of the thumbnails: 15 a second are plenty for a thumbnail."""
END_TIMEOUT_S = 3.0
LEAST_APART_NS = 20_000_000
"""So far apart the frames of a pair may always be exposed, however fast white light comes."""


class LiveSession:
    """A running procedure. Implements `PictureSource`, `Recordable` and `Movable`.

    Parameters
    ----------
    rig
        What the cameras were opened for.
    cameras
        A camera for each role ("nir", "white"); at least one.
    cases
        Folder in which cases are made.
    prepare
        Loads and compiles what `pipeline.step` and drawing need. Called once, by the processing
        thread, when white light is there already: a first start takes minutes over it.

    Raises
    ------
    ValueError
        No camera, or one for a role that the rig does not have.
    """

    def __init__(
        self,
        rig: Rig,
        cameras: Mapping[Role, Camera] | Mapping[str, Camera],
        *,
        cases: Path,
        prepare: Callable[[], object] | None = None,
    ) -> None:
        if not cameras:
            raise ValueError("a session needs at least one camera")
        # judged when the program began: an engine started anew does not judge again mid-case
        now = None if rig.expires is None else min(utc_now(), rig.expires.at)
        applied = apply_calibrations(rig, now=now)
        self._rig = rig = applied.rig
        self._applied = applied
        self._cases = cases
        self._mode = (
            Mode.SIMULATED
            if rig.simulated or any(c.simulated for c in cameras.values())
            else Mode.LIVE
        )
        self._settings = Settings()
        self._changing = threading.Lock()
        specs = {Role.NIR: rig.nir, Role.WHITE: rig.white}
        self._recordings = Recordings(cases, rig, self._mode)
        self._streams: dict[Role, Stream] = {}
        for name, camera in cameras.items():
            role = Role(name)
            spec = specs[role]
            if spec is None:
                raise ValueError(f"rig {rig.name} has no {role} camera")
            self._streams[role] = Stream(
                role,
                camera,
                spec.camera_settings(),
                self._take_frame,
                self._recordings.put_lost,
            )
        self._arrivals = Arrivals(self._streams)
        self._picture: Latest[Picture] = Latest()
        self._wake: Callable[[], None] | None = None
        self._log = CaseLog(
            self._recordings,
            lambda case: attach_corrections(case, applied.dark, applied.flat),
        )
        self._latency = Latency()
        self._painted = (0, False, "")
        self._unprepared_nir = 0
        setup = pipeline.Setup.from_rig(rig, dark=applied.dark, flat=applied.flat)
        self._guiding = Guiding(setup, self._log, self._follow)
        self._alignment: Alignment | None = None
        self._gated = GatedLight(rig) if rig.light.gated is not None else None
        self._exposing: Exposing | None = None
        if rig.nir is not None and Role.NIR in self._streams and self._gated is None:
            self._exposing = Exposing(self._streams[Role.NIR], rig.nir, rig.sensor)
        both = len(self._streams) == 2
        self._edges = EdgeWatch(rig, self._aligned) if both and watched(rig) else None
        self._ending = threading.Event()
        self._processing = Processing(
            self._main_loop,
            self._guiding,
            self.mark,
            self._ending,
            None if prepare is None else partial(self._make_ready, prepare),
        )
        self._housekeeping = SideThread(
            "housekeeping",
            self._keep_house,
            self._ending,
            without="health and camera events are not written into the case",
        )

    # -- PictureSource ---------------------------------------------------------------------------

    @property
    def mode(self) -> Mode:
        """LIVE, or SIMULATED if any picture is not light on a real sensor."""
        return self._mode

    @property
    def rig(self) -> Rig:
        """The rig."""
        return self._rig

    @property
    def title(self) -> str:
        """Name of the case being recorded, else of the rig."""
        return self._recordings.title or self._rig.name

    @property
    def settings(self) -> Settings:
        """What the operator last chose."""
        return self._settings

    def number_from(self, numbers: NextNumbers) -> None:
        """Go on with these numbers of nodes. Before `start`."""
        self._guiding.number_from(numbers)

    def start(self) -> None:
        """Open the cameras and start the threads. Raises CameraError: then nothing runs."""
        opened: list[Stream] = []
        try:
            for stream in self._streams.values():
                stream.open()
                opened.append(stream)
        except BaseException:
            for stream in opened:
                stream.end()
            raise
        self._log.start_clock()
        for stream in self._streams.values():
            stream.run()
        self._processing.start(self._log.started_ns)
        self._housekeeping.start()
        if self._edges is not None:
            self._edges.start()

    def close(self) -> None:
        """Close the case first, then end every thread within bounded time. Idempotent.

        A camera thread stuck in its SDK cannot be ended: it is a daemon, and the process ends
        without it; the case is on disk by then.
        """
        self._ending.set()
        self._recordings.close()
        self._arrivals.close()
        self._processing.join(END_TIMEOUT_S)
        self._housekeeping.join(END_TIMEOUT_S)
        if self._edges is not None:
            self._edges.end()
        for stream in self._streams.values():
            stream.end()
        self._wake = None

    def on_picture(self, wake: Callable[[], None] | None) -> None:
        """Have ``wake`` called from the processing thread after each new picture."""
        self._wake = wake

    def latest_picture(self) -> Picture | None:
        """Return the newest picture."""
        return self._picture.peek()

    def latest_white(self) -> Frame | None:
        """Return the newest white frame, for when pictures stop."""
        return self._arrivals.newest(Role.WHITE)

    def health(self) -> SessionHealth:
        """Return a fresh summary. Cheap, waits for nobody."""
        now_ns = time.monotonic_ns()
        fault = self._processing.fault()
        nir, white = self._streams.get(Role.NIR), self._streams.get(Role.WHITE)
        p50, p99 = self._latency.percentiles_ms()
        beside = (self._housekeeping, self._edges)
        no_nir = StreamHealth(Role.NIR, "", Health.LOST, error="the rig has no NIR camera")
        return SessionHealth(
            nir=no_nir if nir is None else nir.health(now_ns),
            white=None if white is None else white.health(now_ns),
            recorder=self._recordings.health(),
            processing_error=None if fault is None else fault.message,
            processing_since_ns=None if fault is None else fault.since_ns,
            latency_p50_ms=p50,
            latency_p99_ms=p99,
            skipped_nir=self._arrivals.overwritten(Role.NIR) - self._unprepared_nir,
            started_ns=self._log.started_ns,
            exposure_refused=self._exposure_refused(),
            alignment=self._alignment,
            lamp=None if self._gated is None else self._gated.lamp,
            skew_ms=self._guiding.skew_ms(),
            preparing_since_ns=self._processing.preparing_since_ns,
            troubles=tuple(side.trouble for side in beside if side and side.trouble),
        )

    def _exposure_refused(self) -> str | None:
        nir = self._streams.get(Role.NIR)
        if nir is None or not self._settings.auto_exposure:
            return None
        if self._gated is not None:
            return "under gated light the exposure stays as the rig sets it"
        return nir.refused

    def change(self, **changes: Any) -> Settings:
        """Replace fields of `Settings`; the next picture is made with them. Stamps a nudge.

        Raises ValueError for what `Settings` does not take: nothing is changed.
        """
        with self._changing:
            before = self._settings
            settings = self._settings = replace(before, **changes)
        if settings.nudge_px != before.nudge_px:
            x, y = settings.nudge_px
            self.mark("nudge", f"{x:+g}, {y:+g} px in white" if x or y else "taken back")
        return settings

    def work_at(self, distance_mm: float) -> Settings:
        """Work at another distance from now on, and stamp it.

        Raises
        ------
        CalibrationFileError
            The rig's registration does not hold there; nothing is changed.
        """
        plane = self._applied.plane_at(distance_mm)
        own = distance_mm == self._rig.optics.working_distance_mm
        settings = self.change(plane=None if own else plane)
        self.mark("distance", f"{distance_mm:g} mm, {plane.mm_per_px:.4f} mm/px")
        return settings

    def painted(self, paint: Paint) -> None:
        """Note a paint: for the case's `shown` log, and for the latency if something is new.

        The same picture again is told only when its overlay was withdrawn, or came back, or when
        the screen says something else of it.

        Counted from the oldest frame that this paint shows for the first time.
        """
        painted = (paint.number, paint.overlay_visible, paint.said)
        if painted == self._painted:
            return
        first = paint.number != self._painted[0]
        self._painted = painted
        if first:
            self._latency.add((paint.painted_ns - paint.handed_over_ns) / 1e6)
        self._log.note_paint(paint)

    def events(self) -> tuple[EventMark, ...]:
        """Return the marks so far."""
        return self._log.events()

    def mark(self, name: str, detail: str = "", time_ns: int | None = None) -> None:
        """Stamp an event, at ``time_ns`` (monotonic) or now."""
        self._log.mark(name, detail, time_ns)

    # -- Recordable ------------------------------------------------------------------------------

    def start_recording(self) -> Path:
        """Begin a case, or go on with one cut short; return its folder at once.

        A case begun after the check has expired carries no calibrated units; one that runs then
        keeps them. Faults show in `health`.
        """
        self._judge_expiry()
        folder = self._log.begin(self._recordings.start, self._settings, self._reach_ns())
        assert folder is not None
        return folder

    def _judge_expiry(self) -> None:
        expires = self._rig.expires
        if expires is None or self._recordings.recording or utc_now() < expires.at:
            return
        self.lose_units(
            f"the {expires.what} expired at {expires.at.astimezone():%H:%M}, before this recording "
            "began; run `sln-guide check`, then start again"
        )

    def lose_units(self, why: str) -> None:
        """Tell no calibrated unit from now on; ``why`` with what to do."""
        self._rig = msgspec.structs.replace(self._rig, unchecked=why, expires=None)
        self._recordings.use(self._rig)
        if self._edges is not None:
            self._edges.use(self._rig)
        self._guiding.lose_units()
        self.mark("not calibrated", why)

    def stop_recording(self) -> None:
        """End the case; what waits is still written. Returns at once: `health` says when."""
        self._recordings.stop()

    def _reach_ns(self) -> int:
        """Return how far back the frames lie that guidance rests on, dark ones too."""
        return self._apart_ns() if self._gated is None else OLDEST_DARK_NS

    # -- camera threads --------------------------------------------------------------------------

    def _take_frame(self, role: Role, frame: Frame, lost: int) -> None:
        self._recordings.put_frame(role, frame, lost)
        period_ns = self._streams[role].period_ns()
        gated = self._gated if role is Role.NIR else None
        if gated is None:
            self._arrivals.put(role, frame, period_ns)
            return
        excited = gated.take(frame)
        if excited is not None:
            self._arrivals.put(role, excited, gated.cycle * period_ns)

    # -- processing thread -----------------------------------------------------------------------

    def _make_ready(self, prepare: Callable[[], object]) -> None:
        prepare()
        self._unprepared_nir = self._arrivals.overwritten(Role.NIR)

    def _main_loop(self) -> None:
        """Turn what is newest into guidance and pictures, again and again."""
        rig = self._rig
        drawing = Drawing(rig.registration, white_balance=rig.white_balance, thumbnails=False)
        turn = Turn(Rank.PICTURE)  # not before: preparing takes a core for a minute
        while not self._ending.is_set():
            turn.waits()
            nir, white = self._arrivals.next(WAIT_S)
            turn.works()
            if nir is None and white is None:
                continue
            settings = self._settings
            if white is not None:
                self._guiding.add_white(white)
            if nir is not None:
                self._guiding.take(nir, settings, apart_ns=self._apart_ns())
            picture = drawing.picture(nir, white, self._guiding.guidance, settings)
            if picture is not None:
                self._show(picture)
                if picture.number % THUMBNAILS_EVERY == 1:
                    drawing.renew_thumbnails()

    def _show(self, picture: Picture) -> None:
        self._picture.put(picture)
        wake = self._wake
        if wake is not None:
            wake()

    def _follow(self, guidance: Guidance) -> None:
        """Hold the registration against what was seen, and let the exposure follow the tissue."""
        if self._edges is not None:
            self._edges.see(guidance.pair, guidance.settings)
        if self._exposing is None:
            return
        exposure_us = self._exposing.see(guidance, wanted=guidance.settings.auto_exposure)
        if exposure_us is not None:
            self.mark("exposure", f"NIR {exposure_us / 1000:.3g} ms, following the tissue")

    def _apart_ns(self) -> int:
        """Return how far apart in time the frames of a pair may be exposed."""
        white = self._streams.get(Role.WHITE)
        return 0 if white is None else max(white.period_ns(), LEAST_APART_NS)

    # -- edges thread ----------------------------------------------------------------------------

    def _aligned(self, seen: Alignment) -> None:
        """Withdraw the registration when the cameras have moved; it returns when edges coincide."""
        self._alignment = seen
        withdrawn = seen.verdict == "moved"
        if withdrawn == self._settings.registration_withdrawn:
            return
        self.change(registration_withdrawn=withdrawn)
        told = "edges coincide again"
        if withdrawn:
            told = f"withdrawn: edges lie {seen.apart} apart"
        self.mark("registration", told)

    # -- housekeeping thread ---------------------------------------------------------------------

    def _keep_house(self) -> None:
        """Write the health log; first of all go on with a case that was cut short, if there is one.

        Events about streams are stamped when their state changes.
        """
        before: dict[Role, tuple[Health, int]] = {}
        if not self._ending.wait(HEALTH_EVERY_S):  # the live picture comes first
            self._log.begin(self._recordings.continue_interrupted, self._settings, self._reach_ns())
        while not self._ending.wait(HEALTH_EVERY_S):
            health = self.health()
            self._log.note_health(health)
            for stream in (health.nir, health.white):
                if stream is None:
                    continue
                now = (stream.health, stream.epoch)
                if before.get(stream.role, now) != now:
                    self.mark(f"{stream.role} {stream.health}", stream.error or "")
                before[stream.role] = now
