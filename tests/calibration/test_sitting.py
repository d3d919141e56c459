"""From nothing to a checked rig in one sitting, on the command line; and every way out of it."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hardware.bench import WHITE_TINT
from hardware.bench_camera import BenchCamera
from hardware.cameras import cameras_for
from hardware.frame import frozen_pixels
from hardware.opencv import cv2
from hardware.rig import Rig, RigError
from hardware.rig_files import load_rig
from hardware.simulated import TEMPERATURE_C
from sln_guide import cli, terminal
from sln_guide.calibration.applied import apply_calibrations, at_distance
from sln_guide.calibration.binding import utc_now
from sln_guide.calibration.dark import DarkMap
from sln_guide.calibration.flat import FlatMap
from sln_guide.calibration.frames import grabbing
from sln_guide.calibration.history import FILE, read
from sln_guide.calibration.photon_transfer import PhotonTransfer
from sln_guide.calibration.registration import RigRegistration
from sln_guide.drawing import Drawing
from sln_guide.guidance import Settings
from sln_guide.live.session import LiveSession
from sln_guide.recording.corrections import setup_of
from sln_guide.recording.reader import CaseReader
from sln_guide.recording.verify import verify


def test_the_rig_is_calibrated_and_checked(sitting: Path) -> None:
    rig = load_rig(sitting)
    assert all(v is not None for v in msgspec.structs.asdict(rig.calibration).values())
    applied = apply_calibrations(rig)
    assert applied.problems == ()
    assert applied.rig.unchecked is None
    assert applied.rig.unchecked is None
    assert applied.rig.registration.kind == "calibrated"
    assert applied.rig.sensor.electron_counts == pytest.approx(0.2, rel=0.02)
    assert applied.rig.optics.mm_per_px == pytest.approx(0.28, rel=0.01)
    assert applied.dark is not None
    assert applied.dark.shape == (358, 448)
    assert applied.flat is not None
    assert 0 < np.isnan(applied.dark).sum() < 100


def test_reports_are_left_as_pdf_and_html(sitting: Path) -> None:
    folder = sitting.parent / "calibration"
    for name in ("nir-dark", "nir-flat", "nir-photon-transfer", "registration"):
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert "<svg" in (folder / f"{name}.html").read_text()
    records, damaged = read(folder / "checks")
    assert damaged == 0
    assert records[-1].good
    assert len(list((folder / "checks").glob("check-*.pdf"))) == 1


def test_the_rig_file_keeps_what_its_owner_wrote(sitting: Path) -> None:
    text = sitting.read_text()
    assert text.startswith("# A simulated calibration bench")
    assert 'dark = "calibration/nir-dark.npz"' in text


def problems_of(rig_file: Path, **changes: object) -> str:
    rig: Rig = load_rig(rig_file)
    assert rig.nir is not None
    if changes:
        rig = msgspec.structs.replace(rig, nir=msgspec.structs.replace(rig.nir, **changes))
    return "\n".join(apply_calibrations(rig).problems)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"gain_db": 6.0}, "dB gain"),
        ({"exposure_us": 200_000.0}, "made for exposures"),
        ({"source": "basler", "serial": "40012345"}, "made with camera bench-nir"),
        ({"roi": (0, 0, 320, 256)}, "made with roi"),
        ({"pixel_format": "Mono10"}, "the rig takes"),
        ({"conversion_gain": "High"}, "made at conversion gain none, the rig has High"),
    ],
)
def test_a_rig_changed_since_refuses_its_calibrations_by_name(
    own: Path, changes: dict[str, object], reason: str
) -> None:
    told = problems_of(own, **changes)
    assert "nir-dark.npz" in told
    assert reason in told
    assert "calibrate this rig" in told


def test_what_is_old_missing_or_damaged_is_left_out_and_the_rest_used(own: Path) -> None:
    rig = load_rig(own)
    later = apply_calibrations(rig, now=utc_now() + timedelta(days=100))
    told = "\n".join(later.problems)
    assert "nir-flat.npz: expired" in told
    assert "registration.npz: expired" in told
    assert later.rig.registration.kind == "none"
    assert later.flat is None
    assert later.dark is not None
    assert later.rig.unchecked is not None
    assert later.rig.unchecked is not None
    assert "expired" in later.rig.unchecked
    folder = own.parent / "calibration"
    sound = bytearray((folder / "nir-dark.npz").read_bytes())
    sound[len(sound) // 2] ^= 4
    (folder / "nir-dark.npz").write_bytes(sound)
    (folder / "registration.npz").unlink()
    spoiled = apply_calibrations(load_rig(own))
    assert spoiled.dark is None
    assert spoiled.flat is not None
    assert [("damaged" in p or "not what was saved" in p) for p in spoiled.problems] == [
        True,
        False,
    ]
    assert "no such file" in spoiled.problems[1]


def test_another_rig_s_registration_is_refused(own: Path) -> None:
    text = own.read_text().replace("baseline_mm = 30.0", "baseline_mm = 45.0")
    own.write_text(text)
    applied = apply_calibrations(load_rig(own))
    assert "other optics" in applied.problems[0]
    assert applied.rig.registration.kind == "none"


def test_a_knocked_camera_fails_the_check_and_takes_the_units_not_the_video(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = own.parent / "calibration" / "registration.npz"
    found = RigRegistration.load(path)
    shifted = msgspec.structs.replace(found.fields.stereo, translation_mm=(-28.0, 2.0, 1.0))
    fields = msgspec.structs.replace(found.fields, stereo=shifted)
    RigRegistration(fields, found.error_px).save(path)
    assert cli.main(["check", "--rig", str(own), "--yes"]) == terminal.NOT_SOUND
    told = capsys.readouterr().out
    assert "BAD registration error" in told
    assert "the video goes on" in told
    applied = apply_calibrations(load_rig(own))
    assert applied.rig.unchecked is not None
    assert "registration error" in applied.rig.unchecked
    assert applied.rig.unchecked is not None
    assert applied.dark is not None


def test_one_look_at_the_board_tells_before_a_case(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["calibrate", "spot", "--rig", str(own), "--yes"]
    assert cli.main(words) == terminal.OK
    path = own.parent / "calibration" / "registration.npz"
    found = RigRegistration.load(path)
    shifted = msgspec.structs.replace(found.fields.stereo, translation_mm=(-28.0, 2.0, 1.0))
    fields = msgspec.structs.replace(found.fields, stereo=shifted)
    RigRegistration(fields, found.error_px).save(path)
    assert cli.main(words) == terminal.NOT_SOUND
    assert "the cameras moved; register again" in capsys.readouterr().out


def test_a_history_cut_short_by_a_crash_goes_on(own: Path) -> None:
    folder = own.parent / "calibration" / "checks"
    with (folder / FILE).open("ab") as file:
        file.write(b'{"made_at": "2026-0')
    assert cli.main(["check", "--rig", str(own), "--yes"]) == terminal.OK
    records, damaged = read(folder)
    assert len(records) == 2
    assert damaged == 1


def test_the_camera_s_own_temperature_is_noted_with_its_maps(sitting: Path) -> None:
    folder = sitting.parent / "calibration"
    assert DarkMap.load(folder / "nir-dark.npz").fields.temperature_c == TEMPERATURE_C
    assert FlatMap.load(folder / "nir-flat.npz").fields.temperature_c == TEMPERATURE_C


def test_what_could_not_be_kept_is_not_measured(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said in one line before any camera opens."""
    monkeypatch.setattr(BenchCamera, "open", lambda camera: pytest.fail("a camera was opened"))
    out = own / "below-a-file"
    for what in ("dark", "register", "balance"):
        code = cli.main(["calibrate", what, "--rig", str(own), "--out", str(out), "--yes"])
        assert code == terminal.INPUT
        told = capsys.readouterr().err
        assert "nothing can be kept there (Not a directory), so nothing is measured" in told
        assert len(told.strip().splitlines()) == 1
    # a rig file whose folder takes no new file could not be told what was found
    really = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.parent == own.parent:
            raise OSError(errno.EROFS, "Read-only file system")
        return really(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    away = own.parent / "calibration"
    code = cli.main(["calibrate", "dark", "--rig", str(own), "--out", str(away), "--yes"])
    assert code == terminal.INPUT
    assert "rig.toml: what is found could not be noted in it" in capsys.readouterr().err


def test_refusals_are_one_line_and_say_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "new")
    assert cli.main(["calibrate", "dark"]) == terminal.RIG
    assert (
        cli.main(["calibrate", "flat", "--rig", "bench", "--out", out, "--yes"]) == terminal.INPUT
    )
    # the demonstration's cameras look at tissue: that is no dark field
    assert cli.main(["calibrate", "dark", "--rig", "demo", "--out", out]) == terminal.INPUT
    told = capsys.readouterr().err
    assert "run `calibrate dark` first" in told
    assert "nobody can answer here" in told
    assert len(told.strip().splitlines()) == 3
    assert not os.path.exists(out)


