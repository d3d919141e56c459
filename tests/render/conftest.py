"""Tests of rendering fail on whatever Qt says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import qInstallMessageHandler

from sln_guide.render.text import ensure_gui_application


@pytest.fixture(autouse=True)
def _qt_is_quiet() -> Iterator[None]:
    """Qt says in words what it does not raise: any word fails the test."""
    ensure_gui_application()
    said: list[str] = []
    before = qInstallMessageHandler(lambda _kind, _context, message: said.append(message))
    yield
    qInstallMessageHandler(before)
    assert said == []
