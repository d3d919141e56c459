"""`Regions`: what the operator draws on the picture: what is excluded, and what is plotted."""

from __future__ import annotations

from collections.abc import Callable

from sln_guide.gui.claims.showing import Showing
from sln_guide.gui.picture.lasso import Points, in_nir
from sln_guide.guidance import MOST_REGIONS, Picture
from sln_guide.source import PictureSource


class Regions:
    """One region in which no node is called, and some whose light over time is plotted.

    They are drawn one at a time; what was asked for last is what the next one drawn is for.

    Parameters
    ----------
    source
        Told.
    showing
        Holds the frozen picture, on which nothing is drawn.
    change, say
        Changes settings; has a confirmation shown.
    """

    def __init__(
        self,
        source: PictureSource,
        showing: Showing,
        change: Callable[..., None],
        say: Callable[[str], None],
    ) -> None:
        self._source = source
        self._showing = showing
        self._change = change
        self._say = say
        self._to_plot = False

    def exclude(self, toggle_lasso: Callable[[], bool]) -> None:
        """Let a region be drawn; take away the one there is."""
        if self._source.settings.exclusion_px:
            self._change(exclusion_px=())
            self._say("Nothing is excluded any more")
            self._source.mark("exclusion", "ended")
        elif self._showing.frozen:
            self._say("Frozen: release the picture, then draw on the moving one")
        elif toggle_lasso():
            self._to_plot = False
            self._say("Draw round the injection site with a finger")

    def draw(self, toggle_lasso: Callable[[], bool]) -> None:
        """Let a region be drawn whose light is plotted over time."""
        if len(self._source.settings.regions_px) >= MOST_REGIONS:
            self._say(f"There are {MOST_REGIONS} regions already: remove one first")
        elif self._showing.frozen:
            self._say("Frozen: release the picture, then draw on the moving one")
        elif toggle_lasso():
            self._to_plot = True
            self._say("Draw a region: its light over time is plotted as a curve")

    def remove(self) -> None:
        """Take away the region drawn last, and its curve."""
        regions = self._source.settings.regions_px
        if not regions:
            self._say("No region is drawn")
            return
        self._change(regions_px=regions[:-1])
        self._say(f"ROI-{len(regions)} removed")
        self._source.mark("region", f"ROI-{len(regions)} ended")

    def take(self, points: Points, picture: Picture | None) -> None:
        """Exclude what was drawn on ``picture`` (its px), or have it plotted."""
        region = () if picture is None or not points else in_nir(points, picture)
        if self._to_plot:
            self._to_plot = False
            self._plot(region)
        elif region:
            self._change(exclusion_px=region)
            self._say("Excluded: no node is called in there; it follows the tissue")
            self._source.mark("exclusion", f"{len(region)} points")
        else:
            self._say("Nothing excluded: draw a closed line on a registered picture")

    def _plot(self, region: Points) -> None:
        if not region:
            self._say("No region: draw one on a registered picture")
            return
        regions = (*self._source.settings.regions_px, region)
        self._change(regions_px=regions)
        self._say(f"ROI-{len(regions)}: its light is plotted; it follows the tissue")
        self._source.mark("region", f"ROI-{len(regions)}")
