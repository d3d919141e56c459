"""`ReplayExport`: what the operator has made of the case that is replayed."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from sln_guide.export.wish import Span, What, Wish
from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.hands.exporting import CaseExport
from sln_guide.gui.hands.snapshot import taken_at
from sln_guide.source import PictureSource, Replayable

SUFFIXES = {
    What.OVERLAY: ".mp4",
    What.SIDE_BY_SIDE: ".mp4",
    What.TRIPTYCH: ".mp4",
    What.STILLS: "",
    What.CURVES: ".csv",
    What.TABLES: "",
    What.JOURNAL: ".csv",
    What.FFV1: ".mkv",
    What.OME_TIFF: ".ome.tif",
}


class ReplayExport:
    """One export at a time, beside the replay, which goes on.

    Parameters
    ----------
    source, replay
        What is shown, and the same as it can be replayed.
    folder
        Where it goes.
    say, done
        Has a confirmation shown; has the window refreshed.
    """

    def __init__(
        self,
        source: PictureSource,
        replay: Replayable,
        folder: Path,
        say: Callable[..., None],
        done: Callable[[], object],
    ) -> None:
        self._source = source
        self._replay = replay
        self._folder = folder
        self._say = say
        self._done = done
        self._under_way: CaseExport | None = None

    def begin(self, what: What, begin_s: float = 0.0, end_s: float = math.inf) -> None:
        """Make something of the case with the settings as they are now."""
        if self._under_way is not None:
            return
        case = self._replay.folder
        name = f"{case.stem}-{what}-{taken_at()}{SUFFIXES[what]}"
        wish = Wish(
            what,
            self._folder / name,
            self._replay.asked,
            Span(begin_s, end_s),
            (self._replay.position_s,),
        )
        self._under_way = CaseExport(case, wish)
        self._say("Exporting beside the replay, which goes on")
        self._done()

    def stop(self) -> None:
        """Give up what is being made."""
        if self._under_way is not None:
            self.end()
            self._say("Export given up: nothing of it is kept")
            self._done()

    def follow(self) -> float | None:
        """Say when an export has come to its end; return its share done, None without one."""
        if self._under_way is None:
            return None
        told = self._under_way.told()
        if not told.ended:
            return told.done / max(told.total, 1)
        self.end()
        self._say(told.text, Tone.ALARM if told.failed else Tone.PLAIN)
        return None

    def end(self) -> None:
        """Give up what is being made, and say nothing."""
        if self._under_way is not None:
            self._under_way.give_up()
            self._under_way = None
