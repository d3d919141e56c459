"""`Sitting`: a rig, its cameras and its files, while one guided flow follows the other.

The command line and the window drive the same one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from hardware.camera import Camera
from hardware.cameras import cameras_for
from hardware.frame import Frame
from hardware.rig import Rig, RigError
from hardware.rig_files import load_rig
from sln_guide.calibration.applied import Applied, apply_calibrations
from sln_guide.calibration.binding import utc_now
from sln_guide.calibration.board import Board
from sln_guide.calibration.board_flows import RegisterFlow, SpotFlow, board_laid
from sln_guide.calibration.container import prove_writable
from sln_guide.calibration.dark import DarkMap
from sln_guide.calibration.errors import CalibrationFileError
from sln_guide.calibration.flows import Flow, Key, Outcome, Step, lay
from sln_guide.calibration.rig_file import note_in_rig
from sln_guide.calibration.rig_flows import CheckFlow, WhiteBalanceFlow
from sln_guide.calibration.sensor_flows import DarkFlow, FlatFlow, PhotonTransferFlow
from sln_guide.calibration.target import Target
from sln_guide.calibration.watched import WatchedCamera

What = Literal["dark", "flat", "ptc", "register", "balance", "spot", "check"]
"""A flow, as it is called on the command line."""

EVERYTHING: tuple[What, ...] = ("dark", "flat", "ptc", "register", "balance", "check")
"""From nothing to a checked rig, in this order: the flat needs the dark, the check needs all."""

TITLES: dict[What, str] = {
    "dark": DarkFlow.title,
    "flat": FlatFlow.title,
    "ptc": PhotonTransferFlow.title,
    "register": RegisterFlow.title,
    "balance": WhiteBalanceFlow.title,
    "spot": SpotFlow.title,
    "check": CheckFlow.title,
}
KEYS: dict[What, Key] = {
    "dark": "dark",
    "flat": "flat",
    "ptc": "photon_transfer",
    "register": "registration",
    "balance": "white_balance",
    "check": "check",
}
BENCH_BOARD = Board(square_mm=10.0, marker_mm=7.5)
"""What lies on the simulated bench, where no other board is named."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one calibration of the rig stands. ``good`` None: it is not made yet."""

    what: What
    good: bool | None
    words: str


