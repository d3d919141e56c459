"""A source that makes real pictures on demand, as the window sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame, PixelFormat
from hardware.rig import CameraSpec, Optics, Registration, Rig
from sln_guide.guidance import (
    Detection,
    Guidance,
    Interval,
    Kind,
    Mode,
    Pair,
    Picture,
    Role,
    Settings,
    View,
)
from sln_guide.health import Health, RecorderHealth, SessionHealth, StreamHealth
from sln_guide.recording.asked import Asked
from sln_guide.recording.errors import RecordingError
from sln_guide.source import EventMark, Paint
from tests.frames import frame_of

MS = 1_000_000
WIDTH, HEIGHT = 160, 128
TISSUE = (150, 60, 55)
OVERLAY = 0xFF5AFF3C
"""The fake's overlay: a green that nothing else on the screen has."""


def make_rig(**changes: Any) -> Rig:
    rig = Rig(
        name="test rig",
        nir=CameraSpec(
            source="basler", serial="1", pixel_format=PixelFormat.MONO12, exposure_us=1e4
        ),
        white=CameraSpec(
            source="basler", serial="2", pixel_format=PixelFormat.RGB8, exposure_us=8e3
        ),
        optics=Optics(mm_per_px=0.1),
        registration=Registration(kind="calibrated", residual_mm=0.3),
    )
    return msgspec.structs.replace(rig, **changes)


def make_white(sequence: int, mid_exposure_ns: int) -> Frame:
    pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:] = TISSUE
    pixels[:, ::16] = (120, 40, 40)
    return frame_of(
        pixels,
        PixelFormat.RGB8,
        sequence=sequence,
        host_time_ns=mid_exposure_ns,
        mid_exposure_ns=mid_exposure_ns,
        exposure_us=8e3,
        camera_id="white",
    )


def make_nir(sequence: int, mid_exposure_ns: int) -> Frame:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    spot = 200 + 3000 * np.exp(-((x - 80) ** 2 + (y - 64) ** 2) / 300.0)
    return frame_of(
        spot,
        sequence=sequence,
        host_time_ns=mid_exposure_ns,
        mid_exposure_ns=mid_exposure_ns,
        camera_id="nir",
    )


def make_detection(track_id: int = 1, **changes: Any) -> Detection:
    one = Detection(
        track_id=track_id,
        kind=Kind.NODE,
        confirmed=True,
        coasted=False,
        x_px=80.0,
        y_px=64.0,
        x_white_px=80.0,
        y_white_px=64.0,
        area_px=700.0,
        area_mm2=7.0,
        spot_width_px=30.0,
        spot_width_mm=3.0,
        signal=12.0,
        sbr=2.17,
        sbr_interval=Interval(2.12, 2.22),
        cnr=7.3,
        cnr_interval=Interval(6.9, 7.7),
        significance=9.0,
        saturated_fraction=0.0,
        node_number=track_id,
    )
    return replace(one, **changes)


def make_guidance(
    nir: Frame,
    white: Frame | None,
    *,
    generation: int = 1,
    detections: tuple[Detection, ...] | None = None,
    registration: Registration | None = None,
    settings: Settings | None = None,
    **changes: Any,
) -> Guidance:
    shape = (HEIGHT // 8, WIDTH // 8)

    def flat(value: float) -> NDArray[np.float32]:
        return np.full(shape, value, np.float32)

    one = Guidance(
        generation=generation,
        pair=Pair(nir, white),
        detections=(make_detection(),) if detections is None else detections,
        grid_px=8,
        signal=flat(0),
        background=flat(10),
        significance=flat(0),
        limit_contrast=flat(0.2),
        cannot_judge=np.zeros(shape, np.uint8),
        limit_sbr=1.22,
        false_calls_per_field=0.05,
        display_full_scale=12.0,
        colour_predicted=True,
        registration=registration or Registration(kind="calibrated", residual_mm=0.3),
        settings=settings or Settings(),
    )
    return replace(one, **changes)


def white_pixels(white: Frame) -> NDArray[np.uint32]:
    """Draw an RGB8 frame as it is: what the real drawing does to it."""
    rgb = white.pixels.astype(np.uint32)
    return (0xFF000000 | rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]).astype(np.uint32)


def nir_pixels(nir: Frame) -> NDArray[np.uint32]:
    grey = (nir.pixels >> 4).astype(np.uint32)
    return (0xFF000000 | grey << 16 | grey << 8 | grey).astype(np.uint32)


