"""From nothing to a checked rig in one sitting on Basler's camera emulator, through the real SDK.

Twice at once: typed on the command line (another process), and asked of the window's own model.
The emulator knows no light, so the bench draws its images for each exposure, and it has no lines:
line status, triggers and gated light are proved on made grab results and on the phantom instead.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hardware.rig_files import load_rig
from sln_guide.calibration.applied import apply_calibrations
from sln_guide.calibration.guide import Guide
from sln_guide.calibration.history import read
from sln_guide.calibration.sitting import EVERYTHING, Sitting
from sln_guide.calibration.stand import Phase, Stand
from tests.calibration.small_bench import small_bench

PATIENCE_S = 120.0


def checked(rig_file: Path) -> None:
    """Assert that a rig file is that of a rig calibrated and checked on the emulator."""
    applied = apply_calibrations(load_rig(rig_file))
    assert applied.problems == ()
    assert applied.rig.unchecked is None
    assert applied.rig.emulated
    assert applied.rig.registration.kind == "calibrated"
    # what the bench was made with: counts per electron, counts of offset, mm a px
    assert applied.rig.sensor.electron_counts == pytest.approx(0.2, rel=0.02)
    assert applied.rig.sensor.dark_counts == pytest.approx(64.0, abs=0.2)
    assert applied.rig.optics.mm_per_px == pytest.approx(0.28, rel=0.01)
    folder = rig_file.parent / "calibration"
    assert len(list(folder.glob("*.pdf"))) == 5
    records, damaged = read(folder / "checks")
    assert damaged == 0
    assert [(r.good, r.cameras) for r in records] == [(True, ("0815-0000", "0815-0001"))]


def test_the_window_s_model_and_the_command_line_check_an_emulated_rig(tmp_path: Path) -> None:
    typed, asked = tmp_path / "typed", tmp_path / "asked"
    for folder in (typed, asked):
        folder.mkdir()
        small_bench(folder, "emulated-bench")
    words = ("calibrate", "all", "--rig", str(typed / "rig.toml"), "--yes")
    command = subprocess.Popen(
        [sys.executable, "-m", "sln_guide.cli", *words], stdout=subprocess.PIPE, text=True
    )
    try:
        done = sit_through(asked / "rig.toml")
        told, _ = command.communicate(timeout=PATIENCE_S)
    finally:
        command.kill()
        command.wait()
    assert done == list(EVERYTHING)
    checked(asked / "rig.toml")
    assert command.returncode == 0, told
    assert "The rig has passed its check." in told
    checked(typed / "rig.toml")


def sit_through(rig_file: Path) -> list[str]:
    """Do whatever comes next until nothing does; return what was done."""
    changed = threading.Condition()

    def tell() -> None:
        with changed:
            changed.notify_all()

    guide = Guide(lambda seen: Sitting(str(rig_file), seen=seen), tell)

    def until(holds: Callable[[Stand], object]) -> Stand:
        with changed:
            assert changed.wait_for(lambda: holds(guide.stand), PATIENCE_S), guide.stand
        assert guide.stand.problem == ""
        return guide.stand

    done = []
    try:
        stand = until(lambda s: s.standings)
        while stand.next_choice is not None:
            done.append(stand.next_choice)
            guide.choose(stand.next_choice)
            stand = until(lambda s: s.phase is Phase.ARRANGING)
            for step in range(stand.steps):
                until(lambda s, step=step: s.phase is Phase.ARRANGING and s.step == step)
                until(lambda s: len(guide.pictures) == len(s.roles))
                guide.go_on()
            stand = until(lambda s: s.phase is Phase.DONE)
            assert stand.outcome is not None
            assert stand.outcome.good
    finally:
        assert guide.close()
    return done
