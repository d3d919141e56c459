"""Snapshots are whole or absent, and one that fails is told."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import replace
from pathlib import Path

from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from sln_guide.gui.hands.snapshot import MOST_WAITING, Snapshot, SnapshotSaver
from sln_guide.guidance import Mode
from tests.gui import fakes


def test_snapshots_are_whole_or_absent(tmp_path: Path, qt: QApplication) -> None:
    image = QImage(9, 8, QImage.Format.Format_RGB32)
    image.fill(0xFF00FF00)
    saved: list[str] = []
    failed: list[str] = []
    saver = SnapshotSaver(saved.append, failed.append)
    screen = {"age": math.nan, "list": (1, math.inf), "in": {"x": 2.5}}
    snapshot = Snapshot(
        image=image,
        picture=fakes.FakeSource().push(),
        screen=screen,
        mode=Mode.LIVE,
        title="case",
        taken_wall_ns=1_772_451_667_000_000_000,
        folder=tmp_path / "new" / "folder",
        name="one",
    )
    saver.save("Snapshot", snapshot.save)
    (tmp_path / "file").write_text("x")
    saver.save("Snapshot", replace(snapshot, folder=tmp_path / "file").save)
    saver.save("Snapshot", snapshot.save)
    assert saver.end()
    png = tmp_path / "new" / "folder" / "one.png"
    assert saved == [f"Snapshot saved: {png}"]
    assert [text.split(":")[0] for text in failed] == 2 * ["Snapshot not saved"]
    assert QImage(str(png)).pixel(3, 3) == 0xFF00FF00
    read = json.loads(png.with_suffix(".json").read_text())
    assert read["screen"] == {"age": None, "list": [1, None], "in": {"x": 2.5}}
    assert sorted(p.name for p in png.parent.iterdir()) == ["one.json", "one.png"]


def test_a_snapshot_that_fails_is_told_and_costs_no_other() -> None:
    saved: list[str] = []
    failed: list[str] = []
    go = threading.Event()

    def wait() -> str:
        go.wait(10)
        return "first"

    def fail() -> str:
        raise ValueError("no such codec")

    saver = SnapshotSaver(saved.append, failed.append)
    saver.save("One", wait)
    while saver._waiting.qsize():
        threading.Event().wait(0.005)
    saver.save("Two", fail)
    for number in range(MOST_WAITING - 1):
        saver.save("More", lambda number=number: str(number))
    assert failed == []
    saver.save("Too many", fail)
    assert failed == [f"Too many not saved: {MOST_WAITING} wait for the disk. Try again later"]
    go.set()
    assert saver.end()
    assert failed[1:] == ["Two not saved: ValueError: no such codec"]
    assert saved == ["first", *map(str, range(MOST_WAITING - 1))]
