"""What may be said of the overlay: alive or not, and if not, in plain words why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeGuard

from sln_guide.gui.claims.readings import Tone, elapsed_text
from sln_guide.gui.claims.situation import MS, Motion, Situation
from sln_guide.guidance import View
from sln_guide.health import Alignment, Health, StreamHealth

AMBER_MS = 100.0
"""Overlay age above which the pill turns amber, or `AMBER_PERIODS` NIR periods if longer."""
AMBER_PERIODS = 3
REMOVED_MS = 250.0
"""Overlay age above which a live overlay is removed."""
SELDOM_PERIODS = 2.0
"""By itself a stream that is slow anyway may be so old: a red band would only flash."""
AHEAD_MS = 20.0
"""How far in the future a mid-exposure may seem to lie; beyond, the clock proves nothing."""


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
    MISALIGNED = "MISALIGNED"
    FROZEN = "FROZEN"
    REPLAY = "REPLAY"


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
class Verdict:
    """The state's word and colour, whether an overlay may be shown, and what to say."""

    word: Word
    tone: Tone
    allowed: bool
    banner: Banner | None = None


def is_fresh(age_ms: float) -> bool:
    """Whether an age neither is too great nor lies in the future."""
    return -AHEAD_MS <= age_ms <= REMOVED_MS


def is_live(stream: StreamHealth) -> bool:
    """Whether what a camera sends is new: one that repeats a picture sends none."""
    return stream.health in (Health.LIVE, Health.DEGRADED) and not stream.frozen


def is_slow(stream: StreamHealth | None) -> TypeGuard[StreamHealth]:
    """Whether pictures come so seldom that each grows old before the next one."""
    return stream is not None and stream.period_ns / MS > REMOVED_MS


def seldom_ms(stream: StreamHealth) -> float:
    """Return how old a picture of a slow stream may be that is looked at by itself."""
    return SELDOM_PERIODS * stream.period_ns / MS


def _alarm(word: Word, headline: str, detail: str) -> Verdict:
    return Verdict(word, Tone.ALARM, False, Banner(Tone.ALARM, headline, detail))


def judge_replay(situation: Situation) -> Verdict:
    """Judge a recording: only what lies in it can be wrong with it."""
    now_ns, health, displayed = situation.now_ns, situation.health, situation.displayed
    merged = displayed.view is View.MERGED

    def removed(headline: str, detail: str) -> Verdict:
        return _alarm(Word.REPLAY, headline, detail)

    if health is not None and health.processing_error is not None:
        return removed(
            "No overlay: processing failed",
            f"{_since(now_ns, health.processing_since_ns)}{health.processing_error} · "
            "Open the recording again",
        )
    for stream in situation.streams:
        if stream.health is Health.LOST:
            return removed(
                f"The {_name(stream)} recording cannot be read here",
                f"{stream.error or 'it ended unexpectedly'} · Check the case with: "
                "sln-guide verify CASE",
            )
    if displayed.guidance is None:
        said = ("Opening the recording", "The first picture is being made")
        if displayed.mid_exposure_ns is not None:
            said = (
                "No overlay: there is no NIR here",
                "Only white light was recorded at this time",
            )
        return Verdict(Word.REPLAY, Tone.REPLAY, False, Banner(Tone.NEUTRAL, *said))
    if merged and situation.withdrawn:
        return removed(*_misaligned(None, "As recorded"))
    if merged and situation.registration.kind == "none":
        return removed(*_UNREGISTERED)
    age_ms = situation.overlay_age_ms
    if age_ms is not None and not age_ms <= REMOVED_MS:
        return removed(
            "No overlay: NIR and white light lie too far apart in time",
            f"{elapsed_text(round(age_ms * MS))} between the two frames here · As recorded",
        )
    if merged and displayed.motion is not None and displayed.motion.too_far:
        if displayed.motion.unknown:
            return removed(_UNFOLLOWED, _UNFOLLOWED_WHY)
        return removed(*_moved(displayed.motion, "As recorded"))
    return Verdict(Word.REPLAY, Tone.REPLAY, True)


