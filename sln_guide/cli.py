"""The commands: one verb, one function. Errors are one line; exit codes differ by cause."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hardware.camera import CameraError
from hardware.rig import Registration, RigError
from sln_guide import __version__, standard_streams, window_commands
from sln_guide.calibration.arguments import add_arguments
from sln_guide.export import commands
from sln_guide.one_line import on_one_line
from sln_guide.terminal import (
    CAMERA,
    CASE,
    DISPLAY,
    EXIT_CODES,
    INPUT,
    INTERRUPTED,
    NOT_SOUND,
    OK,
    OUTPUT,
    PARTIAL,
    RIG,
    ROOM,
    ended_as_by_hand,
    positive,
    progress_bar,
)


class OutputError(Exception):
    """A place that cannot be written to."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    if arguments is not None:
        return _attempt(list(arguments) or ["start"])[0]
    standard_streams.secure()
    try:
        code = _attempt(sys.argv[1:] or ["start"])[0]
    except SystemExit as told:  # help, or wrong use
        code = int(told.code or OK)
    try:
        standard_streams.last_said()
    except OSError as error:
        print(f"sln-guide: {_line(error)}", file=sys.stderr)
        code = code or OUTPUT
    _end_with(code)
    return code


def _end_with(code: int) -> None:
    """End at once if a compiler is still at work: it would not survive what ends Python.

    So too if a process of ours could not be killed: Python would wait for it without end.
    """
    starting = sys.modules.get("sln_guide.gui.starting")
    link = sys.modules.get("sln_guide.engine.link")
    if (starting and starting.under_way()) or (link and link.any_left()):
        sys.stderr.flush()
        os._exit(code)


def _attempt(words: Sequence[str]) -> tuple[int, str]:
    """Run one command; return its exit code, and in one line why it failed."""
    options = make_parser().parse_args(words)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        with ended_as_by_hand():
            return run(options), ""
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED, "interrupted"
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        said = _line(error)
        print(f"sln-guide: {said}", file=sys.stderr)
        return code, said


def _line(error: Exception) -> str:
    """Return what an error says, in one line; of a failed system call which file, and what."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return on_one_line(f"{error.filename}: {error.strerror}")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"a disk is full ({error.strerror}): free space where the home, temporary files and "
            "the output lie"
        )
    if _has_no_room(error):
        why = f" ({error})" if str(error) else ""
        return on_one_line(f"this machine has no room left{why}: close other programs, try again")
    return on_one_line(str(error))


def _has_no_room(error: Exception) -> bool:
    """Whether the system refused memory, or a thread, for which Python has no error of its own."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    )


def _exit_code(error: Exception) -> int | None:
    """Return the exit code of an error that is the user's to mend; None for a fault of ours.

    Imports nothing that needs the core: that it cannot be had may be the error.
    """
    from sln_guide.calibration.errors import CalibrationError
    from sln_guide.export.folder import ExportError
    from sln_guide.gui.display import NoDisplayError
    from sln_guide.recording.errors import RecordingError
    from sln_guide.recording.importing import ImportProblem
    from sln_guide.render.text import NoFontError
    from sln_guide.source import SourceError

    causes: tuple[tuple[type[Exception], int], ...] = (
        (CameraError, CAMERA),
        (SourceError, CAMERA),
        (RigError, RIG),
        (CalibrationError, INPUT),
        (ImportProblem, INPUT),
        (RecordingError, CASE),
        (ExportError, OUTPUT),
        (OutputError, OUTPUT),
        (OSError, OUTPUT),
        (NoDisplayError, DISPLAY),
        (NoFontError, DISPLAY),
    )
    for cause, code in causes:
        if isinstance(error, cause):
            return code
    return ROOM if _has_no_room(error) else None


# -- commands ------------------------------------------------------------------------------------


def start(options: argparse.Namespace) -> int:
    """Ask what to do, where there is a screen to ask on; else guide with the user's own rig."""
    from sln_guide.gui.display import display_available

    if not display_available():
        return main(["live"])
    from sln_guide.gui.preferences import config_folder
    from sln_guide.gui.start import choose

    said = ""
    while words := choose(options.cases, config_folder(), said):
        code, said = _attempt(words)
        if code == INTERRUPTED:
            return code
    return OK


def import_(options: argparse.Namespace) -> int:
    """Make a case of images, stacks or video."""
    from sln_guide.recording.importing import ImportRequest, import_case

    request = ImportRequest(
        nir=options.nir,
        white=options.white,
        out=options.out,
        fps=options.fps,
        bit_depth=options.bit_depth,
        black_level=options.black_level,
        mm_per_px=options.mm_per_px,
        dark=options.dark,
        exposure_us=options.exposure_us,
        gain_db=options.gain_db,
        registration=options.registration,
        timestamps=options.timestamps,
        white_format=options.white_format,
    )
    summary = import_case(request, progress_bar("importing"))
    print(summary.text())
    for assumption in summary.assumptions:
        print(f"  assumed: {on_one_line(assumption)}")
    for what in summary.damage:
        print(f"  damaged: {on_one_line(what)}")
    return PARTIAL if summary.damage else OK


