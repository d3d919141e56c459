"""What the screen may claim: one pure function, without Qt and without a clock of its own.

A stale or misplaced overlay on living tissue is the hazard this file exists against. The window
asks before every paint and obeys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hardware.rig import Registration
from sln_guide.gui.preferences import Unused
from sln_guide.gui.readings import (
    NOTHING,
    WITHOUT_FOLDERS,
    Reading,
    Readings,
    Tone,
    elapsed_text,
    readings,
)
from sln_guide.gui.verdict import (
    MS,
    Banner,
    Motion,
    Word,
    is_fresh,
    is_withdrawn,
    judge_live,
    judge_replay,
    worse_of,
)
from sln_guide.guidance import Guidance, Mode, View
from sln_guide.health import SessionHealth

STATUS_OLD_MS = 1000.0
"""Age of the health readings themselves above which they are called old."""


class Border(StrEnum):
    """A frame all round the video."""

    REPLAY = "replay"
    SIMULATED = "simulated"


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
    not (the colour view draws none). ``registered``: whether NIR may be laid over colour at all.
    """

    word: Word
    tone: Tone
    pill: str
    overlay_allowed: bool
    overlay_age_ms: float | None
    judged: bool
    registered: bool
    banners: tuple[Banner, ...]
    video_old: bool
    borders: tuple[Border, ...]
    readings: Readings


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
    silence: str | None = None,
    light: Reading = NOTHING,
    unchecked: str | None = None,
    distance_mm: float | None = None,
    skew_limit_ms: float | None = None,
    expiry: Reading = NOTHING,
    unused: Mapping[Unused, str] | None = None,
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
    silence
        That the source does not answer, in one line; ``health`` is then its last word.
    light
        What is known of the light; see `light_reading`.
    unchecked
        Why nothing vouches for calibrated units (`Rig.unchecked`); None: something does.
    distance_mm
        Of the plane that the registration is for; None where it is for one only.
    skew_limit_ms
        How far apart in time the rig allows its cameras to expose; None: any.
    expiry
        That what vouches for units ends soon, or has ended; see `expiry_reading`.
    unused
        What the place has chosen and does not hold, and why.
    """
    replay = mode is Mode.REPLAY
    simulated = simulated or mode is Mode.SIMULATED
    age_ms = _age_ms(now_ns, guidance, mode, video_mid_exposure_ns)
    video_age_ms = None
    if video_mid_exposure_ns is not None and not replay:
        video_age_ms = (now_ns - video_mid_exposure_ns) / MS
    evidence = now_ns, guidance, health, registration, view, motion, age_ms
    if replay:
        verdict = judge_replay(*evidence, video_shown=video_mid_exposure_ns is not None)
        video_old = False
    else:
        by_distance = distance_mm is not None
        verdict = judge_live(*evidence, video_age_ms, alone, by_distance=by_distance)
        video_old = video_age_ms is not None and not is_fresh(video_age_ms)
        video_old |= _repeats(health, view, alone=alone)

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
                f"Held for {elapsed_text(now_ns - freeze.at_ns)} · release it for the moving "
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
    if silence is not None:
        banners.append(Banner(Tone.ALARM, "Not known whether cameras and recording run", silence))
    recorder_banner = _recorder_banner(health)
    if recorder_banner is not None:
        banners.append(recorder_banner)
    banners += _lamp_banners(health, replay=replay)
    if not replay:
        banners += _trouble_banners(health)
        banners += _skew_banners(health, skew_limit_ms)
    banners += _unused_banners(unused or {})
    if unchecked is not None:
        banners.append(_unchecked_banner(unchecked))

    return ScreenState(
        word=word,
        tone=_pill_tone(mode, word, tone),
        pill=_pill(mode, word, freeze, simulated=simulated),
        overlay_allowed=allowed,
        overlay_age_ms=age_ms,
        judged=judged,
        registered=worse_of(registration, guidance).kind != "none",
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
            registration=worse_of(registration, guidance),
            view=view,
            parallax_mm=parallax_mm,
            status_age_ms=None if health_ns is None else (now_ns - health_ns) / MS,
            status_old_ms=STATUS_OLD_MS,
            light=light,
            vouched=unchecked is None,
            distance_mm=distance_mm,
            skew_limit_ms=skew_limit_ms,
            expiry=expiry,
            withdrawn=is_withdrawn(guidance),
            silent=silence is not None,
        ),
    )


def _repeats(health: SessionHealth | None, view: View, *, alone: bool) -> bool:
    """Whether the camera whose picture is displayed sends one and the same again and again."""
    if health is None:
        return False
    shown = health.nir if view is View.NIR and not alone else health.white
    return shown is not None and shown.frozen


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


def _recorder_banner(health: SessionHealth | None) -> Banner | None:
    if health is None:
        return None
    recorder = health.recorder
    why = recorder.error
    if recorder.recording and recorder.dropped:
        headline = f"Recording incomplete: {_frames(recorder.dropped)} not recorded"
        why = why or "the disk cannot keep up"
    elif why is not None:
        headline = "Recording in trouble" if recorder.recording else "Recording stopped"
    else:
        return None
    return Banner(Tone.ALARM, headline, f"{why} · The live picture is not affected", slim=True)


def _lamp_banners(health: SessionHealth | None, *, replay: bool) -> list[Banner]:
    """Say what is wrong with gated light, or with the room's."""
    if replay or health is None or health.lamp is None:
        return []
    if health.lamp.alarm is not None:
        return [Banner(Tone.ALARM, "Excitation light not as commanded", health.lamp.alarm)]
    if health.lamp.room:
        return [Banner(Tone.NEUTRAL, "Room light disturbs NIR", health.lamp.room, slim=True)]
    return []


def _skew_banners(health: SessionHealth | None, limit_ms: float | None) -> list[Banner]:
    if health is None or health.skew_ms is None or limit_ms is None or health.skew_ms <= limit_ms:
        return []
    return [
        Banner(
            Tone.ALARM,
            "NIR and white light are not exposed together",
            f"{health.skew_ms:.1f} ms apart, the rig allows {limit_ms:g} ms · What moves is "
            "misplaced by so much · Check the trigger cable between the cameras",
            slim=True,
        )
    ]


def _unused_banners(unused: Mapping[Unused, str]) -> list[Banner]:
    return [
        Banner(Tone.STALE, what, WITHOUT_FOLDERS.sub("", why), slim=True)
        for what, why in unused.items()
    ]


def _trouble_banners(health: SessionHealth | None) -> list[Banner]:
    """Say what is missing because a thread failed; it begins again by itself."""
    if health is None or not health.troubles:
        return []
    said = " · ".join((*health.troubles, "It is tried again every second"))
    return [Banner(Tone.STALE, "A part of the program fails", said, slim=True)]


def _unchecked_banner(why: str) -> Banner:
    """Say it calmly: the pictures are as good as ever, only what their figures mean is not."""
    return Banner(
        Tone.NEUTRAL,
        "Not calibrated: sizes in px, signal without a unit",
        WITHOUT_FOLDERS.sub("", why),
        slim=True,
    )


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"
