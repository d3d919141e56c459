"""One engine's process: what is known of it once it has ended, however late."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from sln_guide.engine import link as link_module
from sln_guide.engine.link import Link, any_left
from tests.engine import making


def test_an_engine_that_dies_late_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is busy takes seconds to kill: at the end the program died of the question."""
    link = Link(partial(making.looks_for_cameras_for_long, tmp_path))
    with monkeypatch.context() as busy:
        busy.setattr(link_module, "KILL_S", 0.0)
        busy.setattr(link._process, "is_alive", lambda: True)
        assert not link.end(patience_s=0.0)
        assert any_left()
    link._process.join()
    link.release()
    assert not any_left()
