"""The desktop is asked not to fall asleep."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from PySide6.QtWidgets import QApplication

from sln_guide.gui.awake import Awake

DESKTOP = """
import subprocess, sys
from PySide6.QtCore import QCoreApplication, QObject, QTimer, Slot
from PySide6.QtDBus import QDBusConnection
app = QCoreApplication(["desktop"])
class ScreenSaver(QObject):
    @Slot(str, str, result=int)
    def Inhibit(self, who, why):
        print("asked by", who, flush=True)
        return 7
desktop, bus = ScreenSaver(), QDBusConnection.sessionBus()
assert bus.registerService("org.freedesktop.ScreenSaver")
assert bus.registerObject(
    "/ScreenSaver", "org.freedesktop.ScreenSaver", desktop, QDBusConnection.ExportAllSlots
)
client = subprocess.Popen([sys.executable, "-c", '''
from PySide6.QtCore import QCoreApplication
from sln_guide.gui.awake import Awake
app = QCoreApplication(["client"])
awake = Awake()
print("held", awake.hold(), flush=True)
awake.let_go()
print("held", awake.held, flush=True)
'''])
looking = QTimer()
looking.timeout.connect(lambda: client.poll() is None or app.quit())
looking.start(20)
app.exec()
"""


@pytest.mark.skipif(shutil.which("dbus-run-session") is None, reason="no D-Bus")
def test_the_desktop_is_asked_to_stay_awake() -> None:
    done = subprocess.run(
        ["dbus-run-session", "--", sys.executable, "-c", DESKTOP],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split("\n")[:3] == ["asked by sln-guide", "held True", "held False"], done


def test_without_a_desktop_nothing_is_held(
    qt: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    awake = Awake()
    assert not awake.hold()
    awake.let_go()
    assert not awake.held