def judge_live(situation: Situation) -> Verdict:
    """Judge living tissue: stale until proved live."""
    now_ns, health, displayed = situation.now_ns, situation.health, situation.displayed
    view, motion = displayed.view, displayed.motion
    age_ms, video_age_ms = situation.overlay_age_ms, situation.video_age_ms
    if health is None:
        drawn = (_DRAWN_FIRST,) if situation.rig.simulated else ()
        return _starting("Waiting for the cameras", *drawn)
    if health.ended is not None:
        return _alarm(Word.NOT_LIVE, "NOT LIVE: cameras and recording have stopped", health.ended)
    nir, white = health.nir, health.white
    white_shown = displayed.alone or view is not View.NIR
    white_live = white_shown and video_age_ms is not None and is_fresh(video_age_ms)
    white_live &= white is not None and is_live(white) and not is_slow(white)
    recording = " · Recording goes on" if health.recorder.recording else ""
    goes_on = (" · White light is live" if white_live else "") + recording

    if health.processing_error is not None:
        return _alarm(
            Word.FAILED,
            "Overlay removed: processing failed",
            f"{_since(now_ns, health.processing_since_ns)}{health.processing_error}{goes_on} · "
            "Guide without it",
        )
    streams = situation.streams
    lost = [s for s in streams if s.health is Health.LOST and not s.frozen]
    if lost:
        if white in lost:
            goes_on = (" · NIR is live in its own view" if is_live(nir) else "") + recording
        return _lost(now_ns, lost, goes_on if len(lost) < len(streams) else "")
    for stream in streams:
        if stream.frozen:
            return _alarm(
                Word.NOT_LIVE,
                f"NOT LIVE: the {_name(stream)} camera repeats one picture",
                f"{_since(now_ns, stream.since_ns)}Its frames no longer change · "
                f"Unplug it and plug it in again{goes_on}",
            )
    if view is View.MERGED and situation.withdrawn:
        by_distance = situation.rig.registered_distance_mm is not None
        distance = ", set the working distance" if by_distance else ""
        then = (
            f"Judge NIR in its own view; put the cameras back{distance} (it returns by itself) or "
            f"register them again{goes_on}"
        )
        return _alarm(Word.MISALIGNED, *_misaligned(health.alignment, then))
    if view is View.MERGED and situation.registration.kind == "none":
        return _alarm(Word.UNREGISTERED, *_UNREGISTERED)
    if health.preparing_since_ns is not None and (video_age_ms is None or is_fresh(video_age_ms)):
        return _starting(
            "Guidance is being made ready",
            f"{_since(now_ns, health.preparing_since_ns)}On a machine's first start this takes "
            f"some minutes{goes_on}",
        )
    if nir.health is Health.STALE:
        return _starting("Waiting for NIR")
    if video_age_ms is None:
        return _starting("Waiting for a picture")
    if white_shown and is_slow(white):
        return _alarm(
            Word.NOT_LIVE,
            "NOT LIVE: white light comes too seldom",
            f"One picture in {elapsed_text(white.period_ns)} · Guide by direct view; shorten its "
            f"exposure, raise its frame rate{recording}",
        )
    if not white_shown and is_slow(nir) and video_age_ms <= seldom_ms(nir):
        seldom = f"One picture in {elapsed_text(nir.period_ns)} · What moves is elsewhere by now"
        band = Banner(Tone.STALE, "NIR comes seldom", seldom, slim=True)
        return Verdict(Word.LATE, Tone.STALE, False, band)
    if not is_fresh(video_age_ms):
        return _alarm(
            Word.NOT_LIVE,
            "NOT LIVE: this picture is old",
            f"{_lag(video_age_ms)} · Guide by direct view; it returns by itself when frames do",
        )
    if age_ms is None:
        return _starting("Waiting for NIR")
    if not is_fresh(age_ms):
        return _not_live(age_ms, nir, goes_on)
    if view is View.MERGED and motion is not None and motion.unknown:
        said = (
            f"{_UNFOLLOWED_WHY} · Look at lens cap, lamp and focus; it returns by itself{goes_on}"
        )
        return _alarm(Word.NOT_LIVE, _UNFOLLOWED, said)
    if view is View.MERGED and motion is not None and motion.too_far:
        return _alarm(Word.MOVED, *_moved(motion, "Hold still: it returns with the next NIR frame"))
    if displayed.alone:
        return _alarm(
            Word.NOT_LIVE,
            "NOT LIVE: overlay removed",
            f"No new picture comes; it returns by itself when one does{goes_on}",
        )
    if age_ms > max(AMBER_MS, AMBER_PERIODS * nir.period_ns / MS):
        return Verdict(Word.LATE, Tone.STALE, True)
    return Verdict(Word.LIVE, Tone.LIVE, True)


