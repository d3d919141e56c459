"""Somebody who has never seen the program, under a real X server and a real window manager.

Start screen → demo → adjust → record → hold to stop → replay that very case → seek, step → export.
Keys and presses come from xdotool through the X server, so they arrive as a hand's do (a held key
repeats, focus is the window manager's); what is on the screen is what the server shows.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from sln_guide.recording.reader import CaseReader
from sln_guide.recording.verify import verify
from sln_guide.render import tokens
from tests.x_server import x_server

PROGRAMS = ("Xvfb", "openbox", "xdotool")
MISSING = [name for name in PROGRAMS if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
PATIENCE_S = 240.0
LOOKS = 8
"""A machine that never ran the program compiles the core first."""
Seen = dict[str, Any]


class Person:
    """Eyes on an X screen, hands on its keyboard and pointer."""

    def __init__(self, folder: Path, display: str) -> None:
        self._folder = folder
        self._env = {k: v for k, v in os.environ.items() if not k.startswith(("QT_", "WAYLAND"))}
        self._env |= {
            "DISPLAY": display,
            "QT_QPA_PLATFORM": "xcb",
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / ".config"),
            # what was compiled before is at hand
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        }
        self._program: subprocess.Popen[str] | None = None

    def start(self, *words: str) -> None:
        """Start the program."""
        self._stderr = (self._folder / "stderr.txt").open("a")
        self._program = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("watched_program.py")), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=self._env | {"PYTHONPATH": str(Path(__file__).parents[2])},
            cwd=self._folder,
            text=True,
        )

    def ended(self) -> int:
        """Return the program's exit code, once it has ended."""
        assert self._program is not None
        self._program.communicate(timeout=60)
        self._stderr.close()
        return self._program.returncode

    def stop(self) -> None:
        """End the program if it still runs."""
        if self._program is None or self._program.returncode is not None:
            return
        self._program.terminate()
        try:
            self.ended()
        except subprocess.TimeoutExpired:
            self._program.kill()
            self.ended()

    def see(self, picture: Path | None = None) -> Seen:
        """Return what is there to be seen."""
        assert self._program is not None
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(f"{picture or ''}\n")
        self._program.stdin.flush()
        line = self._program.stdout.readline()
        while line and not line.startswith("{"):  # what commands print
            line = self._program.stdout.readline()
        assert line, "the program ended:\n" + (self._folder / "stderr.txt").read_text()
        seen: Seen = json.loads(line)
        return seen

    def wait(self, what: str, condition: Callable[[Seen], object], give_s: float = 60.0) -> Seen:
        """Look until a condition holds."""
        deadline_s = time.monotonic() + give_s
        while True:
            seen = self.see()
            if condition(seen):
                return seen
            if time.monotonic() > deadline_s:
                pytest.fail(f"never seen: {what}; last seen: {seen}")
            time.sleep(0.1)

    def pixels(self) -> NDArray[np.uint8]:
        """Return the screen, (H, W, 3) red, green, blue."""
        path = self._folder / "screen.bmp"  # nothing to encode
        self.see(path)
        image = QImage(str(path)).convertToFormat(QImage.Format.Format_RGB32)
        raw = np.frombuffer(image.constBits(), np.uint8)
        return raw.reshape(image.height(), image.width(), 4)[..., 2::-1].copy()

    def hand(self, *words: str | int) -> None:
        """Use keyboard or pointer."""
        subprocess.run(["xdotool", *map(str, words)], env=self._env, check=True, timeout=20)

    def press(self, name: str, share: float = 0.5) -> None:
        """Press a widget, at a share of its width."""
        x, y, width, height = self.box(name)
        self.hand("mousemove", round(x + share * width), y + height // 2, "click", 1)

    def box(self, name: str) -> tuple[int, int, int, int]:
        """Return where a widget lies: x, y, width, height."""
        widgets = [w for w in self.see()["widgets"] if w["kind"] != "QLabel"]
        found = [w["box"] for w in widgets if w["name"] == name]
        found = found or [w["box"] for w in widgets if w["name"].startswith(name)]
        assert len(found) == 1, f"{name}: {len(found)} of them"
        x, y, width, height = found[0]
        return x, y, width, height


@contextmanager
def manager_on(display: str) -> Iterator[None]:
    """Run a window manager there."""
    manager = subprocess.Popen(
        ["openbox", "--sm-disable", "--startup", "echo ready"],
        env=os.environ | {"DISPLAY": display},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert manager.stdout is not None
        assert any(line.strip() == "ready" for line in manager.stdout), "it never managed"
        yield
    finally:
        manager.terminate()
        manager.communicate(timeout=10)


@pytest.fixture
def display() -> Iterator[str]:
    """An X screen with a window manager on it."""
    with x_server() as name, manager_on(name):
        yield name


@pytest.fixture
def person(display: str, tmp_path: Path) -> Iterator[Person]:
    somebody = Person(tmp_path, display)
    yield somebody
    somebody.stop()


def rgb(token: str) -> tuple[int, int, int]:
    return int(token[1:3], 16), int(token[3:5], 16), int(token[5:7], 16)


def share_of(screen: NDArray[np.uint8], box: tuple[int, int, int, int], token: str) -> float:
    """Return how much of a part of the screen has a token's colour."""
    x, y, width, height = box
    part = screen[y : y + height, x : x + width].astype(int)
    return float((np.abs(part - rgb(token)).max(axis=2) <= 4).mean())


def greenness(screen: NDArray[np.uint8], box: tuple[int, int, int, int]) -> float:
    """Return how strongly the overlay's green stands over what lies under it."""
    x, y, width, height = box
    part = screen[y : y + height, x : x + width].astype(int)
    above = np.clip(part[..., 1] - np.maximum(part[..., 0], part[..., 2]), 0, None)
    return float(above.sum())


def overlay_green(person: Person, box: tuple[int, int, int, int]) -> float:
    """Return the greenest of some looks: where the machine stalls, the overlay is off, or old."""
    found: list[float] = []

    def look(_: Seen) -> bool:
        green = greenness(person.pixels(), box)
        if green > 0:
            found.append(green)
        return len(found) == LOOKS

    person.wait("an overlay", look)
    return max(found)


def has(*parts: str) -> Callable[[Seen], object]:
    """Return whether the strip says all of these."""
    return lambda seen: all(any(p in t for t in seen.get("strip", ())) for p in parts)


def test_from_the_start_screen_to_an_exported_film(person: Person, tmp_path: Path) -> None:
    cases = tmp_path / "sln-guide" / "cases"
    person.start()
    seen = person.wait("the start screen", lambda s: s["active"] == "sln-guide")
    words = {w["name"]: w["enabled"] for w in seen["widgets"]}
    assert any(name.startswith("No rig yet") for name in words), "it explains itself"
    assert not words["Live guidance"]
    person.press("Demo: a simulated procedure")

    # the demo: nodes come, and nobody takes it for a patient
    seen = person.wait("two nodes", lambda s: len(s.get("nodes", ())) >= 2, PATIENCE_S)
    assert has("SIMULATED", "RESEARCH USE ONLY", "not recording")(seen)
    assert seen["active"] == "sln-guide"
    video = person.box("Video")
    screen = person.pixels()
    assert (
        share_of(screen, (video[0], video[1], video[2], tokens.BORDER_PX), tokens.SIMULATED) > 0.2
    )

    # adjust: each change is seen
    person.press("Threshold", share=0.75)
    person.wait("a higher threshold", lambda s: threshold_sigma(s) > 7.5)
    person.press("Threshold", share=0.25)
    seen = person.wait("a low one", lambda s: threshold_sigma(s) < 4.5 and len(s["nodes"]) >= 2)
    chosen_sigma = threshold_sigma(seen)
    person.press("Opacity", share=0.98)
    person.wait("opaque", lambda s: any(w["name"] == "100 %" for w in s["widgets"]))
    opaque = overlay_green(person, video)
    person.press("Opacity", share=0.02)
    person.wait("faint", lambda s: any(w["name"] == "10 %" for w in s["widgets"]))
    # more than half of the green is tissue's own, and the node may have been filling until now
    person.wait("a new picture", lambda s: 0 < greenness(person.pixels(), video) < 0.9 * opaque)
    person.hand("key", "o", "key", "o")
    person.wait("contours", lambda s: any(w["name"] == "Contour" for w in s["widgets"]))
    person.hand("key", "o")

    # record; a tap on the key does not stop it
    person.press("Record")
    person.wait("that it records", has("REC 00:00:0"))
    person.hand("key", "1")
    person.hand("key", "m")
    person.wait("the injection timer", has("injection + 00:00:0"))
    person.hand("key", "r")
    seen = person.wait("what to do instead", lambda s: s["message"].startswith("Hold the button"))
    assert has("REC 00:00:0")(seen)
    person.hand("key", "alt+F4")
    person.wait("the question", lambda s: "Close?" in s["windows"])
    person.hand("key", "Escape")
    person.wait("the picture", lambda s: "Close?" not in s["windows"] and has("REC")(s))
    assert share_of(person.pixels(), person.box("Stop"), tokens.ALARM) > 0.01
    person.hand("keydown", "r")  # the X server repeats it
    try:
        seen = person.wait("that it is saved", lambda s: s["message"].startswith("Recording saved"))
    finally:
        person.hand("keyup", "r")
    person.wait("that it says so everywhere", has("not recording"))
    assert has("not recording")(person.see()), "a key still held begins no other recording"
    (case,) = cases.glob("*.case")
    assert case.name in seen["message"]
    assert verify(case).ok
    with CaseReader(case) as read:
        said = [f"{event.name} {event.detail}".strip() for event in read.events()]
        assert {"phase 1 Inject", "mark 1"} <= set(said)
        thresholds = {logged.settings.threshold_sigma for _, logged in read.computations()}
        assert thresholds == {chosen_sigma}

    # closing leads back to where it began, and there is the case
    person.hand("key", "alt+F4")
    person.wait("the case to replay", lambda s: s["active"] and has_button(s, case.stem))
    person.press(case.stem)
    seen = person.wait("the replay", has("REPLAY · SIMULATED"), PATIENCE_S)
    video = person.box("Video")
    edge = (video[0], video[1] + 40, 3, 200)
    person.wait("its frame", lambda _: share_of(person.pixels(), edge, tokens.REPLAY) > 0.9)
    person.wait("a node", lambda s: len(s["nodes"]) >= 1)
    if has_button(person.see(), "Pause", of_two=True):
        person.hand("key", "space")
    person.wait("that it waits", lambda s: has_button(s, "Play", of_two=True))
    person.press("Timeline", share=0.5)
    length_s = clock_s(person.see()["position"].partition(" / ")[2])
    seen = person.wait("the middle", lambda s: abs(position_s(s) - length_s / 2) < 0.1 * length_s)
    before_s = position_s(seen)
    person.hand("key", "--repeat", "3", "--delay", "150", "Right")
    person.wait("three steps on", lambda s: 0 < position_s(s) - before_s < 1.5)
    person.hand("key", "s")
    person.wait("a snapshot", lambda s: s["message"].startswith("Snapshot saved"))
    person.press("Export")
    person.wait("what can be exported", lambda s: has_button(s, "Side by side"))
    person.press("Side by side")
    person.press("Begin export")
    person.wait("how far it is", lambda s: has_button(s, "Stop: nothing"), PATIENCE_S)
    seen = person.wait("its end", lambda s: s["message"].startswith("Exported: "), PATIENCE_S)
    person.hand("key", "Escape")
    (film,) = (tmp_path / "sln-guide" / "snapshots").glob("*.mp4")
    assert str(film.name) in seen["message"]
    with av.open(str(film)) as opened:
        shown = sum(1 for _ in opened.decode(video=0))
    with CaseReader(case) as read:
        assert shown >= sum(1 for _ in read.pairs()), "where a frame is missing, the last one stays"
    assert verify(case).ok, "looking at it changed nothing"

    person.hand("key", "alt+F4")
    person.wait("the start screen", lambda s: s["active"] and has_button(s, "Open a case"))
    person.hand("key", "Escape")
    assert person.ended() == 0
    said = (tmp_path / "stderr.txt").read_text()
    assert "Traceback" not in said, said


def threshold_sigma(seen: Seen) -> float:
    """Read the threshold: it stands before the σ."""
    (words,) = (w["name"] for w in seen["widgets"] if " σ" in w["name"])
    return float(words.partition(" σ")[0])


def has_button(seen: Seen, name: str, *, of_two: bool = False) -> bool:
    """Whether there is such a button (two of them: the timeline's and the large one)."""
    found = sum(w["name"].startswith(name) for w in seen["widgets"])
    return found == (2 if of_two else 1)


def position_s(seen: Seen) -> float:
    """Read where the replay stands: mm:ss.t / mm:ss.t."""
    return clock_s(seen["position"].partition(" / ")[0])


def clock_s(clock: str) -> float:
    minutes, _, rest = clock.partition(":")
    return 60 * int(minutes) + float(rest)
