"""What the screen may claim: one pure function, without Qt and without a clock of its own.

A stale or misplaced overlay on living tissue is the hazard this file exists against. The window
asks before every paint and obeys.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from hardware.rig import Registration
from sln_guide.gui.readings import (
    Readings,
    Tone,
    elapsed_text,
    readings,
)
from sln_guide.guidance import Guidance, Health, Mode, SessionHealth, StreamHealth, View

MS = 1_000_000

AMBER_MS = 100.0
"""Overlay age above which the pill turns amber, or `AMBER_PERIODS` NIR periods if longer."""
AMBER_PERIODS = 3
REMOVED_MS = 250.0
"""Overlay age above which a live overlay is removed."""
AHEAD_MS = 20.0
"""How far in the future a mid-exposure may seem to lie; beyond, the clock proves nothing."""
STATUS_OLD_MS = 1000.0
"""Age of the health readings themselves above which they are called old."""


class Word(StrEnum):
    """The one word of the state pill."""

    STALE = "STALE"
    LIVE = "LIVE"
    LATE = "LATE"
    NOT_LIVE = "NOT LIVE"
    LOST = "LOST"
    FAILED = "PROCESSING FAILED"
    UNREGISTERED = "UNREGISTERED"
    MOVED = "MOVED"
    FROZEN = "FROZEN"
    REPLAY = "REPLAY"


class Border(StrEnum):
    """A frame all round the video."""

    REPLAY = "replay"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True)
class Banner:
    """Plain words over the top of the video: what happened; since when and what to do.

    ``slim``: in one line, because it says nothing about the picture beneath.
    """

    tone: Tone
    headline: str
    detail: str
    slim: bool = False


@dataclass(frozen=True, slots=True)
class Motion:
    """How far tissue in white has moved since the overlay's NIR frame, and how far it may."""

    distance: float
    limit: float
    unit: str

    @property
    def too_far(self) -> bool:
        """Whether the overlay lies beside its tissue (a distance that is not a number does)."""
        return not self.distance <= self.limit


@dataclass(frozen=True, slots=True)
class Freeze:
    """The operator held a picture. Its overlay was right, or not, when it was taken."""

    at_ns: int
    clock: str
    overlay_allowed: bool
    overlay_age_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ScreenState:
    """What may be claimed now.

    ``pill`` is all the state pill says. ``overlay_age_ms`` is the age of the NIR frame behind
    the overlay (None: there is none; in replay its distance from the white frame it lies on).
    ``banners``: most urgent first. ``video_old``: the picture itself is old and is desaturated.
    ``borders``: outermost first. ``judged``: whether the guidance's measures hold now, drawn or
    not (the colour view draws none).
    """

    word: Word
    tone: Tone
    pill: str
    overlay_allowed: bool
    overlay_age_ms: float | None
    judged: bool
    banners: tuple[Banner, ...]
    video_old: bool
    borders: tuple[Border, ...]
    readings: Readings


@dataclass(frozen=True, slots=True)
class _Verdict:
    word: Word
    tone: Tone
    allowed: bool
    banner: Banner | None = None