def _starting(what: str, detail: str = "No overlay until a frame has proved it live") -> Verdict:
    return Verdict(Word.STALE, Tone.NEUTRAL, False, Banner(Tone.NEUTRAL, what, detail))


_DRAWN_FIRST = "What simulated cameras see is drawn first; large pictures take a while"
_RETURN = " · They return by themselves"
_UNFOLLOWED = "Overlay removed: tissue cannot be followed"
_UNFOLLOWED_WHY = "It moved too fast, or white light shows too little of it"
_UNREGISTERED = (
    "No overlay: NIR and colour are not registered",
    "Where NIR lies in the colour picture is unknown · Judge NIR in its own view; "
    "calibrate the rig's registration",
)


def _misaligned(alignment: Alignment | None, then: str) -> tuple[str, str]:
    apart = "" if alignment is None else alignment.apart
    return (
        "Overlay removed: the cameras have moved against each other",
        f"Edges in NIR and colour lie {apart or 'apart'}{' apart' if apart else ''} · {then}",
    )


def _lost(now_ns: int, lost: list[StreamHealth], goes_on: str) -> Verdict:
    names = " and ".join(_name(s) for s in lost)
    since = max((s.since_ns for s in lost if s.since_ns is not None), default=None)
    why = " · ".join(_why_lost(lost))
    back = sum(not s.ended for s in lost)
    then = "" if back == 0 else " · It returns by itself" if back == 1 else _RETURN
    cameras = "cameras" if len(lost) > 1 else "camera"
    return _alarm(
        Word.LOST,
        f"NOT LIVE: {names} {cameras} lost",
        f"{_since(now_ns, since)}{why}{then}{goes_on}",
    )


def _why_lost(lost: list[StreamHealth]) -> list[str]:
    """Say why each camera is lost and what to do; once, where it is the same for both."""
    said = []
    for stream in lost:
        error = stream.error or "no frame comes"
        if len(lost) > 1:  # named by what it shows, or told of both alike
            error = error.removeprefix(f"camera {stream.camera_id}: ")
        said.append(f"{error}; {stream.remedy}" if stream.remedy else error)
    if len(lost) == 1 or len(set(said)) == 1:
        return said[:1]
    return [f"{_name(s)}: {why}" for s, why in zip(lost, said, strict=True)]


def _not_live(age_ms: float, nir: StreamHealth, goes_on: str) -> Verdict:
    if is_slow(nir):
        return _alarm(
            Word.NOT_LIVE,
            "No overlay: NIR is too slow to lie over moving tissue",
            f"One NIR frame in {elapsed_text(nir.period_ns)} · Judge it in its own view{goes_on}",
        )
    return _alarm(
        Word.NOT_LIVE,
        "NOT LIVE: overlay removed",
        f"Last NIR: {_lag(age_ms)} · It returns by itself when NIR does{goes_on}",
    )


def _moved(motion: Motion, then: str) -> tuple[str, str]:
    return (
        "Overlay removed: tissue has moved",
        f"By {motion.distance:.1f} {motion.unit} since its NIR frame "
        f"(limit {motion.limit:g} {motion.unit}) · {then}",
    )


def _name(stream: StreamHealth) -> str:
    return "NIR" if stream.role == "nir" else "white-light"


def _since(now_ns: int, since_ns: int | None) -> str:
    return "" if since_ns is None else f"For {elapsed_text(now_ns - since_ns)} · "


def _lag(age_ms: float) -> str:
    if age_ms < 0:
        ahead = f"{-age_ms:.0f} ms" if age_ms > -100.0 else elapsed_text(round(-age_ms * MS))
        return f"its clock is {ahead} ahead, so its age is unknown"
    return f"{elapsed_text(round(age_ms * MS))} old"
