"""The doctor, on made machines."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from hardware import disk_trial, doctor, shared_memory
from hardware.doctor import UsbCamera, examine
from hardware.rig_files import load_rig


def usb(serial: str, controller: str, speed: int = 5000) -> UsbCamera:
    return UsbCamera("acA1300", serial, speed, controller)


def test_everything_is_looked_at_and_nothing_is_left_behind(tmp_path: Path) -> None:
    findings = examine(tmp_path / "not" / "there" / "yet")
    names = {f.name for f in findings}
    assert {"libraries", "udev rule", "usbfs memory", "cpu governor", "disk rate"} <= names
    assert all(f.message and "\n" not in f.message for f in findings)
    assert all(f.remedy for f in findings if f.ok is False)
    assert list(tmp_path.iterdir()) == []


def test_libraries_are_named_with_their_versions() -> None:
    finding = doctor.check_libraries()
    assert finding.ok
    assert "pypylon 26" in finding.message
    assert "pytest" not in finding.message
    assert doctor.check_libraries("no-such-package").ok is None


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: ["numpy>=2", "nonsense[x]>=1"])
    finding = doctor.check_libraries()
    assert (finding.ok, finding.message) == (False, "missing: nonsense")


@pytest.mark.parametrize(("count", "ok"), [(1, False), (2, True), (None, None)])
def test_processors(count: int | None, ok: bool | None) -> None:
    assert doctor.check_processors(count).ok is ok


@pytest.mark.parametrize(("allowed", "ok"), [(True, True), (False, None), (None, None)])
def test_scheduling(allowed: bool | None, ok: bool | None) -> None:
    finding = doctor.check_scheduling(allowed)
    assert finding.ok is ok
    assert ("rtprio" in finding.remedy) is (allowed is False)


@pytest.mark.parametrize(
    ("governors", "ok"),
    [(["performance"] * 2, True), (["performance", "powersave"], False), ([], None)],
)
def test_the_slowest_governor_counts(tmp_path: Path, governors: list[str], ok: bool | None) -> None:
    for index, governor in enumerate(governors):
        folder = tmp_path / f"cpu{index}" / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_governor").write_text(governor + "\n")
    assert doctor.check_governor(tmp_path).ok is ok


def test_a_udev_rule_is_found_by_its_vendor(tmp_path: Path) -> None:
    folders = [tmp_path / "none", tmp_path]
    (tmp_path / "10-other.rules").write_text('ATTRS{idVendor}=="046d"')
    (tmp_path / "notes.txt").write_text("2676")
    assert doctor.check_udev(folders, plugged_in=True).ok is False
    assert doctor.check_udev(folders, plugged_in=False).ok is None
    (tmp_path / "69-basler.rules").write_text('ATTRS{idVendor}=="2676"')
    finding = doctor.check_udev(folders, plugged_in=True)
    assert finding.ok
    assert "69-basler.rules" in finding.message


@pytest.mark.parametrize(
    ("text", "plugged_in", "ok"),
    [
        ("16", True, False),
        ("16", False, None),
        ("1000", True, True),
        ("0", True, True),
        ("x", True, None),
    ],
)
def test_usbfs_memory(tmp_path: Path, text: str, plugged_in: bool, ok: bool | None) -> None:
    file = tmp_path / "usbfs_memory_mb"
    file.write_text(text + "\n")
    assert doctor.check_usbfs_memory(file, plugged_in=plugged_in).ok is ok
    assert doctor.check_usbfs_memory(tmp_path / "none", plugged_in=True).ok is None


def test_cameras_are_found_where_the_kernel_keeps_them(tmp_path: Path) -> None:
    devices = tmp_path / "devices"
    devices.mkdir()
    for name, vendor, hub in (
        ("2-1", "2676", "usb2"),
        ("4-2", "2676", "usb4"),
        ("1-1", "046d", ""),
    ):
        pci = "pci0000:00/0000:00:14.0" if hub != "usb4" else "pci0000:00/0000:03:00.0"
        real = tmp_path / pci / (hub or "usb1") / name
        real.mkdir(parents=True)
        (real / "idVendor").write_text(vendor + "\n")
        (real / "serial").write_text(f"serial-{name}\n")
        (real / "product").write_text("acA1300-200um\n")
        (real / "speed").write_text("5000\n")
        (real / "busnum").write_text("2\n")
        (real / "devnum").write_text("13\n")
        (devices / name).symlink_to(real)
    assert doctor.usb_cameras(devices) == (
        UsbCamera("acA1300-200um", "serial-2-1", 5000, "0000:00:14.0", "/dev/bus/usb/002/013"),
        UsbCamera("acA1300-200um", "serial-4-2", 5000, "0000:03:00.0", "/dev/bus/usb/002/013"),
    )
    assert doctor.usb_cameras(tmp_path / "none") == ()


def test_the_program_that_holds_a_camera_is_named(tmp_path: Path) -> None:
    cameras = [usb("1", "a"), replace(usb("2", "a"), node="/dev/bus/usb/002/007")]
    for process, comm, opened in (
        ("12", "pylonviewer", "/dev/bus/usb/002/007"),
        ("13", "bash", "/dev/null"),
        ("14", "other", "/dev/bus/usb/002/070"),
        (str(os.getpid()), "this one", "/dev/bus/usb/002/007"),
    ):
        files = tmp_path / process / "fd"
        files.mkdir(parents=True)
        (files / "5").symlink_to(opened)
        (tmp_path / process / "comm").write_text(f"{comm}\n")
    (tmp_path / "15").mkdir()  # ends at this moment
    (held,) = doctor.check_holders(cameras, tmp_path)
    assert held.ok is False
    assert held.name == "use of 2"
    assert "is held by pylonviewer (process 12)" in held.message
    assert "close that program" in held.remedy
    assert doctor.check_holders(cameras[:1], tmp_path) == ()


def test_links_and_who_shares_a_controller() -> None:
    assert [f.ok for f in doctor.check_links([], 236.0)] == [None]
    apart = doctor.check_links([usb("1", "a"), usb("2", "b")], 236.0)
    assert all(f.ok for f in apart)
    together = doctor.check_links([usb("1", "a"), usb("2", "a", speed=480)], 236.0)
    assert [f.ok for f in together] == [True, False, False]
    assert "480" in together[1].message
    assert "another host controller" in together[2].remedy
    # little data may share
    assert doctor.check_links([usb("1", "a"), usb("2", "a")], 60.0)[-1].ok


def test_what_a_rig_sends_follows_from_its_formats() -> None:
    nir, white = doctor.stream_rates_mb_per_s(load_rig("basler-dual"))
    assert (round(nir), round(white)) == (157, 79)
    assert doctor.stream_rates_mb_per_s(None) == (nir, white)


def test_a_disk_is_judged_by_what_recording_needs(tmp_path: Path) -> None:
    rate, space = doctor.check_disk(tmp_path, 1e-3, size_mb=4)
    assert rate.ok
    assert space.ok
    rate, space = doctor.check_disk(tmp_path, 1e9, size_mb=4)
    assert rate.ok is False
    assert space.ok is False
    assert list(tmp_path.iterdir()) == []


def test_a_drive_that_hangs_is_told_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 1000\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(hanging))
    monkeypatch.setattr(disk_trial, "ANSWER_S", 0.2)
    monkeypatch.setattr(disk_trial, "LONGEST_WRITING_S", 0.0)
    (finding,) = doctor.check_disk(tmp_path, 1.0)
    assert finding.ok is False
    assert finding.message == f"{tmp_path}: the drive has not answered for 0.2 s"
    assert "--cases" in finding.remedy


def test_shared_memory_without_room_is_told_with_what_to_do(small_disk: Path) -> None:
    assert shared_memory.trouble(small_disk) is None
    assert shared_memory.trouble(small_disk / "none") is None, "this system has no such"
    with suppress(OSError), (small_disk / "fill").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    finding = doctor.check_shared_memory(shared_memory.trouble(small_disk))
    assert finding.ok is False
    assert finding.message.startswith(f"{small_disk}: No space left on device")
    assert "make room" in finding.remedy


def test_a_place_that_cannot_be_written_to_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (finding,) = doctor.check_disk(tmp_path / "file", 1.0)
    assert finding.ok is False
    assert "--cases" in finding.remedy
    if os.access("/proc", os.R_OK):
        (finding,) = doctor.check_disk(Path("/proc"), 1.0)
        assert finding.ok is False