def screen_state(
    now_ns: int,
    guidance: Guidance | None,
    health: SessionHealth | None,
    mode: Mode,
    *,
    registration: Registration,
    view: View = View.MERGED,
    video_mid_exposure_ns: int | None = None,
    motion: Motion | None = None,
    freeze: Freeze | None = None,
    alone: bool = False,
    simulated: bool = False,
    health_ns: int | None = None,
    parallax_mm: float = 0.0,
    fault: str | None = None,
) -> ScreenState:
    """Decide what the screen may claim.

    Parameters
    ----------
    now_ns
        `time.monotonic_ns` of this paint.
    guidance
        Behind the overlay of the picture about to be shown; None without one.
    health, health_ns
        Newest summary of the session and when it was read.
    mode
        Where pictures come from.
    registration
        The rig's; that of ``guidance`` counts as well, and the worse one decides.
    view
        What the large picture shows. The colour view never has an overlay; without white light
        under it (the NIR view) an overlay needs neither registration nor still tissue.
    video_mid_exposure_ns
        Of the frame that is really displayed (white, or NIR in the NIR view).
    motion
        Of the tissue since the overlay's NIR frame; None where it was not measured.
    freeze
        Set while the operator holds a picture.
    alone
        White light is shown by itself, because the picture with the overlay had to be put aside.
    simulated
        Whether the pictures are not light on a sensor, though ``mode`` is REPLAY.
    parallax_mm
        The rig's declared misplacement for relief, shown beside the registration's error.
    fault
        An error inside the window itself, in one line.
    """
    replay = mode is Mode.REPLAY
    simulated = simulated or mode is Mode.SIMULATED
    age_ms = _age_ms(now_ns, guidance, mode, video_mid_exposure_ns)
    video_age_ms = None
    if video_mid_exposure_ns is not None and not replay:
        video_age_ms = (now_ns - video_mid_exposure_ns) / MS
    if replay:
        verdict = _judge_replay(now_ns, guidance, health, registration, view, motion, age_ms)
        video_old = False
    else:
        verdict = _judge_live(
            now_ns, guidance, health, registration, view, motion, age_ms, video_age_ms, alone
        )
        video_old = video_age_ms is not None and not _fresh(video_age_ms)

    banners = [verdict.banner] if verdict.banner else []
    word, tone = verdict.word, verdict.tone
    judged = verdict.allowed and not alone
    allowed = judged and view is not View.WHITE
    if freeze is not None:
        banners.insert(
            0,
            Banner(
                Tone.STALE,
                f"FROZEN {freeze.clock}",
                f"Held for {elapsed_text(now_ns - freeze.at_ns)} · press Space for the moving "
                "picture",
            ),
        )
        word, tone, allowed = Word.FROZEN, Tone.STALE, freeze.overlay_allowed
        judged = freeze.overlay_allowed
        age_ms, video_old = freeze.overlay_age_ms, False
    if fault is not None:
        banners.append(
            Banner(
                Tone.ALARM,
                "A part of this window failed",
                f"{fault} · Do not rely on its controls; close it and start again when it is safe",
            )
        )
    recorder_banner = _recorder_banner(health)
    if recorder_banner is not None:
        banners.append(recorder_banner)

    return ScreenState(
        word=word,
        tone=_pill_tone(mode, word, tone),
        pill=_pill(mode, word, freeze, simulated=simulated),
        overlay_allowed=allowed,
        overlay_age_ms=age_ms,
        judged=judged,
        banners=tuple(banners),
        video_old=video_old,
        borders=_borders(mode, simulated=simulated),
        readings=readings(
            now_ns,
            health,
            replay=replay,
            frozen=freeze is not None,
            age_ms=age_ms if allowed else None,
            age_tone=tone,
            registration=_worse(registration, guidance),
            view=view,
            parallax_mm=parallax_mm,
            status_age_ms=None if health_ns is None else (now_ns - health_ns) / MS,
            status_old_ms=STATUS_OLD_MS,
        ),
    )


def _borders(mode: Mode, *, simulated: bool) -> tuple[Border, ...]:
    borders = [Border.REPLAY] if mode is Mode.REPLAY else []
    borders += [Border.SIMULATED] if simulated else []
    return tuple(borders)


def _pill(mode: Mode, word: Word, freeze: Freeze | None, *, simulated: bool) -> str:
    parts = ["REPLAY"] if mode is Mode.REPLAY else []
    parts += ["SIMULATED"] if simulated else []
    if word is not Word.REPLAY and not (simulated and word is Word.LIVE):
        parts.append(f"{word} {freeze.clock}" if freeze is not None else str(word))
    return " · ".join(parts)


def _pill_tone(mode: Mode, word: Word, tone: Tone) -> Tone:
    if mode is Mode.SIMULATED and word is Word.LIVE:
        return Tone.SIMULATED
    return tone


def _age_ms(
    now_ns: int, guidance: Guidance | None, mode: Mode, video_mid_exposure_ns: int | None
) -> float | None:
    if guidance is None:
        return None
    nir_ns = guidance.pair.nir.mid_exposure_ns
    if mode is not Mode.REPLAY:
        return (now_ns - nir_ns) / MS
    # A recording is as old as it is; what can still be wrong is the white frame underneath.
    return None if video_mid_exposure_ns is None else abs(video_mid_exposure_ns - nir_ns) / MS


