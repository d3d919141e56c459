"""`SnapshotSaver`: stills and tables written on a thread of their own, so that no paint waits."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtGui import QImage

from sln_guide.gui.claims.showing import Shown
from sln_guide.guidance import Mode, Picture
from sln_guide.one_line import unexpected
from sln_guide.source import PictureSource

MOST_WAITING = 16
END_TIMEOUT_S = 10.0
"""Pictures that may wait for a slow disk; each holds some 10 MB."""


def taken_at() -> str:
    """Return the time, to the millisecond, as file names have it."""
    taken = datetime.now()
    return taken.strftime("%Y%m%d-%H%M%S-") + f"{taken.microsecond // 1000:03d}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was seen, of what, and what the screen said of it, on the way to a folder."""

    image: QImage
    picture: Picture
    screen: dict[str, Any]
    mode: Mode
    title: str
    taken_wall_ns: int
    folder: Path
    name: str

    def save(self) -> str:
        """Write PNG and JSON; return what to tell of it.

        Raises
        ------
        ExportError, OSError
            One of them cannot be written.
        """
        from sln_guide.export.stills import save_still  # loads a codec: a tenth of a second

        self.folder.mkdir(parents=True, exist_ok=True)
        image = self.image.convertToFormat(QImage.Format.Format_RGB32)
        rows = np.frombuffer(image.constBits(), np.uint32)
        png, _ = save_still(
            self.picture,
            self.folder / f"{self.name}.png",
            mode=self.mode,
            title=self.title,
            taken_wall_ns=self.taken_wall_ns,
            rgb32=rows.reshape(image.height(), image.width()),
            screen=self.screen,
        )
        return f"Snapshot saved: {png}"


def screen_facts(shown: Shown, source: PictureSource) -> dict[str, Any]:
    """Return what the screen said: state, banners, and what of the picture was shown."""
    picture = shown.picture
    return {
        "rig": source.rig.name,
        "simulated": source.rig.simulated,
        "not_calibrated": source.rig.unchecked,
        "state": shown.state.pill,
        "banners": [f"{b.headline}: {b.detail}" for b in shown.state.banners],
        "view": str(shown.view),
        "overlay_shown": shown.overlay and picture is not None and picture.overlay_drawn,
        "overlay_age_ms": shown.state.overlay_age_ms,
        "settings_now": asdict(source.settings),
    }


class SnapshotSaver:
    """Runs jobs one after another on its thread.

    A job returns what to tell. ``saved`` and ``failed`` are called from that thread, with words.
    """

    def __init__(self, saved: Callable[[str], None], failed: Callable[[str], None]) -> None:
        self._saved = saved
        self._failed = failed
        self._waiting: queue.SimpleQueue[tuple[str, Callable[[], str]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)
        self._thread.start()

    def save(self, what: str, job: Callable[[], str]) -> None:
        """Have a job done soon; ``what`` names it if it fails, or if too many wait already."""
        if self._waiting.qsize() >= MOST_WAITING:
            self._failed(f"{what} not saved: {MOST_WAITING} wait for the disk. Try again later")
            return
        self._waiting.put((what, job))

    def end(self) -> bool:
        """Do what waits and end; False if the disk still holds it up by then."""
        self._waiting.put(None)
        self._thread.join(END_TIMEOUT_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        from sln_guide.export.folder import ExportError

        while (waiting := self._waiting.get()) is not None:
            what, job = waiting
            try:
                self._saved(job())
            except ExportError as error:
                self._failed(f"{what} not saved: {error}")
            except OSError as error:
                reason = error.strerror or str(error)
                self._failed(f"{what} not saved: {reason}. Check {error.filename}")
            except Exception as error:  # noqa: BLE001 - the next one may well be saved
                self._failed(f"{what} not saved: {unexpected(error)}")