def test_white_balance_reaches_the_picture(sitting: Path) -> None:
    rig = apply_calibrations(load_rig(sitting)).rig
    red, green, blue, black = rig.white_balance
    assert black > 0
    assert red == pytest.approx(1 / WHITE_TINT["R"], rel=0.02)
    assert green == 1.0
    assert blue == pytest.approx(1 / WHITE_TINT["B"], rel=0.02)
    camera = cameras_for(rig)["white"]
    assert rig.white is not None
    with grabbing(camera, rig.white.camera_settings()):
        frame = camera.read(1.0)
    drawing = Drawing(rig.registration, white_balance=rig.white_balance)
    picture = drawing.picture(None, frame, None, Settings())
    assert picture is not None
    colours = [float(np.mean(picture.rgb32 >> shift & 255)) for shift in (16, 8, 0)]
    assert max(colours) < 1.02 * min(colours)
    assert rig.white.black_counts is not None
    dim = replace(frame, pixels=frozen_pixels(np.full_like(frame.pixels, rig.white.black_counts)))
    unlit = drawing.picture(None, dim, None, Settings())
    assert unlit is not None
    assert int((unlit.rgb32 & 0xFFFFFF).max()) <= 0x020202, "without light nothing is tinted"


def test_the_pages_to_print(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["calibrate", "board", "--out", str(tmp_path)]) == terminal.OK
    assert cli.main(["calibrate", "target", "--out", str(tmp_path)]) == terminal.OK
    assert "carbon toner" in capsys.readouterr().out
    assert {p.name for p in tmp_path.iterdir()} == {
        "sln-guide-board.pdf",
        "sln-guide-target.pdf",
    }
    assert cli.main(["calibrate", "board", "--board", "99x99x5"]) == terminal.INPUT


