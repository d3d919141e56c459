"""`Showing`: chooses what the window paints, so that an old overlay never stays on the screen.

No Qt here. A picture comes with its overlay drawn in; when the screen may no longer claim that
overlay, the picture as a whole is put aside and white light is shown by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from hardware.rig import Rig
from sln_guide.calibration.binding import utc_now
from sln_guide.gui.claims.flags import Flags
from sln_guide.gui.claims.health_watch import HealthReading
from sln_guide.gui.claims.layout import Content, Layout, sides
from sln_guide.gui.claims.readings import elapsed_text
from sln_guide.gui.claims.screen_state import ScreenState, screen_state
from sln_guide.gui.claims.situation import (
    BASELINE_LATE,
    MS,
    Displayed,
    Freeze,
    Motion,
    Situation,
)
from sln_guide.gui.claims.verdict import Word, is_fresh
from sln_guide.gui.preferences import Unused
from sln_guide.guidance import Guidance, Mode, Picture, View
from sln_guide.render.geometry import local_scale
from sln_guide.source import Paint, PictureSource

UNSCALED_MOTION_FRACTION = 0.01
"""Of the picture's width: how far tissue may move where the rig knows no scale."""
UNSCALED_MOTION_MIN_PX = 3.0
SIDE_NS = 45 * MS
"""Pictures beside the large one are drawn anew after so much time: drawing them holds it up."""


Draw = Callable[[Frame], NDArray[np.uint32]]


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A picture beside the chosen one: always the newest there is. ``note`` says if it is old."""

    content: Content
    image: NDArray[np.uint32]
    note: str


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What the large view paints.

    ``image`` is (H, W) uint32 0xffRRGGBB, read-only; None before anything came. ``picture`` is
    what it belongs to; ``alone`` says that white light by itself is shown instead of it.
    ``overlay``: whether rings, tags and legend of the picture's guidance may be painted.
    ``beat`` counts images: a picture that is painted again does not advance it. ``sides`` are
    the pictures that ``layout`` puts beside it. ``judged_ns``: when ``state`` held, monotonic.
    """

    image: NDArray[np.uint32] | None
    picture: Picture | None
    view: View
    alone: bool
    overlay: bool
    state: ScreenState
    beat: int
    layout: Layout = Layout.SINGLE
    sides: tuple[Side, ...] = ()
    judged_ns: int = 0

    def age_ms(self, now_ns: int) -> float | None:
        """Return how old a live overlay is by now; None: there is none, or it is no living one."""
        age_ms = self.state.overlay_age_ms
        living = self.overlay and self.state.word in (Word.LIVE, Word.LATE)
        return age_ms + (now_ns - self.judged_ns) / MS if living and age_ms is not None else None


@dataclass(frozen=True, slots=True)
class _Held:
    freeze: Freeze
    shown: Shown


