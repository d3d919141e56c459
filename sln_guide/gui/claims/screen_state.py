"""What the screen may claim: one pure function, without Qt and without a clock of its own.

A stale or misplaced overlay on living tissue is the hazard this file exists against. The window
says what is known (`situation.py`) before every paint, asks, and obeys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sln_guide.gui.claims.readings import (
    SECOND,
    WITHOUT_FOLDERS,
    Readings,
    Tone,
    elapsed_text,
    readings,
)
from sln_guide.gui.claims.situation import BASELINE_LATE, Freeze, Situation
from sln_guide.gui.claims.verdict import (
    AHEAD_MS,
    Banner,
    Word,
    is_fresh,
    is_slow,
    judge_live,
    judge_replay,
    seldom_ms,
)
from sln_guide.gui.preferences import Unused
from sln_guide.guidance import (
    BASELINE_ELSEWHERE,
    BASELINE_MISFIT,
    BASELINE_NONE,
    NIR_CONSTANT,
    NIR_DARK,
    NIR_SATURATED,
    TOO_MANY,
    UNJUDGED,
    Mode,
    View,
)
from sln_guide.health import RecorderHealth, SessionHealth

SKEW_TOLD_MS = 60.0
"""So far apart NIR and white light are exposed before it is told by itself, whatever the rig says.

Half of a camera's period, where the other one is quick: this one sends eight pictures a second.
"""
_NOT_AFFECTED = "The live picture is not affected"
_NO_ANSWER = "Nodes would not be called"
_WITHOUT_BASELINE = "Nodes and limit are as without one"
_TOLD_FLAGS = {
    NIR_SATURATED: ("NIR is saturated", f"{_NO_ANSWER} · Lower exposure, gain or excitation"),
    NIR_DARK: ("No light in NIR", f"{_NO_ANSWER} · Look at lens cap, excitation and exposure"),
    NIR_CONSTANT: ("NIR shows nothing but one grey", f"{_NO_ANSWER} · Look at the camera"),
    UNJUDGED: ("Too little of NIR can be judged", _NO_ANSWER),
    TOO_MANY: ("More bright places than can be told apart", "Some are not called"),
    BASELINE_MISFIT: ("Baseline not used: it does not fit the tissue", _WITHOUT_BASELINE),
    BASELINE_ELSEWHERE: ("Baseline not used: of another working distance", _WITHOUT_BASELINE),
    BASELINE_NONE: (
        "There is no baseline: none could be taken, or a restart lost it",
        "Take another one only if no tracer has come",
    ),
    BASELINE_LATE: (
        "Baseline was taken when tracer may have been there",
        "A node that shone then counts as tissue and may not be called",
    ),
}
"""Flags of a guidance that are said over the picture: how, and what follows from each."""
_REPLAYED_FLAGS = _TOLD_FLAGS | {
    BASELINE_NONE: ("No baseline at hand at this moment", "Play from before it was asked for"),
}
"""A replay that begins later does not know whether one was taken."""


class Border(StrEnum):
    """A frame all round the video."""

    REPLAY = "replay"
    SIMULATED = "simulated"


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

    @property
    def said(self) -> str:
        """The pill and the banners' headlines, as the case keeps them."""
        return " · ".join((self.pill, *(banner.headline for banner in self.banners)))


def screen_state(situation: Situation) -> ScreenState:
    """Decide what the screen may claim."""
    displayed, freeze = situation.displayed, situation.freeze
    verdict = judge_replay(situation) if situation.replay else judge_live(situation)
    word, tone, judged = verdict.word, verdict.tone, verdict.allowed and not displayed.alone
    allowed = judged and displayed.view is not View.WHITE
    age_ms, video_old = situation.overlay_age_ms, _video_old(situation)
    if freeze is not None:  # what was right, or not, when the picture was taken
        word, tone = Word.FROZEN, Tone.STALE
        judged = allowed = freeze.overlay_allowed
        age_ms, video_old = freeze.overlay_age_ms, False
    return ScreenState(
        word=word,
        tone=_pill_tone(situation.mode, word, tone),
        pill=_pill(situation, word),
        overlay_allowed=allowed,
        overlay_age_ms=age_ms,
        judged=judged,
        registered=situation.registration.kind != "none",
        banners=_banners(situation, verdict.banner),
        video_old=video_old,
        borders=_borders(situation),
        readings=readings(situation, age_ms if allowed else None, tone),
    )


