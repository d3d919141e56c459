"""`TheatreWindow`: the clean display for everybody else: video, state, age, legend."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QHideEvent, QKeyEvent, QScreen, QShowEvent
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget

from sln_guide.gui.claims.showing import Shown
from sln_guide.gui.picture.video import VideoView
from sln_guide.render.figures import Figures
from sln_guide.render.look import Look


class TheatreWindow(QWidget):
    """Full screen on another screen where there is one, else a window beside the operator's.

    A projector that is unplugged puts it away, instead of it falling over the operator's window;
    plugged in again, it comes back. Where it is the operator's own screen that goes, their window
    takes this one's place, and both go home when that screen comes back. Where their window comes
    onto this one's screen, this one makes way: it would hide it. Keys pressed here do what they do
    in the operator's window.

    Attributes
    ----------
    wanted
        Name of the screen it belongs on; empty: any that is not the operator's.
    """

    changed = Signal(str)

    def __init__(
        self, operator: QWidget, judge: Callable[[], Shown], look: Look, figures: Figures
    ) -> None:
        super().__init__(None, Qt.WindowType.Window)
        self._operator = operator
        self.wanted = ""
        self._screen_name: str | None = None
        self._awaited: str | None = None
        self._home: str | None = None
        """The operator's own screen, while that is unplugged."""
        self._follows = False
        self.setWindowTitle("sln-guide · theatre")
        self.video = VideoView(judge=judge, look=look, figures=figures, clean=True)
        inside = QVBoxLayout(self)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.video)
        self.resize(960, 720)
        app = QApplication.instance()
        if isinstance(app, QGuiApplication):
            app.screenRemoved.connect(self._screen_removed)
            app.screenAdded.connect(self.screen_came)

    def toggle(self) -> None:
        """Open it, or put it away."""
        self._awaited = None
        if self.isVisible():
            self.hide()
        else:
            self._open_on(self._other_screen())

    def _screen_removed(self, screen: QScreen) -> None:
        if screen is self._operator.screen():
            self.operators_screen_gone(screen.name())
        else:
            self.screen_gone(screen.name())

    def screen_gone(self, name: str) -> None:
        """Get out of the way when the screen it is on was unplugged."""
        if self.isVisible() and self._screen_name == name:
            self.hide()
            self._awaited = name
            self.changed.emit(f"Theatre display {name} unplugged: it comes back when plugged in")

    def operators_screen_gone(self, name: str) -> None:
        """Leave the screen that is left to the operator: who guides must see their window."""
        self._home = name
        QTimer.singleShot(0, self, self._rescue_operator)  # once Qt has moved it
        if self.isVisible():
            self.hide()
            self._awaited = name
            self.changed.emit(
                f"Screen {name} unplugged: the theatre display comes back when it does"
            )

    def screen_came(self, screen: QScreen) -> None:
        """Come back on the screen that was unplugged; if it was the operator's, they do."""
        name = screen.name()
        if name == self._home:
            self._home = None
            move_to(self._operator, screen)
        if name == self._awaited:
            self._awaited = None
            self._open_on(self._other_screen())
            self.changed.emit(f"Theatre display {self._screen_name or ''} is back")

    def operator_came(self, screen: QScreen) -> None:
        """Make way for the operator's window, which has come onto this one's screen."""
        if not self.isVisible() or self._screen_name != screen.name():
            return
        other = self._other_screen()
        if other is None or other.name() == screen.name():
            self.hide()
            self.changed.emit("Theatre display put away: your window is on its screen")
        else:
            self._open_on(other)
            self.changed.emit(f"Theatre display: on {other.name()}, your window is on its screen")

    def _rescue_operator(self) -> None:
        if self._home is not None:
            move_to(self._operator, self._operator.screen())

    def _open_on(self, screen: QScreen | None) -> None:
        if screen is None:
            self._screen_name = None
            self.showNormal()
            return
        handle = self._operator.windowHandle()
        if handle is not None and not self._follows:
            handle.screenChanged.connect(self.operator_came)
            self._follows = True
        self._screen_name = screen.name()
        self.setScreen(screen)
        self.setGeometry(screen.geometry())
        self.showFullScreen()

    def next_screen(self) -> str:
        """Belong on the next of the other screens; return its name, empty if there is none."""
        names = [screen.name() for screen in self._others()]
        if not names:
            return ""
        place = names.index(self.wanted) + 1 if self.wanted in names else 0
        self.wanted = names[place % len(names)]
        if self.isVisible():
            self._open_on(self._other_screen())
        return self.wanted

    def _others(self) -> list[QScreen]:
        own = self._operator.screen()
        return [screen for screen in QGuiApplication.screens() if screen is not own]

    def _other_screen(self) -> QScreen | None:
        """Return the screen wanted, else the one used last, else any that is not the operator's."""
        others = self._others()
        for name in (self.wanted, self._screen_name):
            for screen in others:
                if screen.name() == name:
                    return screen
        return next(iter(others), None)

    def showEvent(self, event: QShowEvent) -> None:
        """Tell that it is open."""
        super().showEvent(event)
        self.changed.emit("")

    def hideEvent(self, event: QHideEvent) -> None:
        """Tell that it is away."""
        super().hideEvent(event)
        self.changed.emit("")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Hand the key on."""
        self._operator.keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Hand the key on."""
        self._operator.keyReleaseEvent(event)


def move_to(window: QWidget, screen: QScreen) -> None:
    """Have a window where it can be seen on ``screen``, on top and as large as it was.

    Not every desktop brings back a window whose screen is gone.
    """
    maximised, room = window.isMaximized(), screen.availableGeometry()
    if maximised:
        window.showNormal()  # one that is maximised stays where it is
    window.setScreen(screen)
    window.resize(window.size().boundedTo(room.size()))
    window.move(room.topLeft())
    if maximised:
        window.showMaximized()
    window.raise_()
    window.activateWindow()