def test_a_rig_begins_as_a_copy_of_a_shipped_one_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig_file = tmp_path / "rig.toml"
    words = ["calibrate", "dark", "--rig", str(rig_file), "--from", "bench", "--yes"]
    assert cli.main(words) == terminal.OK
    assert cli.main(words) == terminal.RIG
    assert "is there already" in capsys.readouterr().err
    assert load_rig(rig_file).calibration.dark is not None


def test_the_figures_survive_in_their_file(sitting: Path) -> None:
    named = load_rig(sitting).calibration.photon_transfer
    assert named is not None
    assert PhotonTransfer.load(Path(named)).linearity_error < 0.02


def test_live_records_the_maps_it_computes_with_and_replay_takes_them(
    sitting: Path, tmp_path: Path
) -> None:
    rig = load_rig(sitting)
    session = LiveSession(rig, cameras_for(rig), cases=tmp_path)
    folder = session.start_recording()
    session.close()  # the case is closed when this returns
    applied = apply_calibrations(rig)
    with CaseReader(folder) as case:
        setup = setup_of(case)
        assert case.rig.registration.kind == "calibrated"
        assert case.rig.sensor == applied.rig.sensor
    assert np.array_equal(setup.dark, applied.dark, equal_nan=True)
    assert np.array_equal(setup.flat, applied.flat, equal_nan=True)
    assert verify(folder).ok


def unchecked(rig_file: Path, **changes: object) -> str | None:
    rig = load_rig(rig_file)
    return apply_calibrations(msgspec.structs.replace(rig, **changes)).rig.unchecked