def _video_old(situation: Situation) -> bool:
    """Whether the live picture is old, or its camera sends one and the same again and again."""
    age_ms, health, displayed = situation.video_age_ms, situation.health, situation.displayed
    if situation.replay:
        return False
    nir_shown = displayed.view is View.NIR and not displayed.alone
    stream = None if health is None else health.nir if nir_shown else health.white
    if stream is not None and (stream.frozen or (is_slow(stream) and not nir_shown)):
        return True
    if stream is not None and is_slow(stream):
        return age_ms is not None and not -AHEAD_MS <= age_ms <= seldom_ms(stream)
    return age_ms is not None and not is_fresh(age_ms)


def _borders(situation: Situation) -> tuple[Border, ...]:
    borders = [Border.REPLAY] if situation.replay else []
    borders += [Border.SIMULATED] if situation.simulated else []
    return tuple(borders)


def _pill(situation: Situation, word: Word) -> str:
    parts = ["REPLAY"] if situation.replay else []
    parts += ["SIMULATED"] if situation.simulated else []
    if word is not Word.REPLAY and not (situation.simulated and word is Word.LIVE):
        freeze = situation.freeze
        parts.append(f"{word} {freeze.clock}" if freeze is not None else str(word))
    return " · ".join(parts)


def _pill_tone(mode: Mode, word: Word, tone: Tone) -> Tone:
    if mode is Mode.SIMULATED and word is Word.LIVE:
        return Tone.SIMULATED
    return tone


def _banners(situation: Situation, verdict: Banner | None) -> tuple[Banner, ...]:
    """Return what is said over the video; ``verdict``: of the overlay."""
    banners = [_frozen_banner(situation.now_ns, situation.freeze), verdict]
    banners.append(_fault_banner(situation.fault))
    banners.append(_silence_banner(situation.reading.error))
    banners.append(_recorder_banner(situation.health))
    if not situation.replay:
        banners.append(_lamp_banner(situation.health))
        banners.append(_trouble_banner(situation.health))
        banners.append(_skew_banner(situation.health, situation.rig.skew_limit_ms))
    banners += _guidance_banners(situation)
    banners += _unused_banners(situation.unused)
    banners.append(_unchecked_banner(situation.rig.unchecked))
    return tuple(banner for banner in banners if banner is not None)


def _frozen_banner(now_ns: int, freeze: Freeze | None) -> Banner | None:
    """Say that a picture is held: in one line, for nothing of what is looked at may be hidden."""
    if freeze is None:
        return None
    held = elapsed_text(now_ns - freeze.at_ns)
    return Banner(
        Tone.STALE,
        f"FROZEN {freeze.clock}",
        f"Held for {held} · release it for the moving picture",
        slim=True,
    )


def _fault_banner(fault: str | None) -> Banner | None:
    if fault is None:
        return None
    return Banner(
        Tone.ALARM,
        "A part of this window failed",
        f"{fault} · Do not rely on its controls; close it and start again when it is safe",
    )


def _silence_banner(silence: str | None) -> Banner | None:
    if silence is None:
        return None
    return Banner(Tone.ALARM, "Not known whether cameras and recording run", silence)


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
        if recorder.dropped:
            headline += f": {_frames(recorder.dropped)} not recorded"
    else:
        return _drive_banner(recorder)
    return Banner(Tone.ALARM, headline, f"{why} · {_NOT_AFFECTED}", slim=True)