class Showing:
    """The choice for one window. GUI thread only.

    Parameters
    ----------
    source
        Asked for its newest picture and white frame.
    draw_white, draw_nir
        Draw a frame without anything on it: a new (H, W) uint32 array, 0xffRRGGBB.
    unused
        What the place has chosen and does not hold; looked at before every picture.
    """

    def __init__(
        self,
        source: PictureSource,
        draw_white: Draw,
        draw_nir: Draw,
        unused: Mapping[Unused, str] | None = None,
    ) -> None:
        self._source = source
        self.waiting = False
        """Nothing of the source is shown yet: what draws it may still be with the compiler."""
        self._unused: Mapping[Unused, str] = {} if unused is None else unused
        self._draw = {Content.WHITE: draw_white, Content.NIR: draw_nir}
        self._drawn: dict[Content, tuple[Frame, NDArray[np.uint32]]] = {}
        self._layout = Layout.SINGLE
        self._held: _Held | None = None
        self._last_image: NDArray[np.uint32] | None = None
        self._beat = 0
        self._told: Paint | None = None
        self._flags = Flags()
        self.baseline_late = False
        """The baseline in force was taken in spite of what it may hide."""

    @property
    def frozen(self) -> bool:
        """Whether the operator holds a picture."""
        return self._held is not None

    def freeze(self, now_ns: int, clock: str, reading: HealthReading) -> bool:
        """Hold what is shown now; False if there is nothing to hold."""
        shown = self._look(now_ns, reading, None)
        if shown.image is None:
            return False
        age_ms = shown.state.overlay_age_ms if shown.overlay else None
        known = None if shown.alone or shown.picture is None else shown.picture.guidance
        freeze = Freeze(now_ns, clock, shown.overlay, age_ms, self._flags_of(known))
        self._held = _Held(freeze, shown)
        return True

    def release(self) -> None:
        """Let the picture move again."""
        self._held = None

    @property
    def layout(self) -> Layout:
        """How the operator wants the view divided."""
        return self._layout

    def choose_layout(self, layout: Layout) -> None:
        """Divide the view so."""
        self._layout = layout

    def look(self, now_ns: int, reading: HealthReading, fault: str | None = None) -> Shown:
        """Choose what to paint at ``now_ns``."""
        shown = replace(self._look(now_ns, reading, fault), judged_ns=now_ns)
        layout = self._layout
        nir_apart = shown.view is View.MERGED and not shown.state.registered
        if layout is Layout.SINGLE and nir_apart and (shown.picture is None or shown.picture.nir):
            layout = Layout.PAIR
        if layout is Layout.SINGLE:
            return shown
        picture = self.latest_picture()
        found: dict[Content, Side] = {}
        anew = True
        for content in sorted(sides(layout), key=self._drawn_ns):  # whose turn it is comes first
            before = self._drawn.get(content)
            side = self._side(content, picture, now_ns, anew=anew)
            if side is not None:
                found[content] = side
                anew &= before is None or self._drawn[content] is before
        beside = tuple(found[content] for content in sorted(found))
        return replace(shown, layout=layout, sides=beside)

    def latest_picture(self) -> Picture | None:
        """Return the newest picture that may be shown."""
        return None if self.waiting else self._source.latest_picture()

    def _latest_white(self) -> Frame | None:
        return None if self.waiting else self._source.latest_white()

    def _look(self, now_ns: int, reading: HealthReading, fault: str | None) -> Shown:
        picture = self.latest_picture()
        situation = self._situation(now_ns, reading, fault, picture)
        state = screen_state(situation)
        if self._held is not None:
            return replace(self._held.shown, state=state)
        if picture is None:
            white = self._latest_white()
            if white is None:
                return self._shown(None, None, View.WHITE, state)
            return self._white_alone(situation, None, white)
        baked = picture.overlay_drawn and not state.overlay_allowed
        if not baked and not state.video_old:
            return self._shown(picture.rgb32, picture, picture.view, state, overlay=True)
        white = self._newest_white(picture)
        if white is None or not (baked or _newer(white, picture)):
            if not baked:
                return self._shown(picture.rgb32, picture, picture.view, state)
            # An overlay that cannot be taken off, and no white light to show instead: nothing.
            return self._shown(None, picture, picture.view, state)
        return self._white_alone(situation, picture, white)

    def _white_alone(self, situation: Situation, picture: Picture | None, white: Frame) -> Shown:
        state = screen_state(situation.with_white_alone(white.mid_exposure_ns))
        image = self._drawn_by_itself(Content.WHITE, white)
        return self._shown(image, picture, View.WHITE, state, alone=True)

    def white_beside_an_old_picture(self, now_ns: int) -> NDArray[np.uint32] | None:
        """Return live white light by itself where the newest picture has none so young.

        None where a picture brings it, where it is old itself, and in a replay.
        """
        frame, picture = self._latest_white(), self.latest_picture()
        if self._source.mode is Mode.REPLAY or frame is None:
            return None
        if not is_fresh((now_ns - frame.mid_exposure_ns) / MS):
            return None
        if picture is not None and picture.white is not None:
            if is_fresh((now_ns - picture.white.mid_exposure_ns) / MS):
                return None
        return self._drawn_by_itself(Content.WHITE, frame)

    def painted(self, shown: Shown, painted_ns: int) -> None:
        """Tell the source what really reached the window; a withdrawn overlay is told too.

        White light by itself is told of the last picture that was on the screen: what it stands for
        never was.
        """
        picture, told, said = shown.picture, self._told, shown.state.said
        if picture is None or self._held is not None:
            return
        if shown.alone:
            if told is None:
                return
            paint = replace(told, painted_ns=painted_ns, overlay_visible=False, said=said)
        else:
            paint = Paint.of(picture, painted_ns, shown.overlay, said)
        if told is None or replace(told, painted_ns=painted_ns) != paint:
            self._told = paint
            self._source.painted(paint)

    def _shown(
        self,
        image: NDArray[np.uint32] | None,
        picture: Picture | None,
        view: View,
        state: ScreenState,
        *,
        overlay: bool = False,
        alone: bool = False,
    ) -> Shown:
        if image is not None and image is not self._last_image:
            self._beat += 1
            self._last_image = image
        return Shown(
            image, picture, view, alone, overlay and state.overlay_allowed, state, self._beat
        )

    def _situation(
        self, now_ns: int, reading: HealthReading, fault: str | None, picture: Picture | None
    ) -> Situation:
        guidance = None if picture is None else picture.guidance
        settings = self._source.settings if guidance is None else guidance.settings
        rig = settings.worked(self._source.rig)
        displayed = Displayed()
        if picture is not None:
            displayed = Displayed(
                picture.view,
                guidance,
                self._flags_of(guidance),
                _displayed_ns(picture),
                motion_since_guidance(picture, rig),
                picture.nir,
            )
        return Situation(
            now_ns=now_ns,
            wall_clock=utc_now(),
            mode=self._source.mode,
            rig=rig,
            reading=reading,
            displayed=displayed,
            freeze=None if self._held is None else self._held.freeze,
            fault=fault,
            unused=self._unused,
        )

    def _flags_of(self, guidance: Guidance | None) -> frozenset[str]:
        """Return what is to be said of a guidance."""
        late = self.baseline_late and guidance is not None and guidance.baseline_used
        return self._flags.follow(guidance) | ({BASELINE_LATE} if late else frozenset())

    def _newest_white(self, picture: Picture) -> Frame | None:
        """Return the white frame to show by itself; a replay stays with the pair it stands at."""
        if self._source.mode is Mode.REPLAY:
            return picture.white
        newest = self._latest_white()
        frames = [f for f in (newest, picture.white) if f is not None]
        return max(frames, key=lambda f: f.mid_exposure_ns, default=None)

    def _drawn_by_itself(self, content: Content, frame: Frame) -> NDArray[np.uint32]:
        """Draw a frame once, however often it is looked at."""
        before = self._drawn.get(content)
        if before is not None and before[0] is frame:
            return before[1]
        image = self._draw[content](frame)
        image.setflags(write=False)
        self._drawn[content] = (frame, image)
        return image

    def _drawn_ns(self, content: Content) -> tuple[int, str]:
        """Return how old the picture is that was drawn last beside the large one, as a sort key."""
        drawn = self._drawn.get(content)
        return (0 if drawn is None else drawn[0].mid_exposure_ns), content

    def _side(
        self, content: Content, picture: Picture | None, now_ns: int, *, anew: bool
    ) -> Side | None:
        """Return the newest colour or NIR picture, with its age if that is too great.

        Not ``anew``: another one is drawn for this paint already, which is enough to wait for.
        """
        if content is Content.NIR:
            frame = None if picture is None else picture.nir
        else:
            frame = self._latest_white() if picture is None else self._newest_white(picture)
        if frame is None:
            return None
        note = ""
        if self._source.mode is not Mode.REPLAY:
            drawn = self._drawn.get(content)
            if drawn is not None:
                later_ns = frame.mid_exposure_ns - drawn[0].mid_exposure_ns
                if later_ns < SIDE_NS or not (anew or later_ns > 2 * SIDE_NS):
                    frame = drawn[0]  # the large picture's turn comes first
            note = age_note(frame, now_ns)
        return Side(content, self._drawn_by_itself(content, frame), note)