class FakeSource:
    """A `PictureSource` that does what a test tells it, from the test's own thread."""

    def __init__(self, mode: Mode = Mode.LIVE, **rig: Any) -> None:
        self._mode = mode
        self._rig = make_rig(**rig)
        self._settings = Settings()
        self.wake: Callable[[], None] | None = None
        self.picture: Picture | None = None
        self.white: Frame | None = None
        self.number = 0
        self.painted_calls: list[tuple[int, int, bool]] = []
        self.said: list[str] = []
        self.marks: list[EventMark] = []
        self.started_ns = time.monotonic_ns()
        self.closed = False
        self.ask_health: Callable[[], SessionHealth] | None = None
        self.now_health = SessionHealth(
            nir=StreamHealth(Role.NIR, "nir", Health.LIVE, 60.0, 16 * MS),
            white=StreamHealth(Role.WHITE, "white", Health.LIVE, 60.0, 16 * MS),
            latency_p50_ms=8.0,
            latency_p99_ms=13.0,
            started_ns=self.started_ns,
        )

    # -- what a test does --

    def push(
        self,
        *,
        age_ms: float = 5.0,
        white_age_ms: float | None = None,
        overlay: bool = True,
        shift_px: tuple[float, float] = (0.0, 0.0),
        wake: bool = True,
        **guidance: Any,
    ) -> Picture:
        """Make a picture whose NIR frame is ``age_ms`` old, and wake the window."""
        now = time.monotonic_ns()
        self.number += 1
        white_age = age_ms if white_age_ms is None else white_age_ms
        white = make_white(self.number, now - round(white_age * MS))
        nir = make_nir(self.number, now - round(age_ms * MS))
        guided = make_guidance(
            nir,
            white,
            generation=self.number,
            **({"registration": self._rig.registration, "settings": self._settings} | guidance),
        )
        view = self._settings.view
        drawn = overlay and view is View.MERGED
        pixels = nir_pixels(nir) if view is View.NIR else white_pixels(white)
        if drawn:
            pixels[48:80, 64:96] = OVERLAY
        pixels.setflags(write=False)
        self.white = white
        self.picture = Picture(
            number=self.number,
            rgb32=pixels,
            view=view,
            white=white,
            nir=nir,
            guidance=guided if overlay else None,
            overlay_drawn=drawn,
            white_shift_px=shift_px,
            handed_over_ns=now,
            white_thumbnail=white_pixels(white)[::2, ::2].copy(),
            nir_thumbnail=nir_pixels(nir)[::2, ::2].copy(),
        )
        if wake and self.wake is not None:
            self.wake()
        return self.picture

    def push_white(self, age_ms: float = 5.0) -> Frame:
        """Let white light go on without pictures."""
        self.number += 1
        self.white = make_white(self.number, time.monotonic_ns() - round(age_ms * MS))
        return self.white

    def set_stream(self, role: str, **changes: Any) -> None:
        changed = replace(getattr(self.now_health, role), **changes)
        self.now_health = replace(self.now_health, **{role: changed})

    # -- PictureSource --

    @property
    def mode(self) -> Mode:
        return self._mode

    @property
    def rig(self) -> Rig:
        return self._rig

    @property
    def title(self) -> str:
        return "Case 7F3A-02"

    @property
    def settings(self) -> Settings:
        return self._settings

    def start(self) -> None:
        self.push()

    def close(self) -> None:
        self.closed = True

    def on_picture(self, wake: Callable[[], None] | None) -> None:
        self.wake = wake

    def latest_picture(self) -> Picture | None:
        return self.picture

    def latest_white(self) -> Frame | None:
        return self.white

    def health(self) -> SessionHealth:
        return self.now_health if self.ask_health is None else self.ask_health()

    def change(self, **changes: Any) -> Settings:
        self._settings = replace(self._settings, **changes)
        return self._settings

    def painted(self, paint: Paint) -> None:
        self.painted_calls.append((paint.number, paint.painted_ns, paint.overlay_visible))
        self.said.append(paint.said)

    def events(self) -> tuple[EventMark, ...]:
        return tuple(self.marks)

    def mark(self, name: str, detail: str = "") -> None:
        self.marks.append(EventMark((time.monotonic_ns() - self.started_ns) / 1e9, name, detail))


class RecordingSource(FakeSource):
    """One that records; the case is closed when the test says so."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.refuse: str | None = None
        self.stopped = 0

    def start_recording(self) -> Path:
        if self.refuse is not None:
            raise RecordingError(self.refuse)
        self.now_health = replace(
            self.now_health,
            recorder=RecorderHealth(
                recording=True,
                case_name="20260302-124107.case",
                started_ns=time.monotonic_ns(),
                frames=120,
                minutes_left=214.0,
            ),
        )
        return Path("/cases/20260302-124107.case")

    def stop_recording(self) -> None:
        self.stopped += 1

    def finish_recording(self) -> None:
        recorder = replace(self.now_health.recorder, recording=False, head="0123456789abcdef" * 4)
        self.now_health = replace(self.now_health, recorder=recorder)


class ReplaySource(FakeSource):
    """A recording of ten seconds."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(mode=Mode.REPLAY, **arguments)
        self.folder = Path("/cases/20260302-124107.case")
        self.duration_s = 10.0
        self.position_s = 0.0
        self.recorded_at_ns = 1_772_451_667_000_000_000
        self.began_ns = 0
        self.caveat = ""
        self.signals: Any = None
        self.asked = Asked(self.settings)
        self.playing = False
        self.speed = 1.0
        self.steps: list[int] = []
        self.marks = [EventMark(1.0, "phase", "1 Inject"), EventMark(6.0, "phase", "4 Excise")]

    def change(self, **changes: Any) -> Settings:
        self.asked = self.asked.changed(**changes)
        return super().change(**changes)

    def play(self) -> None:
        self.playing = True

    def pause(self) -> None:
        self.playing = False

    def step(self, pairs: int) -> None:
        self.playing = False
        self.steps.append(pairs)

    def seek(self, position_s: float) -> None:
        self.position_s = position_s

    def set_speed(self, speed: float) -> None:
        self.speed = speed

    def recorded_signals(self) -> Any:
        return self.signals

    def thumbnail(self, position_s: float, width_px: int) -> NDArray[np.uint32] | None:
        shade = np.uint32(round(position_s / self.duration_s * 255))
        return np.full((width_px * 4 // 5, width_px), 0xFF000000 | shade << 8, np.uint32)
