"""`sln-guide calibrate` and `sln-guide check`: the guided flows on a command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import msgspec

from hardware.camera import Camera
from hardware.cameras import cameras_for
from hardware.rig import Rig, RigError, load_rig, shipped_rigs
from sln_guide.calibration.applied import Applied, apply_calibrations
from sln_guide.calibration.binding import utc_now
from sln_guide.calibration.board import ADVICE, Board
from sln_guide.calibration.dark import DarkMap
from sln_guide.calibration.errors import CalibrationError, CalibrationFileError, CaptureError
from sln_guide.calibration.flows import Flow, Outcome, simulate_operator
from sln_guide.calibration.paper import pdf
from sln_guide.calibration.rig_file import note_in_rig
from sln_guide.calibration.rig_flows import CheckFlow, RegisterFlow, SpotFlow
from sln_guide.calibration.sensor_flows import DarkFlow, FlatFlow, PhotonTransferFlow
from sln_guide.calibration.target import Target
from sln_guide.terminal import NOT_SOUND, OK, progress_bar

_SPELLINGS = {"photon-transfer": "ptc", "registration": "register"}
DEFAULT_BOARD = Board()


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
    sitting = _Sitting(options)
    wanted = ("dark", "flat", "ptc", "register") if what == "all" else (what,)
    if what == "spot":
        return sitting.spot()
    for name in wanted:
        sitting.do(sitting.flow(name))
    if what == "all":
        return sitting.check(Target())
    return OK


def run_check(options: argparse.Namespace) -> int:
    """Run the quality check; the exit code says whether it passed.

    Raises
    ------
    CalibrationError, CameraError, RigError
        One line each, with what to do.
    """
    return _Sitting(options).check(_target(options.target))


class _Sitting:
    """The rig, its cameras and its files, while calibrations follow one another."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._rig_name: str = options.rig
        self._own = Path(options.rig).suffix == ".toml"
        self._rig = load_rig(options.rig)
        beside = Path(options.rig).parent if self._own else Path()
        self._folder: Path = options.out or beside / "calibration"
        if self._rig.simulated:
            print(f"SIMULATED: rig '{self._rig.name}' shows no real camera.")
        self._cameras: dict[str, Camera] = cameras_for(self._rig)
        self._made: dict[str, str] = {}

    def rig(self) -> Rig:
        """Return the rig with what this sitting made so far."""
        made = msgspec.structs.replace(self._rig.calibration, **self._made)
        return msgspec.structs.replace(self._rig, calibration=made)

    def camera(self, role: str) -> Camera:
        """Return a camera of the rig. Raises RigError."""
        if role not in self._cameras:
            raise RigError(f"rig {self._rig.name}: has no {role} camera: add a [{role}] table")
        return self._cameras[role]

    def flow(self, what: str) -> Flow:
        """Return the flow of a calibration."""
        rig, folder, now = self.rig(), self._folder, utc_now()
        nir = self.camera("nir")
        if what == "dark":
            return DarkFlow(rig, nir, folder, now=now, temperature_c=self._options.temperature_c)
        if what == "flat":
            named = rig.calibration.dark
            path = folder / "nir-dark.npz" if named is None else Path(named)
            if not path.is_file():
                raise CalibrationFileError(f"{path}: no dark map; run `calibrate dark` first")
            return FlatFlow(rig, nir, folder, DarkMap.load(path), now=now)
        if what == "ptc":
            return PhotonTransferFlow(rig, nir, folder, now=now)
        board = self._board()
        return RegisterFlow(rig, nir, self.camera("white"), folder, board=board, now=now)

    def _board(self) -> Board:
        """Return the board as printed."""
        board = _board(self._options.board)
        if self._options.measured_mm is not None:
            try:
                board = board.scaled(self._options.measured_mm)
            except ValueError as error:
                raise CalibrationError(f"--measured-mm: {error}") from None
        if self._rig.simulated and self._options.board is None:
            return Board(square_mm=10.0, marker_mm=7.5)  # what lies on the simulated bench
        return board

    def do(self, flow: Flow) -> Outcome:
        """Drive a flow to its end, save, note it in the rig."""
        print(f"== {flow.title}")
        while flow.current is not None:
            self._step(flow)
        outcome = flow.finish()
        for line in outcome.lines:
            print(f"  {line}")
        for path in (outcome.path, *outcome.reports):
            print(f"  -> {path}")
        self._note(outcome)
        return outcome

    def spot(self) -> int:
        """Hold the registration in use against one look at the board; note nothing."""
        named = self._rig.calibration.registration
        if named is None:
            raise CalibrationFileError(
                f"rig {self._rig.name}: names no registration; run `calibrate register` first"
            )
        flow = SpotFlow(
            self._rig,
            self.camera("nir"),
            self.camera("white"),
            Path(named),
            board=self._board(),
            now=utc_now(),
        )
        print(f"== {flow.title}")
        self._step(flow)
        outcome = flow.finish()
        for line in outcome.lines:
            print(f"  {line}")
        return OK if outcome.good else NOT_SOUND

    def check(self, target: Target) -> int:
        """Run the quality check with what is calibrated."""
        applied: Applied = apply_calibrations(self.rig())
        named = applied.rig.calibration.check
        folder = self._folder / "checks" if named is None else Path(named)
        outcome = self.do(CheckFlow(applied, self._cameras, folder, target=target, now=utc_now()))
        if outcome.good:
            print("The rig has passed its check.")
            return OK
        print("The rig has NOT passed: no calibrated units until it has; the video goes on.")
        return NOT_SOUND

    def _step(self, flow: Flow) -> None:
        step = flow.current
        assert step is not None
        print(f"[{flow.position + 1}/{len(flow.steps)}] {step.instruction}", flush=True)
        simulated = simulate_operator(flow)
        while True:
            if not simulated and not self._options.yes:
                _ask()
            try:
                told = flow.run(progress_bar(step.name))
            except CaptureError as error:
                if simulated or self._options.yes:
                    raise
                print(f"  refused: {error}")
                continue
            print(f"  {told}", flush=True)
            return

    def _note(self, outcome: Outcome) -> None:
        self._made[outcome.key] = str(outcome.path)
        if self._own:
            note_in_rig(Path(self._rig_name), outcome.key, outcome.path)
            print(f"  noted in {self._rig_name}")
        else:
            print(f'  put into your rig under [calibration]: {outcome.key} = "{outcome.path}"')


def _ask() -> None:
    if not sys.stdin.isatty():
        raise CalibrationError("nobody can answer here: arrange it, then give --yes")
    input("  press Enter when it is so (Ctrl-C ends) ")


def _print_page(what: str, options: argparse.Namespace) -> int:
    pages: dict[str, Callable[[], bytes]] = {
        "board": lambda: _board(options.board).pdf(),
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
    except msgspec.MsgspecError as error:
        raise CalibrationFileError(f"{path}: no reference target: {error}") from None


def _board(text: str | None) -> Board:
    """Read ``11x8x15``: columns, rows, square in mm; markers take 11/15 of a square."""
    if text is None:
        return DEFAULT_BOARD
    parts = text.split("x")
    try:
        columns, rows, square = (float(part) for part in parts)
        marker = round(square * 11 / 15, 3)
        return Board(columns=int(columns), rows=int(rows), square_mm=square, marker_mm=marker)
    except (ValueError, OverflowError) as error:
        reason = str(error) if "board" in str(error) else "must look like 11x8x15"
        raise CalibrationError(f"--board {text}: {reason}") from None
