"""The commands: one verb, one function. Errors are one line; exit codes differ by cause."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hardware.camera import CameraError
from hardware.rig import Registration, Rig, RigError, load_rig, shipped_rigs
from sln_guide import __version__
from sln_guide.calibration.arguments import add_arguments, add_board_arguments
from sln_guide.export.commands import add_commands
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
    USAGE,
    positive,
    progress_bar,
)

if TYPE_CHECKING:
    from sln_guide.source import PictureSource

DEMO_OFFSCREEN_S = 8.0
DEMO_OFFSCREEN_SIZE = (1600, 900)


class OutputError(Exception):
    """A place that cannot be written to."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    return _attempt(words or ["start"])[0]


def _attempt(words: Sequence[str]) -> tuple[int, str]:
    """Run one command; return its exit code, and in one line why it failed."""
    options = _parser().parse_args(words)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options), ""
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED, "interrupted"
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        print(f"sln-guide: {error}", file=sys.stderr)
        return code, str(error)


def _exit_code(error: Exception) -> int | None:
    """Return the exit code of an error that is the user's to mend; None for a fault of ours."""
    from sln_guide.calibration.errors import CalibrationError
    from sln_guide.export.folder import ExportError
    from sln_guide.gui.app import NoDisplayError
    from sln_guide.gui.preferences import PreferencesError
    from sln_guide.recording.errors import RecordingError
    from sln_guide.recording.importing import ImportProblem
    from sln_guide.render.text import NoFontError
    from sln_guide.source import SourceError

    causes: tuple[tuple[type[Exception], int], ...] = (
        (CameraError, CAMERA),
        (SourceError, CAMERA),
        (RigError, RIG),
        (PreferencesError, USAGE),
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
    return None


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


def sitting(options: argparse.Namespace) -> int:
    """Calibrate and check a rig in a window, one step at a time."""
    from sln_guide.calibration.command import board_of
    from sln_guide.calibration.sitting import Sitting
    from sln_guide.gui.sitting import sit

    rig: str = options.rig
    # a shipped rig has no folder of its own to keep anything in
    out = Path.home() / "sln-guide" / "calibration" / rig if rig in shipped_rigs() else None
    board = board_of(options.board, options.measured_mm)
    return sit(lambda seen: Sitting(rig, out=options.out or out, board=board, seen=seen))


def live(options: argparse.Namespace) -> int:
    """Open the rig's cameras and guide."""
    from sln_guide.calibration.applied import apply_calibrations, at_distance

    rig = _live_rig(options.rig)
    if options.distance_mm is not None:
        rig = at_distance(rig, options.distance_mm)
    applied = apply_calibrations(rig)
    rig = applied.rig
    for problem in dict.fromkeys((*applied.problems, *filter(None, (rig.unchecked,)))):
        print(f"not calibrated: {problem}", file=sys.stderr)
    if rig.simulated:
        print(f"SIMULATED: rig '{rig.name}' shows no real camera.")
    return _run_live(rig, options)


def demo(options: argparse.Namespace) -> int:
    """Run the simulated procedure; without a display, offscreen into ``--output``."""
    from sln_guide.gui.display import display_available

    rig = load_rig("demo")
    if display_available():
        return _run_live(rig, options)
    return _demo_offscreen(rig, options)


def _demo_offscreen(rig: Rig, options: argparse.Namespace) -> int:
    """Run the same session and window without a screen, recording; then process the case."""
    import shutil

    from sln_guide.export.process import process_case
    from sln_guide.recording.reader import CaseReader

    output: Path = options.output
    seconds = options.seconds or DEMO_OFFSCREEN_S
    print(f"No display: the demo runs offscreen for {seconds:g} s into {output}/", flush=True)
    cases = output / "cases"
    shutil.rmtree(cases, ignore_errors=True)
    options.cases, options.seconds, options.record = cases, seconds, True
    options.screenshot = options.screenshot or output / "window.png"
    options.size = options.size or DEMO_OFFSCREEN_SIZE
    options.snapshots = output / "snapshots"
    code = _run_live(rig, options)
    if code != OK:
        return code
    (case_folder,) = cases.glob("*.case")
    with CaseReader(case_folder) as case:
        summary = process_case(case, output, force=True, progress=progress_bar("processing"))
    print(summary.text())
    for name in ("overlay.mp4", "window.png", "detections.csv"):
        print(f"  {output / name}")
    print(f"  {case_folder} (replay it: sln-guide replay {case_folder})")
    return OK if summary.complete else PARTIAL


def replay(options: argparse.Namespace) -> int:
    """Show a recorded case in the window."""
    from sln_guide.recording.reader import CaseReader
    from sln_guide.replay import ReplaySession
    from sln_guide.warm_up import warm_up

    case = CaseReader(options.case)
    session = ReplaySession(case)
    session.set_speed(options.speed)
    if not options.paused:
        session.play()
    return _show(session, options, prepare=lambda: warm_up(case.rig))


def import_(options: argparse.Namespace) -> int:
    """Make a case of images, stacks or video."""
    from sln_guide.recording.importing import import_case

    summary = import_case(
        options.nir,
        options.white,
        options.out,
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
        progress=progress_bar("importing"),
    )
    print(summary.text())
    for assumption in summary.assumptions:
        print(f"  assumed: {assumption}")
    return OK


def recover(options: argparse.Namespace) -> int:
    """Make an index beside a case that was cut short; the damaged original stays as it is."""
    from sln_guide.recording.recovering import recover as recover_case

    result = recover_case(options.case, progress=progress_bar("recovering"))
    print(result.text())
    return OK


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


# -- shared parts --------------------------------------------------------------------------------


def _live_rig(name: str | None) -> Rig:
    """Return the named rig, else the user's own, else ask where somebody can answer."""
    if name is not None:
        return load_rig(name)
    own = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config")) / "sln-guide/rig.toml"
    if own.is_file():
        return load_rig(own)
    if sys.stdin.isatty():
        print(f"No rig of your own ({own}). Shipped: {', '.join(shipped_rigs())}")
        return load_rig(input("Rig: ").strip())
    raise RigError(
        f"which rig? Put your own at {own}, or give `--rig FILE.toml` or one that is shipped: "
        + ", ".join(shipped_rigs())
        + ". `sln-guide cameras` lists what is plugged in, `sln-guide demo` needs no camera"
    )


def _run_live(rig: Rig, options: argparse.Namespace) -> int:
    from functools import partial

    from sln_guide.engine.remote import RemoteSession
    from sln_guide.engine.serving import live_session

    session = RemoteSession(rig, partial(live_session, rig, options.cases))
    try:
        return _show(session, options)
    finally:
        session.close()


def _show(
    source: PictureSource,
    options: argparse.Namespace,
    prepare: Callable[[], object] | None = None,
) -> int:
    from sln_guide.gui.app import run
    from sln_guide.gui.preferences import config_folder

    return run(
        source,
        screenshot=options.screenshot,
        seconds=options.seconds,
        record=getattr(options, "record", False),
        theatre=getattr(options, "theatre", False),
        snapshot_folder=options.snapshots,
        size=options.size,
        config=config_folder(),
        prepare=prepare,
    )


def _registration(text: str) -> Registration | Path | str:
    return text if text in ("identity", "none") else Path(text)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"must look like 1920x1080, not {text}")
    return int(width), int(height)