def _drive_banner(recorder: RecorderHealth) -> Banner | None:
    """Say that the drive keeps the recorder waiting: nothing is lost yet."""
    if not recorder.recording:
        return None
    if recorder.drive_silent:
        waits = elapsed_text(round(recorder.silent_s * SECOND))
        return Banner(
            Tone.STALE,
            "The recording waits for its drive",
            f"It has not answered for {waits} · {_frames(recorder.unsaved)} in memory, none lost "
            f"so far · Look at the drive and its cable · {_NOT_AFFECTED}",
            slim=True,
        )
    if recorder.drive_slow:
        waits = elapsed_text(round(recorder.unsynced_s * SECOND))
        return Banner(
            Tone.STALE,
            "A power cut would cost the last part of the recording",
            f"Its drive has needed {waits} so far to make durable what it took · {_NOT_AFFECTED}",
            slim=True,
        )
    return None


def _lamp_banner(health: SessionHealth | None) -> Banner | None:
    """Say what is wrong with gated light, or with the room's."""
    if health is None or health.lamp is None:
        return None
    if health.lamp.alarm is not None:
        return Banner(Tone.ALARM, "Excitation light not as commanded", health.lamp.alarm)
    if health.lamp.room:
        return Banner(Tone.NEUTRAL, "Room light disturbs NIR", health.lamp.room, slim=True)
    return None


def _trouble_banner(health: SessionHealth | None) -> Banner | None:
    """Say what is missing because a thread failed; it begins again by itself."""
    if health is None or not health.troubles:
        return None
    said = " · ".join((*health.troubles, "It is tried again every second"))
    return Banner(Tone.STALE, "A part of the program fails", said, slim=True)


def _skew_banner(health: SessionHealth | None, limit_ms: float | None) -> Banner | None:
    """Say that the cameras expose far apart in time: how far stands in the strip, and only there.

    The two are painted in turn, so that a figure that changes would read differently in each.
    """
    if health is None or health.skew_ms is None:
        return None
    if limit_ms is None:
        if health.skew_ms <= SKEW_TOLD_MS:
            return None
        return Banner(
            Tone.STALE,
            "What moves is misplaced",
            "NIR and white light are exposed at different moments, as one of the two comes seldom "
            "· Raise its frame rate",
            slim=True,
        )
    if health.skew_ms <= limit_ms:
        return None
    return Banner(
        Tone.ALARM,
        "NIR and white light are not exposed together",
        f"Farther apart than the {limit_ms:g} ms that the rig allows · What moves is misplaced · "
        "Check the trigger cable between the cameras",
        slim=True,
    )


def _guidance_banners(situation: Situation) -> list[Banner]:
    """Say what the guidance shown does without, or cannot do: its flags that concern a surgeon."""
    displayed, freeze = situation.displayed, situation.freeze
    flags = displayed.flags
    if freeze is not None:
        flags = freeze.flags
    elif displayed.guidance is None or displayed.alone:
        return []
    told = _REPLAYED_FLAGS if situation.replay else _TOLD_FLAGS
    return [
        Banner(Tone.STALE, headline, detail, slim=True)
        for flag, (headline, detail) in told.items()
        if flag in flags
    ]


def _unused_banners(unused: Mapping[Unused, str]) -> list[Banner]:
    return [
        Banner(Tone.STALE, what, WITHOUT_FOLDERS.sub("", why), slim=True)
        for what, why in unused.items()
    ]


def _unchecked_banner(why: str | None) -> Banner | None:
    """Say it calmly: the pictures are as good as ever, only what their figures mean is not."""
    if why is None:
        return None
    return Banner(
        Tone.NEUTRAL,
        "Not calibrated: sizes in px, signal without a unit",
        WITHOUT_FOLDERS.sub("", why),
        slim=True,
    )


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"
