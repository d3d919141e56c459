"""`Drawing`: from the newest frames and guidance to a `Picture` ready to paint."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hardware.balance import Gains
from hardware.frame import Frame
from hardware.rig import Registration
from sln_guide.core.colour import full_scale
from sln_guide.core.draw import NEUTRAL, Drawer
from sln_guide.core.luminance import luminance_small
from sln_guide.core.motion import shift_between
from sln_guide.guidance import Guidance, NirStyle, Picture, Settings, View
from sln_guide.styles import draw_map, map_scale, overlay_of

THUMBNAIL_WIDTH_PX = 320
NOTHING_SHARE = 0.015
"""Of full scale: white light that spans less from its darkest to its brightest parts is of nothing.

With a covered lens, lamps that are off, or light that saturates it all there is still noise, and
what a sensor's pixels differ by.
"""


class Drawing:
    """Draws for one window (or file); used by one thread. Remembers the last frames.

    ``thumbnails``: each picture gets its own. Without, it gets those of the last
    `renew_thumbnails`, if there were any: live, they are drawn when the picture is out.
    ``white_balance``: gains and black level of the white picture.
    """

    def __init__(
        self,
        registration: Registration,
        *,
        white_balance: Gains = NEUTRAL,
        thumbnails: bool = True,
    ) -> None:
        self._registration = registration
        self._drawer = Drawer(white_balance)
        self._thumbnails = thumbnails
        self._number = 0
        self._white: Frame | None = None
        self._nir: Frame | None = None
        self._white_thumbnail: NDArray[np.uint32] | None = None
        self._nir_thumbnail: NDArray[np.uint32] | None = None
        self._generation_shown = 0
        self._reference: tuple[Frame, NDArray[np.float32]] | None = None
        self._small: tuple[Frame, NDArray[np.float32]] | None = None

    def picture(
        self,
        nir: Frame | None,
        white: Frame | None,
        guidance: Guidance | None,
        settings: Settings,
    ) -> Picture | None:
        """Draw. ``nir`` and ``white`` are what is new since the last picture, or None.

        Returns None while there is nothing to show in the wanted view.
        """
        self._nir = nir or self._nir
        self._white = white or self._white
        view = self._possible(settings.view)
        base = self._nir if view is View.NIR else self._white
        if base is None:
            return None
        overlay = (
            guidance if view is View.MERGED and self._can_overlay(guidance, settings) else None
        )
        mapped = guidance if view is View.NIR and settings.nir_style is NirStyle.MAP else None
        if mapped is not None and math.isfinite(map_scale(mapped, settings)):
            rgb32 = draw_map(mapped, settings)
        else:
            mapped = None
            styled = (overlay, settings) if overlay is None else overlay_of(overlay, settings)
            rgb32 = self._drawer.draw(view, self._white, self._nir, *styled)
        self._number += 1
        if self._thumbnails:
            self.renew_thumbnails()
        handed_over = [frame.host_time_ns for frame in (nir, white) if frame is base]
        if guidance is not None and guidance.generation != self._generation_shown:
            self._generation_shown = guidance.generation
            handed_over.append(guidance.pair.nir.host_time_ns)
        return Picture(
            number=self._number,
            rgb32=rgb32,
            view=view,
            white=self._white,
            nir=self._nir,
            guidance=guidance,
            overlay_drawn=overlay is not None or mapped is not None,
            white_shift_px=self._white_shift_px(guidance),
            handed_over_ns=min(handed_over, default=base.host_time_ns),
            white_thumbnail=self._white_thumbnail,
            nir_thumbnail=self._nir_thumbnail,
        )

    def forget_nir(self) -> None:
        """Show nothing of NIR until a new frame comes: what was is not what is shown now."""
        self._nir = self._nir_thumbnail = None

    def renew_thumbnails(self) -> None:
        """Draw those of the last frames."""
        if self._white is not None:
            self._white_thumbnail = self._drawer.white_thumbnail(self._white, THUMBNAIL_WIDTH_PX)
        if self._nir is not None:
            self._nir_thumbnail = self._drawer.nir_thumbnail(self._nir, THUMBNAIL_WIDTH_PX)

    def _can_overlay(self, guidance: Guidance | None, settings: Settings) -> bool:
        """Whether there is a place and a scale for the overlay."""
        if guidance is None or "none" in (self._registration.kind, guidance.registration.kind):
            return False
        scale = full_scale(guidance, settings)
        return math.isfinite(scale) and scale > 0

    def _possible(self, wanted: View) -> View:
        """Return a view that the streams allow: without white light NIR, and vice versa."""
        if self._white is None:
            return View.NIR
        if wanted is View.NIR and self._nir is None:
            return View.WHITE
        return wanted

    def _white_shift_px(self, guidance: Guidance | None) -> tuple[float, float]:
        """How far tissue moved between the guidance's own white frame and the one shown.

        Not a number where that is unknown (a cut, nothing to see): never taken for "still", not
        even in one and the same picture of nothing.
        """
        if guidance is None or guidance.pair.white is None or self._white is None:
            return (0.0, 0.0)
        own = guidance.pair.white
        reference = guidance.white_small
        if reference is not None and _shows_nothing(reference):
            return (math.nan, math.nan)
        if own is self._white:
            return (0.0, 0.0)
        if reference is None:  # guidance that was recorded without it
            if self._reference is None or self._reference[0] is not own:
                self._reference = (own, luminance_small(own))
            reference = self._reference[1]
        if self._small is None or self._small[0] is not self._white:
            self._small = (self._white, luminance_small(self._white))
        small = self._small[1]
        shift = shift_between(reference, small) if small.shape == reference.shape else None
        if shift is None:
            return (math.nan, math.nan)
        px_per_small = own.width / small.shape[1]
        return shift[0] * px_per_small, shift[1] * px_per_small


def _shows_nothing(small: NDArray[np.float32]) -> bool:
    """Return whether a reduced image, as of `luminance_small`, is of one brightness all over.

    One part in a hundred at either end is left out: stuck pixels shine in the dark. Every second
    px of every second row tells it.
    """
    values = small[::2, ::2].ravel()
    end = values.size // 100
    ordered = np.partition(values, (end, values.size - 1 - end))
    darkest, brightest = np.exp(ordered[[end, values.size - 1 - end]])
    return bool(brightest - darkest < NOTHING_SHARE)