class Sitting:
    """One thread at a time.

    Parameters
    ----------
    rig
        A rig file, or the name of a shipped rig.
    out
        Folder of the files; None: ``calibration``, beside the rig file.
    board
        As printed and measured; None: the usual one.
    target
        The reference target of the check.
    temperature_c
        Of the NIR camera, noted with its maps where it tells none itself.
    seen
        Called with role and frame for every frame any camera gives, on the calling thread.

    Raises
    ------
    RigError
        The rig cannot be used.
    """

    def __init__(
        self,
        rig: str,
        *,
        out: Path | None = None,
        board: Board | None = None,
        target: Target | None = None,
        temperature_c: float | None = None,
        seen: Callable[[str, Frame], None] | None = None,
    ) -> None:
        self._rig = load_rig(rig)
        self.file = Path(rig) if Path(rig).suffix == ".toml" else None
        beside = Path() if self.file is None else self.file.parent
        self.folder = out or beside / "calibration"
        self._board = board or (BENCH_BOARD if self._rig.simulated else Board())
        self._target = target or Target()
        self._temperature_c = temperature_c
        self._cameras: dict[str, Camera] = cameras_for(self._rig)
        if seen is not None:
            self._cameras = {r: WatchedCamera(c, r, seen) for r, c in self._cameras.items()}
        self._made: dict[str, str] = {}

    @property
    def rig(self) -> Rig:
        """The rig with what this sitting made so far."""
        made = msgspec.structs.replace(self._rig.calibration, **self._made)
        return msgspec.structs.replace(self._rig, calibration=made)

    @property
    def cameras(self) -> dict[str, Camera]:
        """Its cameras by role, closed between steps."""
        return self._cameras

    def camera(self, role: str) -> Camera:
        """Return a camera of the rig. Raises RigError."""
        if role not in self._cameras:
            raise RigError(f"rig {self._rig.name}: has no {role} camera: add a [{role}] table")
        return self._cameras[role]

    def flow(self, what: What) -> Flow:
        """Return a flow, begun.

        Raises
        ------
        CalibrationFileError
            It needs a calibration that is not there, or what it finds could not be kept.
        RigError
            It needs a camera that the rig has not.
        """
        rig, folder, now = self.rig, self.folder, utc_now()
        if what != "spot":
            self._prove_writable(self._place_of_checks() if what == "check" else folder)
        nir = self.camera("nir")
        if what == "dark":
            return DarkFlow(rig, nir, folder, now=now, temperature_c=self._temperature_c)
        if what == "flat":
            named = rig.calibration.dark
            path = folder / "nir-dark.npz" if named is None else Path(named)
            if not path.is_file():
                raise CalibrationFileError(
                    f"{path}: no dark map; run `calibrate dark` first, the flat map needs it"
                )
            dark = DarkMap.load(path)
            return FlatFlow(rig, nir, folder, dark, now=now, temperature_c=self._temperature_c)
        if what == "ptc":
            return PhotonTransferFlow(rig, nir, folder, now=now)
        if what == "check":
            place = self._place_of_checks()
            return CheckFlow(self.applied(), self._cameras, place, target=self._target, now=now)
        white = self.camera("white")
        if what == "balance":
            return WhiteBalanceFlow(rig, white, folder, now=now)
        if what == "register":
            return RegisterFlow(rig, nir, white, folder, board=self._board, now=now)
        registration = rig.calibration.registration
        if registration is None:
            raise CalibrationFileError(
                f"rig {rig.name}: names no registration; run `calibrate register` first"
            )
        return SpotFlow(rig, nir, white, Path(registration), board=self._board, now=now)

    def _place_of_checks(self) -> Path:
        named = self.rig.calibration.check
        return self.folder / "checks" if named is None else Path(named)

    def _prove_writable(self, place: Path) -> None:
        """Refuse to measure what could not be kept, or noted in the rig file."""
        prove_writable(place)
        if self.file is not None:
            try:
                prove_writable(self.file.parent)
            except CalibrationFileError:
                raise CalibrationFileError(
                    f"{self.file}: what is found could not be noted in it, its folder is not "
                    "writable; copy the rig file to a folder of your own and use that"
                ) from None

    def lay(self, step: Step) -> bool:
        """Lay what a step asks for under simulated cameras; False: a person must do it."""
        return lay(step, tuple(self._cameras.values()))

    def focus_step(self) -> Step:
        """Return what to arrange for the focus aid."""
        told = (
            "Lay something with fine print flat at the working distance and keep it still. Turn "
            "each lens' ring until its bar is as full as it gets, then lock the ring."
        )
        return Step("focus", told, board_laid(self._board, self._rig.optics.working_distance_mm))

    def keep(self, flow: Flow, outcome: Outcome) -> str:
        """Use what came of a flow from now on, note it in the rig file; say where it is noted.

        Raises
        ------
        CalibrationFileError
            The rig file cannot be written.
        """
        if isinstance(flow, SpotFlow):
            return ""
        self._made[outcome.key] = str(outcome.path)
        if self.file is None:
            return f'put into your rig under [calibration]: {outcome.key} = "{outcome.path}"'
        note_in_rig(self.file, outcome.key, outcome.path)
        return f"noted in {self.file}"

    def applied(self) -> Applied:
        """Return the rig with its calibrations, as `live` would use it now."""
        return apply_calibrations(self.rig)


def standings(rig: Rig, applied: Applied) -> tuple[Standing, ...]:
    """Return how each calibration of `EVERYTHING` stands, for a rig and what came of applying."""
    return tuple(_standing(what, rig, applied) for what in EVERYTHING)


def _standing(what: What, rig: Rig, applied: Applied) -> Standing:
    named: str | None = getattr(rig.calibration, KEYS[what])
    if named is None:
        return Standing(what, None, "not made yet")
    if what == "check":
        why = applied.rig.unchecked
        return Standing(what, why is None, "passed today" if why is None else _short(why, named))
    problem = next((p for p in applied.problems if p.startswith(f"{named}:")), None)
    if problem is not None:
        return Standing(what, False, _short(problem, named))
    return Standing(what, True, f"in use: {Path(named).name}")


def _short(told: str, path: str) -> str:
    return told.removeprefix(f"{path}: ")