def _fresh(age_ms: float) -> bool:
    return -AHEAD_MS <= age_ms <= REMOVED_MS


def _worse(registration: Registration, guidance: Guidance | None) -> Registration:
    if guidance is None:
        return registration
    order = ("none", "assumed", "calibrated")
    return min(registration, guidance.registration, key=lambda r: order.index(r.kind))


def _alarm(word: Word, headline: str, detail: str) -> _Verdict:
    return _Verdict(word, Tone.ALARM, False, Banner(Tone.ALARM, headline, detail))


def _judge_replay(
    now_ns: int,
    guidance: Guidance | None,
    health: SessionHealth | None,
    registration: Registration,
    view: View,
    motion: Motion | None,
    age_ms: float | None,
) -> _Verdict:
    def removed(headline: str, detail: str) -> _Verdict:
        return _alarm(Word.REPLAY, headline, detail)

    if health is not None and health.processing_error is not None:
        return removed(
            "No overlay: processing failed",
            f"{_since(now_ns, health.processing_since_ns)}{health.processing_error} · "
            "Open the recording again",
        )
    for stream in _streams(health):
        if stream.health is Health.LOST:
            return removed(
                f"The {_name(stream)} recording cannot be read further",
                f"{stream.error or 'it ended unexpectedly'} · Check the case with: "
                "sln-guide verify CASE",
            )
    if view is View.MERGED and _worse(registration, guidance).kind == "none":
        return removed(*_UNREGISTERED)
    if guidance is None:
        return _Verdict(Word.REPLAY, Tone.REPLAY, False)
    if age_ms is not None and not age_ms <= REMOVED_MS:
        return removed(
            "No overlay: NIR and white light lie too far apart in time",
            f"{elapsed_text(round(age_ms * MS))} between the two frames here · As recorded",
        )
    if view is View.MERGED and motion is not None and motion.too_far:
        return removed(*_moved(motion, "As recorded"))
    return _Verdict(Word.REPLAY, Tone.REPLAY, True)


def _judge_live(
    now_ns: int,
    guidance: Guidance | None,
    health: SessionHealth | None,
    registration: Registration,
    view: View,
    motion: Motion | None,
    age_ms: float | None,
    video_age_ms: float | None,
    alone: bool,
) -> _Verdict:
    if health is None:
        return _starting("Waiting for the cameras")
    nir, white = health.nir, health.white
    white_shown = alone or view is not View.NIR
    white_live = white_shown and video_age_ms is not None and _fresh(video_age_ms)
    goes_on = " · White light is live" if white_live else ""
    goes_on += " · Recording goes on" if health.recorder.recording else ""

    if health.processing_error is not None:
        return _alarm(
            Word.FAILED,
            "Overlay removed: processing failed",
            f"{_since(now_ns, health.processing_since_ns)}{health.processing_error}{goes_on} · "
            "Guide without it; start again when it is safe",
        )
    lost = [s for s in _streams(health) if s.health is Health.LOST]
    if lost:
        return _lost(now_ns, lost, goes_on if white not in lost else "")
    for stream in _streams(health):
        if stream.frozen:
            return _alarm(
                Word.NOT_LIVE,
                f"NOT LIVE: the {_name(stream)} camera repeats one picture",
                f"{_since(now_ns, stream.since_ns)}Its frames no longer change · "
                "Unplug it and plug it in again",
            )
    if view is View.MERGED and _worse(registration, guidance).kind == "none":
        return _alarm(Word.UNREGISTERED, *_UNREGISTERED)
    if nir.health is Health.STALE:
        return _starting("Waiting for NIR")
    if video_age_ms is None:
        return _starting("Waiting for a picture")
    if not _fresh(video_age_ms):
        return _alarm(
            Word.NOT_LIVE,
            "NOT LIVE: this picture is old",
            f"{_lag(video_age_ms)} · Guide by direct view; it returns by itself when frames do",
        )
    if guidance is None or age_ms is None:
        return _starting("Waiting for NIR")
    if not _fresh(age_ms):
        return _not_live(age_ms, nir, goes_on)
    if view is View.MERGED and motion is not None and motion.too_far:
        return _alarm(Word.MOVED, *_moved(motion, "Hold still: it returns with the next NIR frame"))
    if alone:
        return _alarm(
            Word.NOT_LIVE,
            "NOT LIVE: overlay removed",
            f"No new picture comes; it returns by itself when one does{goes_on}",
        )
    if age_ms > max(AMBER_MS, AMBER_PERIODS * nir.period_ns / MS):
        return _Verdict(Word.LATE, Tone.STALE, True)
    return _Verdict(Word.LIVE, Tone.LIVE, True)


