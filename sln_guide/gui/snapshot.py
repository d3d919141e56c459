"""A still of what is on the screen, and what made it, saved without holding up the picture."""

from __future__ import annotations

import json
import math
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from PySide6.QtGui import QImage, QImageWriter

from hardware.frame import Frame
from sln_guide.gui.showing import Shown
from sln_guide.guidance import Detection
from sln_guide.source import PictureSource

FRAME_FACTS = (
    "camera_id",
    "sequence",
    "stream_epoch",
    "device_time_ns",
    "mid_exposure_ns",
    "exposure_us",
    "gain_db",
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An image and its facts, on the way to a folder."""

    image: QImage
    facts: dict[str, Any]
    folder: Path
    name: str


def snapshot_facts(shown: Shown, source: PictureSource, taken: datetime) -> dict[str, Any]:
    """Return what a reader of the still must know: source, state, settings, measures."""
    picture = shown.picture
    guidance = None if picture is None else picture.guidance
    facts: dict[str, Any] = {
        "taken": taken.astimezone().isoformat(timespec="milliseconds"),
        "title": source.title,
        "rig": source.rig.name,
        "mode": str(source.mode),
        "simulated": source.rig.simulated,
        "state": shown.state.pill,
        "banners": [f"{b.headline}: {b.detail}" for b in shown.state.banners],
        "view": str(shown.view),
        "overlay_shown": shown.overlay and picture is not None and picture.overlay_drawn,
        "overlay_age_ms": shown.state.overlay_age_ms,
        "settings_now": asdict(source.settings),
        "use": "research use only",
    }
    if picture is not None:
        facts["picture"] = picture.number
        facts["white"] = _frame_facts(picture.white)
        facts["nir"] = _frame_facts(picture.nir)
    if guidance is not None:
        facts["guidance"] = {
            "generation": guidance.generation,
            "nir": _frame_facts(guidance.pair.nir),
            "settings": asdict(guidance.settings),
            "registration": guidance.registration.kind,
            "registration_residual_mm": guidance.registration.residual_mm,
            "limit_sbr": guidance.limit_sbr,
            "false_calls_per_field": guidance.false_calls_per_field,
            "display_full_scale": guidance.display_full_scale,
            "flags": list(guidance.flags),
            "detections": [_detection_facts(d) for d in guidance.detections],
        }
    return facts


def _frame_facts(frame: Frame | None) -> dict[str, Any] | None:
    if frame is None:
        return None
    return {name: getattr(frame, name) for name in FRAME_FACTS}


def _detection_facts(detection: Detection) -> dict[str, Any]:
    facts = asdict(detection)
    del facts["contour_px"]
    return facts


class SnapshotSaver:
    """Writes snapshots one after another on a thread of its own.

    ``saved`` and ``failed`` are called from that thread, with a path and with words.
    """

    def __init__(self, saved: Callable[[Path], None], failed: Callable[[str], None]) -> None:
        self._saved = saved
        self._failed = failed
        self._waiting: queue.SimpleQueue[Snapshot | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)
        self._thread.start()

    def save(self, snapshot: Snapshot) -> None:
        """Have it written soon."""
        self._waiting.put(snapshot)

    def end(self, timeout_s: float = 10.0) -> bool:
        """Write what waits and end; False if the disk still holds it up by then."""
        self._waiting.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (snapshot := self._waiting.get()) is not None:
            try:
                self._saved(write_snapshot(snapshot))
            except OSError as error:
                reason = error.strerror or str(error)
                self._failed(f"Snapshot not saved: {reason}. Check {snapshot.folder}")


def write_snapshot(snapshot: Snapshot) -> Path:
    """Write PNG and JSON under names that appear only when complete; return the PNG's path.

    Raises
    ------
    OSError
        The folder cannot be made or written.
    """
    snapshot.folder.mkdir(parents=True, exist_ok=True)
    picture, facts = (snapshot.folder / f"{snapshot.name}{end}" for end in (".png", ".json"))
    part = picture.with_suffix(".part.png")
    writer = QImageWriter(str(part))
    if not writer.write(snapshot.image):
        part.unlink(missing_ok=True)
        raise OSError(f"the picture could not be written ({writer.errorString()})")
    facts_part = facts.with_suffix(".json.part")
    facts_part.write_text(json.dumps(_storable(snapshot.facts), indent=2), encoding="utf-8")
    os.replace(facts_part, facts)
    os.replace(part, picture)
    return picture


def _storable(value: Any) -> Any:
    """Return ``value`` as strict JSON knows it: a number that is none becomes null."""
    if isinstance(value, dict):
        return {key: _storable(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