def age_note(frame: Frame, now_ns: int) -> str:
    """Return what is said of a live frame's age where it is too great; empty for a fresh one."""
    age_ns = now_ns - frame.mid_exposure_ns
    if is_fresh(age_ns / MS):
        return ""
    return f"{elapsed_text(age_ns)} old" if age_ns > 0 else "age unknown"


def motion_since_guidance(picture: Picture, rig: Rig) -> Motion | None:
    """Return how far tissue has moved in white since the overlay's NIR frame.

    None where nothing was measured: no guidance, or no white frame on one of the two sides.
    """
    guidance, white = picture.guidance, picture.white
    if guidance is None or guidance.pair.white is None or white is None:
        return None
    shift_px = math.hypot(*picture.white_shift_px)
    mm_per_white_px = None
    if rig.optics.mm_per_px is not None and guidance.registration.kind != "none":
        nir = guidance.pair.nir
        scale = local_scale(guidance.registration, (nir.width - 1) / 2, (nir.height - 1) / 2)
        mm_per_white_px = rig.optics.mm_per_px / scale
    if mm_per_white_px is None:
        limit_px = max(UNSCALED_MOTION_MIN_PX, round(UNSCALED_MOTION_FRACTION * white.width))
        return Motion(shift_px, float(limit_px), "px")
    limit_mm = rig.optics.max_tissue_motion_mm
    if rig.unchecked is not None:  # the same limit, not told in mm
        return Motion(shift_px, round(limit_mm / mm_per_white_px, 1), "px")
    return Motion(shift_px * mm_per_white_px, limit_mm, "mm")


def _displayed_ns(picture: Picture) -> int | None:
    """Mid-exposure of the frame a picture shows."""
    frame = picture.nir if picture.view is View.NIR else picture.white
    return None if frame is None else frame.mid_exposure_ns


def _newer(white: Frame, picture: Picture) -> bool:
    displayed_ns = _displayed_ns(picture)
    return displayed_ns is None or white.mid_exposure_ns > displayed_ns
