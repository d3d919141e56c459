"""What `sln-guide calibrate` and `sln-guide check` can be told; light to import."""

from __future__ import annotations

import argparse
from pathlib import Path

from hardware.rig_files import shipped_rigs
from sln_guide.terminal import positive

WHAT = ("dark", "flat", "ptc", "board", "target", "register", "balance", "spot", "all")
SPELLINGS = ("photon-transfer", "registration")


def add_arguments(calibrate: argparse.ArgumentParser, check: argparse.ArgumentParser) -> None:
    """Give both commands their arguments and what runs them."""
    rigs = f"a .toml file, or {', '.join(shipped_rigs())}"
    calibrate.add_argument(
        "what",
        choices=(*WHAT, *SPELLINGS),
        metavar="{" + ",".join(WHAT) + "}",
        help="which one; board and target: a PDF to print; spot: one look at the board; "
        "all: from dark to check",
    )
    for parser in (calibrate, check):
        parser.add_argument("--rig", required=parser is check, help=rigs)
        parser.add_argument(
            "--yes", action="store_true", help="ask for nothing: everything is in place"
        )
        parser.add_argument(
            "--temperature-c",
            type=float,
            help="of an NIR camera that does not tell its own; noted with its maps",
        )
        add_board_arguments(parser)
    calibrate.add_argument(
        "--from",
        dest="begin_from",
        metavar="NAME",
        help="write --rig anew as a copy of this shipped rig",
    )
    calibrate.set_defaults(run=_calibrate)
    check.add_argument("--target", type=Path, help="TOML of a reference target of your own")
    check.set_defaults(run=_check)


def add_board_arguments(parser: argparse.ArgumentParser) -> None:
    """Say where the files go, and which board was printed."""
    parser.add_argument(
        "--out", type=Path, help="folder for the files (default: calibration, beside the rig)"
    )
    parser.add_argument("--board", metavar="COLSxROWSxMM", help="the printed board, if not 11x8x15")
    parser.add_argument(
        "--measured-mm", type=positive, help="how long the board's 100 mm bar really is"
    )


def _calibrate(options: argparse.Namespace) -> int:
    from sln_guide.calibration.command import run_calibrate

    return run_calibrate(options)


def _check(options: argparse.Namespace) -> int:
    from sln_guide.calibration.command import run_check

    return run_check(options)