def _distance(text: str) -> float:
    try:
        distance_mm = float(text)
    except ValueError:
        distance_mm = math.nan
    if not 0.0 < distance_mm < 1e5:
        raise argparse.ArgumentTypeError(f"{text!r} is no distance in mm")
    return distance_mm


def _speed(text: str) -> float:
    value = float("inf") if text == "max" else float(text)
    if not value >= 0.1:
        raise argparse.ArgumentTypeError("from 0.1, or 'max'")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sln-guide",
        description="Near-infrared guidance for sentinel lymph node surgery. RESEARCH USE ONLY.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"sln-guide {__version__}")
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    home = Path.home() / "sln-guide"
    window = argparse.ArgumentParser(add_help=False)
    window.add_argument("--screenshot", type=Path, metavar="FILE", help="save the window as PNG")
    window.add_argument("--seconds", type=positive, help="close after this time")
    window.add_argument(
        "--snapshots", type=Path, default=home / "snapshots", help="folder for snapshots"
    )
    window.add_argument("--size", type=_size, metavar="WxH", help="window size, such as 1920x1080")
    grabbing = argparse.ArgumentParser(add_help=False)
    grabbing.add_argument("--cases", type=Path, default=home / "cases", help="folder for cases")
    grabbing.add_argument("--record", action="store_true", help="record from the first frame")
    grabbing.add_argument("--theatre", action="store_true", help="open the theatre display too")

    verb = verbs.add_parser("start", help="ask what to do (also without a command)")
    verb.add_argument("--cases", type=Path, default=home / "cases", help="folder of cases")
    verb.set_defaults(run=start)

    verb = verbs.add_parser("live", parents=[window, grabbing], help="guide with real cameras")
    verb.add_argument("--rig", help=f"a .toml file, or {', '.join(shipped_rigs())}")
    verb.add_argument(
        "--distance-mm",
        type=_distance,
        help="work at another distance than the rig's, within what its registration holds for",
    )
    verb.set_defaults(run=live)

    verb = verbs.add_parser("demo", parents=[window, grabbing], help="a simulated procedure")
    verb.add_argument(
        "--output", type=Path, default=Path("demo-output"), help="where, without a display"
    )
    verb.set_defaults(run=demo)

    verb = verbs.add_parser("replay", parents=[window], help="show a recorded case")
    verb.add_argument("case", type=Path)
    verb.add_argument("--speed", type=_speed, default=1.0, help="0.1 upwards, or 'max'")
    verb.add_argument("--paused", action="store_true", help="do not play at once")
    verb.set_defaults(run=replay)

    add_commands(verbs)

    verb = verbs.add_parser("import", help="make a case of images, stacks or video")
    verb.add_argument("--nir", type=Path, help="folder, TIFF stack, .npy or video")
    verb.add_argument("--white", type=Path, help="the same, in colour")
    verb.add_argument("--out", type=Path, required=True, metavar="CASE")
    verb.add_argument("--fps", type=positive)
    verb.add_argument("--timestamps", type=Path, metavar="CSV", help="seconds, a row a frame")
    verb.add_argument("--bit-depth", type=int, choices=range(8, 17), metavar="8..16")
    verb.add_argument("--black-level", type=float, metavar="COUNTS")
    verb.add_argument("--mm-per-px", type=positive)
    verb.add_argument("--dark", type=Path, help="dark frame(s), subtracted")
    verb.add_argument("--exposure-us", type=positive)
    verb.add_argument("--gain-db", type=float)
    verb.add_argument(
        "--registration", type=_registration, metavar="FILE|identity|none", help="NIR to white"
    )
    verb.add_argument("--white-format", metavar="BayerRG8|...", help="if white is a raw mosaic")
    verb.set_defaults(run=import_)

    verb = verbs.add_parser("recover", help="make a case readable that was cut short")
    verb.add_argument("case", type=Path)
    verb.set_defaults(run=recover)

    verb = verbs.add_parser("cameras", help="list the cameras that answer")
    verb.set_defaults(run=cameras)

    calibrating = verbs.add_parser("calibrate", help="dark, flat, photon transfer, registration")
    add_arguments(calibrating, verbs.add_parser("check", help="the daily quality check"))

    verb = verbs.add_parser("sitting", help="calibrate and check in a window, step by step")
    verb.add_argument("--rig", required=True, help=f"a .toml file, or {', '.join(shipped_rigs())}")
    add_board_arguments(verb)
    verb.set_defaults(run=sitting)

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
