"""Make the pictures of docs/calibration.md: `python docs/make_calibration_pictures.py`.

Calibrates the simulated bench from nothing, as the guide does, and keeps the reports' first pages.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from hardware.rig_files import load_rig
from sln_guide.calibration.board import Board
from sln_guide.calibration.command import run_calibrate
from sln_guide.calibration.history import read
from sln_guide.calibration.photon_transfer import PhotonTransfer
from sln_guide.calibration.registration import RigRegistration
from sln_guide.calibration.report import check_pages, photon_transfer_page, registration_page
from sln_guide.calibration.target import Target
from sln_guide.cli import make_parser

IMAGES = Path(__file__).resolve().parent / "images"


def main() -> None:
    """Write the pictures."""
    with tempfile.TemporaryDirectory() as name:
        rig_file = Path(name) / "rig.toml"
        words = ["calibrate", "all", "--rig", str(rig_file), "--from", "bench", "--yes"]
        run_calibrate(make_parser().parse_args(words))
        named = load_rig(rig_file).calibration
        curve = PhotonTransfer.load(Path(named.photon_transfer or ""))
        registration = RigRegistration.load(Path(named.registration or ""))
        records, _ = read(Path(named.check or ""))
    pages = {
        "board": Board().page(),
        "target": Target().page(),
        "photon-transfer": photon_transfer_page(curve),
        "registration": registration_page(registration),
        "check": check_pages(records[-1], records)[0],
    }
    for title, page in pages.items():
        (IMAGES / f"calibration-{title}.svg").write_text(page.svg(), encoding="utf-8")
    assert np.isfinite(registration.error_px).all()


if __name__ == "__main__":
    main()