def recover(options: argparse.Namespace) -> int:
    """Make an index beside a case that was cut short; the damaged original stays as it is."""
    from sln_guide.recording.recovering import recover as recover_case

    result = recover_case(options.case, progress=progress_bar("recovering"))
    print(result.text())
    return OK if result.verification.ok else NOT_SOUND


def cameras(options: argparse.Namespace) -> int:
    """List the cameras that answer."""
    del options
    from hardware.basler import list_cameras

    found = list_cameras()
    if not found:
        print("no camera found. Check cable and power; run `sln-guide doctor`", file=sys.stderr)
        return CAMERA
    for camera in found:
        print(camera.text())
    return OK


def doctor(options: argparse.Namespace) -> int:
    """Check this machine for what live guidance needs."""
    from hardware.doctor import examine

    findings = examine(options.cases)
    for finding in findings:
        mark = {True: "ok  ", False: "BAD ", None: "?   "}[finding.ok]
        print(f"{mark}{finding.name}: {finding.message}")
        if finding.ok is not True and finding.remedy:
            print(f"      {finding.remedy}")
    return NOT_SOUND if any(finding.ok is False for finding in findings) else OK


def bench(options: argparse.Namespace) -> int:
    """Measure this machine beside peers, in the same run."""
    try:
        from benchmarks import run_all
    except ImportError:
        raise OutputError(
            "benchmarks are not installed: run `make bench` in a checkout of the project"
        ) from None
    return run_all.main(options.only, quick=options.quick)


# -- their words ---------------------------------------------------------------------------------


def _registration(text: str) -> Registration | Path | str:
    return text if text in ("identity", "none") else Path(text)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, every command in it."""
    parser = argparse.ArgumentParser(
        prog="sln-guide",
        description="Near-infrared guidance for sentinel lymph node surgery. RESEARCH USE ONLY.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"sln-guide {__version__}")
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    home = Path.home() / "sln-guide"
    verb = verbs.add_parser("start", help="ask what to do (also without a command)")
    verb.add_argument("--cases", type=Path, default=home / "cases", help="folder of cases")
    verb.set_defaults(run=start)

    window_commands.add_commands(verbs)
    commands.add_commands(verbs)

    verb = verbs.add_parser("import", help="make a case of images, stacks or video")
    verb.add_argument("--nir", type=Path, help="folder, TIFF stack, .npy or video")
    verb.add_argument("--white", type=Path, help="the same, in colour")
    verb.add_argument("--out", type=Path, required=True, metavar="CASE", help="the case to make")
    verb.add_argument("--fps", type=positive, help="frames a second")
    verb.add_argument(
        "--timestamps", type=Path, metavar="CSV", help="one time per frame, instead of --fps"
    )
    verb.add_argument(
        "--bit-depth",
        type=int,
        choices=range(8, 17),
        metavar="8..16",
        help="bits that NIR samples really have",
    )
    verb.add_argument("--black-level", type=float, metavar="COUNTS", help="NIR without light")
    verb.add_argument("--mm-per-px", type=positive, help="scale of the NIR image")
    verb.add_argument("--dark", type=Path, help="dark frame(s), subtracted")
    verb.add_argument("--exposure-us", type=positive, help="of the NIR frames")
    verb.add_argument("--gain-db", type=float, help="of the NIR frames")
    verb.add_argument(
        "--registration", type=_registration, metavar="FILE|identity|none", help="NIR to white"
    )
    verb.add_argument("--white-format", metavar="BayerRG8|...", help="if white is a raw mosaic")
    verb.set_defaults(run=import_)

    verb = verbs.add_parser("recover", help="make a case readable that was cut short")
    verb.add_argument("case", type=Path, help="its folder")
    verb.set_defaults(run=recover)

    verb = verbs.add_parser("cameras", help="list the cameras that answer")
    verb.set_defaults(run=cameras)

    calibrating = verbs.add_parser("calibrate", help="dark, flat, photon transfer, registration")
    add_arguments(calibrating, verbs.add_parser("check", help="the daily quality check"))

    verb = verbs.add_parser("doctor", help="check this machine")
    verb.add_argument("--cases", type=Path, default=home / "cases", help="folder for cases")
    verb.set_defaults(run=doctor)

    verb = verbs.add_parser("bench", help="measure speed beside peers")
    verb.add_argument("--only", help="one benchmark by name")
    verb.add_argument("--quick", action="store_true", help="shorter, rougher")
    verb.set_defaults(run=bench)
    return parser


if __name__ == "__main__":
    sys.exit(main())