def test_a_check_of_another_rig_vouches_for_nothing(own: Path) -> None:
    """Nor one that is missing, of yesterday, older than a calibration, or of a damaged map."""
    assert unchecked(own) is None
    rig = load_rig(own)
    assert rig.nir is not None
    assert rig.white is not None
    slower = msgspec.structs.replace(rig.white, exposure_us=4000.0)
    assert "made for exposures" in str(unchecked(own, white=slower))
    wider = msgspec.structs.replace(rig.optics, baseline_mm=31.0)
    assert "other optics" in str(unchecked(own, optics=wider))
    files = rig.calibration
    none_named = msgspec.structs.replace(files, check=None)
    assert "run `sln-guide check`" in str(unchecked(own, calibration=none_named))
    tomorrow = apply_calibrations(rig, now=utc_now() + timedelta(days=1.5))
    assert tomorrow.problems == ()
    assert "expired" in str(tomorrow.rig.unchecked)
    without_map = msgspec.structs.replace(files, dark=str(own.parent / "gone.npz"))
    assert "gone.npz" in str(unchecked(own, calibration=without_map))
    flat = FlatMap.load(Path(str(files.flat)))
    later = msgspec.structs.replace(flat.fields, made_at=utc_now() + timedelta(hours=1))
    replace(flat, fields=later).save(Path(str(files.flat)))
    assert "another flat calibration now" in str(unchecked(own))


def test_the_distance_chosen_has_its_own_homography_and_scale(own: Path) -> None:
    rig = load_rig(own)
    usual = apply_calibrations(rig).rig
    nearer = apply_calibrations(at_distance(rig, 290.0)).rig
    assert nearer.unchecked is None, "the check vouches for the lenses, not for one plane"
    assert nearer.registration.white_from_nir != usual.registration.white_from_nir
    assert usual.optics.mm_per_px is not None
    assert nearer.optics.mm_per_px == pytest.approx(usual.optics.mm_per_px * 290 / 300, rel=1e-6)
    # the oracle: the bench's own lenses, the same point of the plane through both
    bench = cameras_for(rig)["nir"].bench
    lenses = bench.lenses
    point = np.array([[[7.0, -5.0, 290.0]]])
    px = {
        role: cv2.projectPoints(
            point,
            cv2.Rodrigues(lens.rotation)[0],
            lens.translation_mm,
            lens.matrix,
            np.array(lens.k),
        )[0].ravel()
        for role, lens in lenses.items()
    }
    seen = nearer.registration.matrix() @ (*px["nir"], 1.0)
    assert np.hypot(*(seen[:2] / seen[2] - px["white"])) < 1.0
    off = usual.registration.matrix() @ (*px["nir"], 1.0)
    assert np.hypot(*(off[:2] / off[2] - px["white"])) > 3.0, "the usual plane's would misplace it"


@pytest.mark.parametrize("distance_mm", [120.0, 600.0])
def test_a_distance_beyond_the_registration_is_refused_by_name(
    own: Path, distance_mm: float, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["live", "--rig", str(own), "--distance-mm", f"{distance_mm:g}"]
    assert cli.main(words) == terminal.INPUT
    told = capsys.readouterr().err
    assert "registration.npz" in told
    assert f"not at {distance_mm:g} mm" in told
    assert "register with the board at this distance too" in told
    assert cli.main(["live", "--rig", "demo", "--distance-mm", "290"]) == terminal.INPUT
    assert "no registration by distance" in capsys.readouterr().err
    # the rig's own distance is held against the file as well: then there is no overlay, and why
    rig = load_rig(own)
    far = msgspec.structs.replace(rig.optics, working_distance_mm=distance_mm)
    applied = apply_calibrations(msgspec.structs.replace(rig, optics=far))
    assert applied.rig.registration.kind == "none"
    assert "registration.npz" in str(applied.rig.unchecked)


def test_what_was_found_out_once_is_not_forgotten(own: Path) -> None:
    """Refused files are named no more in the rig that is passed on: why they were refused is."""
    rig = load_rig(own)
    assert rig.nir is not None
    changed = msgspec.structs.replace(rig, nir=msgspec.structs.replace(rig.nir, gain_db=6.0))
    once = apply_calibrations(changed).rig
    assert "nir-dark.npz" in str(once.unchecked)
    assert apply_calibrations(once).rig == once
    assert once.vouched_mm_per_px is None
    assert once.optics.mm_per_px is not None


def test_simulations_without_calibration_are_what_their_figures_say() -> None:
    assert apply_calibrations(load_rig("demo")).rig.unchecked is None
    real = apply_calibrations(load_rig("basler-dual")).rig
    assert "no quality check" in str(real.unchecked)


def test_a_rig_file_cannot_vouch_for_itself(own: Path) -> None:
    own.write_text('unchecked = "fine"\n' + own.read_text())
    with pytest.raises(RigError, match="unchecked"):
        load_rig(own)
