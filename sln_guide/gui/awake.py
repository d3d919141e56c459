"""`Awake`: asks the desktop neither to blank the screen nor to sleep while it matters."""

from __future__ import annotations

from PySide6.QtDBus import QDBus, QDBusConnection, QDBusMessage

SERVICE = "org.freedesktop.ScreenSaver"
PATHS = ("/org/freedesktop/ScreenSaver", "/ScreenSaver")
REASON = "live guidance is on the screen"
TIMEOUT_MS = 300
"""A desktop that takes longer to answer is not waited for."""
CONNECTION = "sln-guide awake"


class Awake:
    """Holds the desktop awake from `hold` to `let_go`. Freedesktop's screen saver interface.

    On a connection of its own: the wish ends with the connection, also if the process is killed.
    """

    def __init__(self) -> None:
        self._held = False

    @property
    def held(self) -> bool:
        """Whether a desktop agreed."""
        return self._held

    def hold(self) -> bool:
        """Ask; False where no desktop listens (then the screen may blank)."""
        bus = QDBusConnection.connectToBus(QDBusConnection.BusType.SessionBus, CONNECTION)
        if bus.isConnected():
            for path in PATHS:
                message = QDBusMessage.createMethodCall(SERVICE, path, SERVICE, "Inhibit")
                message.setArguments(["sln-guide", REASON])
                answer = bus.call(message, QDBus.CallMode.Block, TIMEOUT_MS)
                if answer.type() is QDBusMessage.MessageType.ReplyMessage:
                    self._held = True
                    return True
        QDBusConnection.disconnectFromBus(CONNECTION)
        return False

    def let_go(self) -> None:
        """Let the desktop do as it likes again. Idempotent."""
        if self._held:
            self._held = False
            QDBusConnection.disconnectFromBus(CONNECTION)
