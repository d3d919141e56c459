"""The commands that open a window: live, demo, replay, sitting."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hardware.rig import Rig, RigError
from hardware.rig_files import load_rig, shipped_rigs
from sln_guide.calibration.arguments import add_board_arguments
from sln_guide.terminal import OK, OUTPUT, PARTIAL, positive, progress_bar, signals_wait

if TYPE_CHECKING:
    from sln_guide.guidance import Settings
    from sln_guide.source import PictureSource

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

LARGEST_PX = 16384
LONGEST_S = 7 * 86_400.0
DEMO_OFFSCREEN_S = 8.0
DEMO_OFFSCREEN_SIZE = (1600, 900)
_HOME = Path.home() / "sln-guide"


def add_commands(verbs: Verbs) -> None:
    """Add them to the parser."""
    window = argparse.ArgumentParser(add_help=False)
    window.add_argument("--screenshot", type=Path, metavar="FILE", help="save the window as PNG")
    window.add_argument("--seconds", type=_seconds, help="close this long after the core is ready")
    window.add_argument(
        "--snapshots", type=Path, default=_HOME / "snapshots", help="folder for snapshots"
    )
    window.add_argument("--size", type=_size, metavar="WxH", help="window size, such as 1920x1080")
    grabbing = argparse.ArgumentParser(add_help=False)
    grabbing.add_argument("--cases", type=Path, default=_HOME / "cases", help="folder for cases")
    grabbing.add_argument("--record", action="store_true", help="record from the first frame")
    grabbing.add_argument("--theatre", action="store_true", help="open the theatre display too")

    verb = verbs.add_parser("live", parents=[window, grabbing], help="guide with real cameras")
    verb.add_argument("--rig", help=f"a .toml file, or {', '.join(shipped_rigs())}")
    verb.add_argument(
        "--distance-mm",
        type=_distance,
        help="work at another distance than the rig's, within what its registration holds for",
    )
    verb.add_argument(
        "--nudge-px",
        type=float,
        nargs=2,
        metavar=("X", "Y"),
        default=(0.0, 0.0),
        help="last resort: move the overlay by so many px of white light; it is flagged",
    )
    verb.set_defaults(run=live)

    verb = verbs.add_parser("demo", parents=[window, grabbing], help="a simulated procedure")
    verb.add_argument(
        "--output", type=Path, default=Path("demo-output"), help="where, without a display"
    )
    verb.set_defaults(run=demo)

    verb = verbs.add_parser("replay", parents=[window], help="show a recorded case")
    verb.add_argument("case", type=Path, help="its folder")
    verb.add_argument("--speed", type=_speed, default=1.0, help="0.1 upwards, or 'max'")
    verb.add_argument("--paused", action="store_true", help="do not play at once")
    verb.set_defaults(run=replay)

    verb = verbs.add_parser("sitting", help="calibrate and check in a window, step by step")
    verb.add_argument("--rig", required=True, help=f"a .toml file, or {', '.join(shipped_rigs())}")
    add_board_arguments(verb)
    verb.set_defaults(run=sitting)


def live(options: argparse.Namespace) -> int:
    """Open the rig's cameras and guide."""
    from sln_guide.calibration.applied import apply_calibrations, at_distance
    from sln_guide.calibration.errors import CalibrationError
    from sln_guide.guidance import Settings

    rig = _live_rig(options.rig)
    if options.distance_mm is not None:
        rig = at_distance(rig, options.distance_mm)
    applied = apply_calibrations(rig)
    rig = applied.rig
    for problem in dict.fromkeys((*applied.problems, *filter(None, (rig.unchecked,)))):
        print(f"not calibrated: {problem}", file=sys.stderr)
    if rig.simulated:
        print(f"SIMULATED: rig '{rig.name}' shows no real camera.")
    try:
        settings = Settings(nudge_px=tuple(options.nudge_px))
    except ValueError as error:
        raise CalibrationError(f"--nudge-px: {error}") from None
    if settings.nudge_px != (0.0, 0.0) and rig.registration.kind == "none":
        raise CalibrationError(
            f"--nudge-px: rig {rig.name} has no registration to nudge: run `sln-guide calibrate "
            "register`"
        )
    return _run_live(rig, options, settings)


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
    from sln_guide.gui.app import asked_to_end
    from sln_guide.recording.reader import CaseReader

    output: Path = options.output
    seconds = options.seconds or DEMO_OFFSCREEN_S
    print(f"No display: the demo runs offscreen for {seconds:g} s into {output}/", flush=True)
    cases: Path = options.cases
    if cases == _HOME / "cases":
        # begun anew under a name of its own: --output may be where real recordings lie
        cases = output / "demo-cases"
        shutil.rmtree(cases, ignore_errors=True)
    there = set(cases.glob("*.case"))
    options.cases, options.seconds, options.record = cases, seconds, True
    options.screenshot = options.screenshot or output / "window.png"
    options.size = options.size or DEMO_OFFSCREEN_SIZE
    options.snapshots = output / "snapshots"
    _warm_up(rig)  # else a machine's first demo shows what is left of the procedure afterwards
    code = _run_live(rig, options)
    if code != OK:
        return code
    if asked_to_end():
        raise KeyboardInterrupt
    case_folder = max(set(cases.glob("*.case")) - there)
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
    from sln_guide.replay.session import ReplaySession
    from sln_guide.warm_up import warm_up

    case = CaseReader(options.case)
    for problem in case.problems:
        print(f"damaged: {problem}", file=sys.stderr)
    session = ReplaySession(case)
    session.set_speed(options.speed)
    if not options.paused:
        session.play()
    return _show(session, options, prepare=lambda: warm_up(case.rig))


