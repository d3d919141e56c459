"""`sln-guide calibrate` and `sln-guide check`: the guided flows on a command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import msgspec

from hardware.rig import RigError
from hardware.rig_files import shipped_rigs
from sln_guide.calibration.board import ADVICE, Board
from sln_guide.calibration.errors import CalibrationError, CalibrationFileError, CaptureError
from sln_guide.calibration.flows import Flow, Step
from sln_guide.calibration.paper import pdf
from sln_guide.calibration.sitting import EVERYTHING, TITLES, Sitting, What
from sln_guide.calibration.target import Target
from sln_guide.terminal import NOT_SOUND, OK, progress_bar

_SPELLINGS = {"photon-transfer": "ptc", "registration": "register"}
PASSED = "The rig has passed its check."
NOT_PASSED = "The rig has NOT passed: no calibrated units until it has; the video goes on."


def run_calibrate(options: argparse.Namespace) -> int:
    """Make a calibration, or a page to print.

    Raises
    ------
    CalibrationError, CameraError, RigError
        One line each, with what to do.
    """
    what = _SPELLINGS.get(options.what, options.what)
    if what in ("board", "target"):
        return _print_page(what, options)
    if options.rig is None:
        raise RigError(f"which rig? Give --rig FILE.toml, or one of {', '.join(shipped_rigs())}")
    if options.begin_from is not None:
        _copy_rig(options.begin_from, Path(options.rig))
    terminal = _Terminal(options)
    return max(
        terminal.do(name) for name in (EVERYTHING if what == "all" else (_flow_named(what),))
    )


def run_check(options: argparse.Namespace) -> int:
    """Run the quality check; the exit code says whether it passed.

    Raises
    ------
    CalibrationError, CameraError, RigError
        One line each, with what to do.
    """
    return _Terminal(options, _target(options.target)).do("check")


def _flow_named(what: str) -> What:
    return next(name for name in TITLES if name == what)


class _Terminal:
    """A sitting on a terminal: asks, shows progress, tells."""

    def __init__(self, options: argparse.Namespace, target: Target | None = None) -> None:
        self._yes: bool = options.yes
        self._sitting = Sitting(
            options.rig,
            out=options.out,
            board=board_of(options.board, options.measured_mm),
            target=target,
            temperature_c=options.temperature_c,
        )
        if self._sitting.rig.simulated:
            print(f"SIMULATED: rig '{self._sitting.rig.name}' shows no real camera.")

    def do(self, what: What) -> int:
        """Drive a flow to its end, keep what came of it; the exit code says whether it is good."""
        flow = self._sitting.flow(what)
        print(f"== {flow.title}")
        while flow.current is not None:
            self._step(flow, flow.current)
        outcome = flow.finish()
        for line in outcome.lines:
            print(f"  {line}")
        noted = self._sitting.keep(flow, outcome)
        if noted:
            for path in (outcome.path, *outcome.reports):
                print(f"  -> {path}")
            print(f"  {noted}")
        if what == "check":
            print(PASSED if outcome.good else NOT_PASSED)
        return OK if outcome.good else NOT_SOUND

    def _step(self, flow: Flow, step: Step) -> None:
        print(f"[{flow.position + 1}/{len(flow.steps)}] {step.instruction}", flush=True)
        simulated = self._sitting.lay(step)
        while True:
            if not simulated and not self._yes:
                _ask()
            try:
                told = flow.run(progress_bar(step.name))
            except CaptureError as error:
                if simulated or self._yes:
                    raise
                print(f"  refused: {error}")
                continue
            print(f"  {told}", flush=True)
            return


def _ask() -> None:
    if not sys.stdin.isatty():
        raise CalibrationError("nobody can answer here: arrange it, then give --yes")
    input("  press Enter when it is so (Ctrl-C ends) ")


def _print_page(what: str, options: argparse.Namespace) -> int:
    pages: dict[str, Callable[[], bytes]] = {
        "board": (board_of(options.board, None) or Board()).pdf,
        "target": lambda: pdf([Target().page()], "sln-guide reference target"),
    }
    folder: Path = options.out or Path()
    path = folder / f"sln-guide-{what}.pdf"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pages[what]())
    except OSError as error:
        raise CalibrationFileError(f"{path}: cannot be written ({error.strerror})") from None
    print(path)
    if what == "board":
        for line in ADVICE:
            print(f"  {line}")
    return OK


def _copy_rig(name: str, path: Path) -> None:
    if path.suffix != ".toml":
        raise RigError(f"{path}: name a .toml file to write the rig to")
    if path.exists():
        raise RigError(f"{path}: is there already; leave out --from, or name another file")
    if name not in shipped_rigs():
        raise RigError(f"no shipped rig named {name!r}: there are {', '.join(shipped_rigs())}")
    text = (resources.files("hardware") / "rigs" / f"{name}.toml").read_text(encoding="utf-8")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CalibrationFileError(f"{path}: cannot be written ({error.strerror})") from None


def _target(path: Path | None) -> Target:
    if path is None:
        return Target()
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Target)
    except OSError as error:
        raise CalibrationFileError(f"{path}: cannot be read ({error.strerror})") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CalibrationFileError(f"{path}: no reference target: {error}") from None


def board_of(text: str | None, measured_mm: float | None) -> Board | None:
    """Return the board as printed: ``11x8x15`` is columns, rows, square in mm; None: unsaid.

    Markers take 11/15 of a square. ``measured_mm`` is how long the 100 mm bar came out.

    Raises
    ------
    CalibrationError
        That is no board.
    """
    board = None
    if text is not None:
        try:
            columns, rows, square = (float(part) for part in text.split("x"))
            marker = round(square * 11 / 15, 3)
            board = Board(columns=int(columns), rows=int(rows), square_mm=square, marker_mm=marker)
        except (ValueError, OverflowError) as error:
            reason = str(error) if "board" in str(error) else "must look like 11x8x15"
            raise CalibrationError(f"--board {text}: {reason}") from None
    if measured_mm is not None:
        try:
            board = (board or Board()).scaled(measured_mm)
        except ValueError as error:
            raise CalibrationError(f"--measured-mm: {error}") from None
    return board