def _starting(what: str) -> _Verdict:
    return _Verdict(
        Word.STALE,
        Tone.NEUTRAL,
        False,
        Banner(Tone.NEUTRAL, what, "No overlay until a frame has proved it live"),
    )


_UNREGISTERED = (
    "No overlay: NIR and colour are not registered",
    "Where NIR lies in the colour picture is unknown · Judge NIR in its own view (F3); "
    "calibrate the rig's registration",
)


def _lost(now_ns: int, lost: list[StreamHealth], goes_on: str) -> _Verdict:
    names = " and ".join(_name(s) for s in lost)
    since = min((s.since_ns for s in lost if s.since_ns is not None), default=None)
    why = next((s.error for s in lost if s.error), "no frame comes")
    cameras = "cameras" if len(lost) > 1 else "camera"
    return _alarm(
        Word.LOST,
        f"NOT LIVE: {names} {cameras} lost",
        f"{_since(now_ns, since)}{why} · Check cable and power; it returns by itself{goes_on}",
    )


def _not_live(age_ms: float, nir: StreamHealth, goes_on: str) -> _Verdict:
    period_ms = nir.period_ns / MS
    if period_ms > REMOVED_MS:
        return _alarm(
            Word.NOT_LIVE,
            "No overlay: NIR is too slow to lie over moving tissue",
            f"One NIR frame in {elapsed_text(nir.period_ns)} · Judge it in its own view (F3)"
            f"{goes_on}",
        )
    return _alarm(
        Word.NOT_LIVE,
        "NOT LIVE: overlay removed",
        f"Last NIR: {_lag(age_ms)} · It returns by itself when NIR does{goes_on}",
    )


def _moved(motion: Motion, then: str) -> tuple[str, str]:
    far = f"{motion.distance:.1f} {motion.unit}" if math.isfinite(motion.distance) else "too far"
    return (
        "Overlay removed: tissue has moved",
        f"By {far} since its NIR frame (limit {motion.limit:g} {motion.unit}) · {then}",
    )


def _recorder_banner(health: SessionHealth | None) -> Banner | None:
    if health is None:
        return None
    recorder = health.recorder
    if recorder.error is not None:
        return Banner(
            Tone.ALARM,
            "Recording failed" if recorder.recording else "Recording stopped",
            f"{recorder.error} · The live picture is not affected",
            slim=True,
        )
    if recorder.recording and recorder.dropped:
        return Banner(
            Tone.ALARM,
            f"Recording incomplete: {_frames(recorder.dropped)} not recorded",
            "The disk is too slow; the gap is written into the case · The live picture is not "
            "affected",
            slim=True,
        )
    return None


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"


def _streams(health: SessionHealth | None) -> list[StreamHealth]:
    if health is None:
        return []
    return [health.nir] if health.white is None else [health.nir, health.white]


def _name(stream: StreamHealth) -> str:
    return "NIR" if stream.role == "nir" else "white-light"


def _since(now_ns: int, since_ns: int | None) -> str:
    return "" if since_ns is None else f"For {elapsed_text(now_ns - since_ns)} · "


def _lag(age_ms: float) -> str:
    if age_ms < 0:
        return f"its clock is {elapsed_text(round(-age_ms * MS))} ahead, so its age is unknown"
    return f"{elapsed_text(round(age_ms * MS))} old"
