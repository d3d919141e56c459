"""`run`: an application with one operator's window on one source, from start to clean end."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QBuffer, QIODevice, QTimer
from PySide6.QtWidgets import QApplication

from hardware.realtime import Rank, going_first
from sln_guide import terminal
from sln_guide.gui import theme
from sln_guide.gui.alone import draw_nir, draw_white, prepare_drawing
from sln_guide.gui.display import OFFSCREEN, NoDisplayError, display_available
from sln_guide.gui.guard import Guard
from sln_guide.gui.hands.commands import begun_recording
from sln_guide.gui.preferences import Place
from sln_guide.gui.scale import DISPLAY_WENT, application
from sln_guide.gui.starting import Starting, beside
from sln_guide.gui.window import OperatorWindow
from sln_guide.source import PictureSource, Recordable
from sln_guide.terminal import ENDING, to_the_end
from sln_guide.whole_file import replace_file

FAULT_CODE = 70
"""Exit code after an error inside the window (EX_SOFTWARE)."""
LOOK_MS = 50
"""How often it is looked whether the source can compute."""
SCREENSHOT_AFTER_S = 5.0
ASKED_TO_END = "asked_to_end"
"""Property of the application."""
STEP_MS = 200
"""A signal is heard after so long at most."""
Size = tuple[int, int]


def asked_to_end() -> bool:
    """Whether a signal asked the program itself to end, not only a window."""
    app = QApplication.instance()
    return app is not None and bool(app.property(ASKED_TO_END))


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """What a window does by itself, from when it opens until it closes.

    Attributes
    ----------
    snapshot_folder
        Where stills go.
    config
        Folder of preferences and presets; None: nothing is read or kept.
    size
        (width, height) of the window; None: as large as the screen allows.
    theatre
        Open the clean display as well.
    record
        Begin a recording at once.
    screenshot
        Save a picture of the whole window there, just before it closes by itself.
    seconds
        Close after that time, counted from when the source can compute; None: the operator does,
        unless a screenshot is wanted.
    """

    snapshot_folder: Path
    config: Path | None = None
    size: Size | None = None
    theatre: bool = False
    record: bool = False
    screenshot: Path | None = None
    seconds: float | None = None

    @property
    def closes_after_s(self) -> float | None:
        """When it closes by itself; None: never."""
        if self.seconds is None and self.screenshot is not None:
            return SCREENSHOT_AFTER_S
        return self.seconds


def run(
    source: PictureSource,
    plan: WindowPlan,
    prepare: Callable[[], object] | None = None,
) -> int:
    """Show ``source`` until its window closes; return the exit code.

    Without a display the window runs offscreen, which needs a plan that closes it by itself.

    Parameters
    ----------
    source
        Started and closed here.
    plan
        What the window does by itself.
    prepare
        Done before the source is started, on the same thread; the window waits for both, open.

    Raises
    ------
    NoDisplayError, NoFontError
        Nothing could be seen or read, or not to the end: each says what to do.
    OSError
        The screenshot cannot be written.
    Exception
        Whatever ``source.start`` raises: the window has closed then.
    """
    choose_platform(ends_by_itself=plan.closes_after_s is not None)
    place = Place(plan.config)
    app = application(place.preferences.interface_scale)
    app.setApplicationName("sln-guide")
    app.setQuitOnLastWindowClosed(False)
    theme.dress(app)

    try:
        return _show(app, source, plan, place, prepare)
    finally:
        with to_the_end("still closing: what waits for the disk is being written"):
            source.close()


def _show(
    app: QApplication,
    source: PictureSource,
    plan: WindowPlan,
    place: Place,
    prepare: Callable[[], object] | None,
) -> int:
    window = OperatorWindow(
        source,
        partial(draw_white, white_balance=source.rig.white_balance),
        draw_nir,
        snapshot_folder=plan.snapshot_folder,
        place=place,
    )
    window.closed.connect(app.quit)
    closed: list[bool] = []
    window.closed.connect(partial(closed.append, True))
    unsaved: list[OSError] = []
    guards: list[Guard] = []
    recording: list[Path | Exception] = []

    def finish() -> None:
        try:
            if plan.screenshot is not None:
                save_screenshot(window, plan.screenshot)
        except OSError as error:
            unsaved.append(error)
        finally:
            window.close_now()

    def begin() -> None:
        window.begin()
        for outcome in recording:
            window.commands.recording_begun(outcome)
        if plan.theatre:
            window.toggle_theatre()
        if plan.closes_after_s is not None:
            interval_ms = round(plan.closes_after_s * 1000)
            ending = QTimer(window, singleShot=True, interval=interval_ms)
            ending.timeout.connect(finish)
            _once_prepared(window, ending.start)
        if app.platformName() not in OFFSCREEN:
            guards.append(guard_of(window))
        _keep_what_is_here()

    def start() -> None:
        if prepare is not None:
            prepare()
        # a camera that is missing is told at once, not after minutes of a first start's compiler
        drawing_ready = beside(partial(prepare_drawing, source.rig))
        source.start()
        if plan.record and isinstance(source, Recordable):  # frames come: none waits for a compiler
            recording.append(begun_recording(source))
        drawing_ready()

    starting = Starting(start, begin, failed=window.close_now)
    try:
        with _faults(window) as faults, ending_by_signal(window.close_now):
            if plan.size is not None:
                window.resize(*plan.size)
                window.show()
            else:
                window.showMaximized()
            window.await_source()
            starting.begin()
            with going_first(Rank.PICTURE):
                app.exec()
            display_is_gone = not closed  # Qt leaves its loop by itself
    finally:
        starting.end()
        gc.unfreeze()
        for guard in guards:
            guard.end()
        window.close_now()
        window.deleteLater()
    if starting.error is not None:
        raise starting.error
    if display_is_gone:
        raise NoDisplayError(DISPLAY_WENT)
    if unsaved:
        raise unsaved[0]
    return FAULT_CODE if faults else 0


def _once_prepared(window: OperatorWindow, then: Callable[[], object]) -> None:
    """Call ``then`` when the source can compute, or never will: a busy machine takes long."""
    looks = QTimer(window, interval=LOOK_MS)

    def look() -> None:
        reading = window.watch.newest
        health = reading.health
        if health is None:
            waits = reading.error is None
        else:
            failed = health.processing_error or health.ended
            waits = health.preparing_since_ns is not None and not failed
        if not waits:
            looks.stop()
            then()

    looks.timeout.connect(look)
    looks.start()


def guard_of(window: OperatorWindow) -> Guard:
    """Have the window watched from outside, and the window watch its watchdog."""
    guard = Guard(lambda: (window, window.theatre))
    window.watched = lambda: guard.alive
    return guard


def save_screenshot(window: OperatorWindow, path: Path) -> None:
    """Save a picture of the whole window as PNG, whole or not at all.

    Raises OSError, saying what to do, where it cannot be written.
    """
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    window.grab().save(buffer, "PNG")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, bytes(buffer.data().data()))
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(f"the screenshot could not be written: {reason}: check {path}") from error


def choose_platform(*, ends_by_itself: bool) -> None:
    """Run offscreen where there is no display, if that makes sense; else raise NoDisplayError."""
    platform = os.environ.get("QT_QPA_PLATFORM", "").partition(":")[0]
    if platform in OFFSCREEN or QApplication.instance() is not None or display_available():
        return
    if not ends_by_itself:
        raise NoDisplayError(
            "no display answers, so no window can be shown: set DISPLAY, "
            "or give --seconds and --screenshot to run without one"
        )
    os.environ["QT_QPA_PLATFORM"] = "offscreen"


def _keep_what_is_here() -> None:
    """Keep the garbage collector away from what is here to stay.

    Looking through all modules, a full collection holds up the window for 100 ms and more.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def _faults(window: OperatorWindow) -> Iterator[list[str]]:
    """Have errors in slots and paints printed, said on the screen, and counted."""
    said: list[str] = []
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            window.close_now()
            return
        text = f"{kind.__name__}: {error}".splitlines()[0]
        if text not in said:  # an error in a paint comes with every picture: once is enough
            traceback.print_exception(kind, error, trace, file=sys.stderr)
            said.append(text)
        window.report_fault(text)

    sys.excepthook = hook
    try:
        yield said
    finally:
        sys.excepthook = before


@contextmanager
def ending_by_signal(close: Callable[[], object]) -> Iterator[None]:
    """Close the window, and with it the case, at Ctrl-C, when asked to terminate, or hung up.

    Python sees a signal between two of its own steps, in the middle of a picture as well: so the
    window closes a moment later, when nothing else is at work in it. A timer makes sure of those
    steps, whatever the window does. A hang-up that was to be ignored (``nohup``) is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        app = QApplication.instance()
        assert app is not None
        app.setProperty(ASKED_TO_END, True)  # the start screen must not come back
        QTimer.singleShot(0, close)

    heard = [signal.SIGINT, signal.SIGTERM]
    heard += [n for n in ENDING if n not in heard and signal.getsignal(n) is not signal.SIG_IGN]
    before = [signal.signal(number, end) for number in heard]
    steps = QTimer(interval=STEP_MS)
    steps.timeout.connect(lambda: None)
    steps.start()
    if terminal.asked_to_end():
        end()
    try:
        yield
    finally:
        steps.stop()
        for number, handler in zip(heard, before, strict=True):
            signal.signal(number, handler)