def sitting(options: argparse.Namespace) -> int:
    """Calibrate and check a rig in a window, one step at a time."""
    from sln_guide.calibration.command import board_of
    from sln_guide.calibration.sitting import Sitting
    from sln_guide.gui.sitting.window import sit

    rig: str = options.rig
    # a shipped rig has no folder of its own to keep anything in
    out = Path.home() / "sln-guide" / "calibration" / rig if rig in shipped_rigs() else None
    board = board_of(options.board, options.measured_mm)
    return sit(lambda seen: Sitting(rig, out=options.out or out, board=board, seen=seen))


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


def _run_live(rig: Rig, options: argparse.Namespace, settings: Settings | None = None) -> int:
    from functools import partial

    from sln_guide.source import SourceError

    if sys.platform != "linux":
        raise SourceError("live guidance runs on Linux only; recorded cases can be replayed here")
    from sln_guide.engine.entry import live_session
    from sln_guide.engine.remote import RemoteSession

    session: RemoteSession | None = None
    why = None
    try:
        with signals_wait():
            session = RemoteSession(rig, partial(live_session, rig, options.cases), settings)
        code = _show(session, options)
    finally:  # whatever else fails: a recording's error is told as well
        if session is not None:
            session.close()
            why = session.recorder_error
        if why is not None:
            print(f"sln-guide: recording: {why}", file=sys.stderr)
    return code if why is None else code or OUTPUT


def _warm_up(rig: Rig) -> None:
    from sln_guide.warm_up import warm_up  # half a second of imports: not before the window is open

    warm_up(rig)


def _show(
    source: PictureSource,
    options: argparse.Namespace,
    prepare: Callable[[], object] | None = None,
) -> int:
    from sln_guide.gui.app import WindowPlan, run
    from sln_guide.gui.preferences import config_folder

    plan = WindowPlan(
        snapshot_folder=options.snapshots,
        config=config_folder(),
        size=options.size,
        theatre=getattr(options, "theatre", False),
        record=getattr(options, "record", False),
        screenshot=options.screenshot,
        seconds=options.seconds,
    )
    return run(source, plan, prepare)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"must look like 1920x1080, not {text}")
    if not (1 <= int(width) <= LARGEST_PX and 1 <= int(height) <= LARGEST_PX):
        raise argparse.ArgumentTypeError(f"from 1x1 to {LARGEST_PX}x{LARGEST_PX}, not {text}")
    return int(width), int(height)


def _seconds(text: str) -> float:
    value = positive(text)
    if value > LONGEST_S:
        raise argparse.ArgumentTypeError(
            f"at most {LONGEST_S:g}, a week; leave it out to stay open"
        )
    return value


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
