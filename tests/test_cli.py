"""The commands: what a user types wrong gets one line and an exit code by cause."""

from __future__ import annotations

import argparse
import errno
import io
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sln_guide import cli, terminal, window_commands
from sln_guide.engine.remote import RemoteSession
from sln_guide.export.folder import OutputFolder
from sln_guide.gui import app, display
from sln_guide.guidance import Role
from sln_guide.recording import CaseDescription, CaseReader, CaseWriter
from sln_guide.recording.folder import FolderLock
from sln_guide.replay.session import ReplaySession

Run = Callable[..., "Result"]


class Result:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str | Path) -> Result:
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return call


def images(folder: Path, count: int, *, colour: bool = False, size: int = 64) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(1)
    for index in range(count):
        shape = (size, size, 3) if colour else (size, size)
        cv2.imwrite(str(folder / f"{index:03}.png"), rng.integers(40, 60, shape, np.uint8))
    return folder


@pytest.fixture
def case(tmp_path: Path, run: Run) -> Path:
    nir = images(tmp_path / "nir", 6)
    white = images(tmp_path / "white", 6, colour=True)
    result = run(
        "import", "--nir", nir, "--white", white, "--fps", "15", "--out", tmp_path / "c.case"
    )
    assert result.code == terminal.OK, result.err
    return tmp_path / "c.case"


def refused(result: Result, code: int, *words: str) -> None:
    """One line on standard error, the right exit code, no traceback."""
    assert result.code == code, (result.code, result.out, result.err)
    assert "Traceback" not in result.err
    assert len(result.err.strip().splitlines()) == 1, result.err
    for word in words:
        assert word in result.err, result.err


def test_import_says_what_it_assumed(tmp_path: Path, run: Run) -> None:
    nir = images(tmp_path / "nir", 3)
    result = run("import", "--nir", nir, "--fps", "15", "--out", tmp_path / "n.case")
    assert result.code == terminal.OK
    assert "assumed" in result.out
    assert "exposure" in result.out


def test_verify_process_and_replay_agree_that_a_case_is_one(
    case: Path, tmp_path: Path, run: Run
) -> None:
    assert run("verify", case).code == terminal.OK
    out = tmp_path / "out"
    assert run("process", case, "--out", out).code == terminal.OK
    names = {path.name for path in out.iterdir()}
    assert {"detections.csv", "frames.csv", "overlay.mp4", "summary.json"} <= names
    header = (out / "detections.csv").read_text().splitlines()[0]
    assert header.startswith("frame,time_s,track_id,kind,confirmed,coasted,x_px,y_px,")
    assert len((out / "frames.csv").read_text().splitlines()) == 7
    assert json.loads((out / "summary.json").read_text())


def test_process_does_not_overwrite_without_being_told(
    case: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep me")
    refused(run("process", case, "--out", out, "--no-video"), terminal.OUTPUT, "out")
    assert run("process", case, "--out", out, "--no-video", "--force").code == terminal.OK
    assert (out / "mine.txt").read_text() == "keep me"


def test_verify_of_a_damaged_case(case: Path, run: Run) -> None:
    part = next(case.glob("*.mcap"))
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    result = run("verify", case)
    assert result.code == terminal.NOT_SOUND
    assert part.name in result.out


def test_no_such_case(tmp_path: Path, run: Run) -> None:
    for verb in ("verify", "replay", "process"):
        extra = ["--out", tmp_path / "o"] if verb == "process" else []
        result = run(verb, tmp_path / "nowhere.case", *extra)
        refused(result, terminal.CASE, "nowhere.case")


def test_a_case_of_a_newer_version(case: Path, run: Run) -> None:
    manifest = case / "manifest.json"
    told = json.loads(manifest.read_text())
    told["format"] = 999
    manifest.write_text(json.dumps(told))
    refused(run("replay", case), terminal.CASE, "newer")


def test_unknown_rig(run: Run) -> None:
    refused(run("live", "--rig", "nonesuch"), terminal.RIG, "nonesuch", "demo")


def test_bad_rig_file_names_the_key(tmp_path: Path, run: Run) -> None:
    rig = tmp_path / "r.toml"
    rig.write_text('name="x"\n[nir]\nsource="basler"\nserial="1"\npixel_format="Mono12"\n')
    refused(run("live", "--rig", rig), terminal.RIG, "exposure_us")


def test_no_rig_at_all(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    refused(run(), terminal.RIG, "--rig", "demo")


@pytest.mark.parametrize("nir", ["empty", "missing", "truncated"])
def test_bad_import_sources(tmp_path: Path, run: Run, nir: str) -> None:
    folder = tmp_path / nir
    if nir != "missing":
        images(folder, 0 if nir == "empty" else 3)
    if nir == "truncated":
        whole = (folder / "001.png").read_bytes()
        (folder / "001.png").write_bytes(whole[: len(whole) // 2])
    result = run("import", "--nir", folder, "--fps", "15", "--out", tmp_path / "x.case")
    refused(result, terminal.INPUT, "001.png" if nir == "truncated" else nir)


def test_import_does_not_overwrite_a_case(case: Path, tmp_path: Path, run: Run) -> None:
    before = sorted((p.name, p.stat().st_size) for p in case.iterdir())
    result = run("import", "--nir", tmp_path / "nir", "--fps", "15", "--out", case)
    assert result.code in (terminal.CASE, terminal.INPUT)
    assert sorted((p.name, p.stat().st_size) for p in case.iterdir()) == before


def test_wrong_use_is_argparses(run: Run) -> None:
    assert run("fly").code == terminal.USAGE
    assert run("replay", "x", "--speed", "0.01").code == terminal.USAGE
    assert run("import", "--nir", "x", "--out", "y", "--fps", "-3").code == terminal.USAGE


def test_unknown_serial_is_a_camera_error(tmp_path: Path) -> None:
    rig = tmp_path / "r.toml"
    rig.write_text(
        'name="x"\n[nir]\nsource="basler"\nserial="4711"\npixel_format="Mono12"\n'
        "exposure_us=1000.0\n"
    )
    # in a process of its own: the SDK's emulator must be off, and it is chosen at import; on a
    # machine that has compiled nothing yet, which takes minutes: that must not be waited for
    env = {k: v for k, v in os.environ.items() if k != "PYLON_CAMEMU"}
    done = subprocess.run(
        [sys.executable, "-m", "sln_guide.cli", "live", "--rig", str(rig), "--seconds", "1"],
        capture_output=True,
        text=True,
        timeout=120,
        env=env | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        check=False,
    )
    assert done.returncode == terminal.CAMERA, done.stderr
    assert "4711" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_exit_code_is_told_in_the_help(run: Run) -> None:
    text = run("--help").out
    for code in (
        terminal.PARTIAL,
        terminal.CAMERA,
        terminal.RIG,
        terminal.CASE,
        terminal.INPUT,
        terminal.OUTPUT,
        terminal.DISPLAY,
    ):
        assert f"{code} " in text
    assert "RESEARCH USE ONLY" in text


def test_the_demo_deletes_nobodys_recordings(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    into: list[Path] = []

    def fail(rig: object, options: argparse.Namespace) -> int:
        into.append(options.cases)
        return terminal.OUTPUT

    monkeypatch.setattr(window_commands, "_run_live", fail)
    home = tmp_path / "sln-guide"
    (home / "cases" / "patient.case").mkdir(parents=True)
    assert run("demo", "--output", home).code == terminal.OUTPUT
    assert run("demo", "--output", home, "--cases", home / "cases").code == terminal.OUTPUT
    assert (home / "cases" / "patient.case").is_dir()
    assert into == [home / "demo-cases", home / "cases"]


def test_an_option_that_would_do_nothing_is_wrong_use(case: Path, tmp_path: Path, run: Run) -> None:
    for to, *idle in (
        ("overlay", "--at", "1"),
        ("tables", "--begin", "1"),
        ("stills", "--end", "1"),
        ("ffv1", "--threshold", "6"),
        ("overlay", "--begin", "2", "--end", "1"),
    ):
        result = run("export", case, "--to", to, "--out", tmp_path / "o", *idle)
        assert result.code == terminal.USAGE, (to, idle)
        assert idle[0] in result.err
        assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(("to", "name"), [("ffv1", "n.mkv"), ("ome-tiff", "n.ome.tif")])
def test_export_writes_raw_frames(case: Path, tmp_path: Path, run: Run, to: str, name: str) -> None:
    result = run("export", case, "--to", to, "--out", tmp_path / name)
    assert result.code == terminal.OK, result.err
    assert (tmp_path / name).stat().st_size > 0


def test_recover_and_a_wrong_head(case: Path, run: Run) -> None:
    assert run("recover", case).code == terminal.OK
    assert run("verify", case, "--head", "00" * 32).code == terminal.NOT_SOUND


def test_a_nudge_that_cannot_be_is_refused_before_any_camera_opens(run: Run) -> None:
    result = run("live", "--rig", "demo", "--nudge-px", "-500", "0")
    assert result.code == terminal.INPUT
    assert "--nudge-px: nudge_px must lie within 100 px: register again" in result.err


def test_a_command_asked_to_end_leaves_nothing_half_made(
    case: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        OutputFolder, "publish", lambda folder: os.kill(os.getpid(), signal.SIGTERM)
    )
    result = run("process", case, "--no-video", "--out", tmp_path / "deep" / "out")
    assert (result.code, result.err) == (terminal.INTERRUPTED, "interrupted\n")
    assert not (tmp_path / "deep").exists()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_demo_asked_to_end_does_not_go_on_to_compute(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display, "display_available", lambda: False)
    monkeypatch.setattr(window_commands, "_run_live", lambda *_: terminal.OK)
    monkeypatch.setattr(app, "asked_to_end", lambda: True)
    assert run("demo", "--output", tmp_path / "o").code == terminal.INTERRUPTED


def test_a_case_being_recorded_is_not_recovered_and_says_what_to_do(case: Path, run: Run) -> None:
    lock = FolderLock.take_existing(case)
    try:
        result = run("recover", case)
    finally:
        lock.release()
    assert result.code == terminal.CASE
    assert "still being recorded" in result.err
    assert "wait until it ends" in result.err


def test_a_case_being_recorded_is_checked_as_far_as_it_goes(
    tmp_path: Path, run: Run, case: Path
) -> None:
    with CaseReader(case) as done:
        description = CaseDescription(rig=done.rig, settings=done.settings)
        frames = [done.frame(Role.NIR, index) for index in range(2)]
    folder = tmp_path / "running.case"
    with CaseWriter(folder, description) as writer:
        for frame in frames:
            writer.write_frame(Role.NIR, frame)
        result = run("verify", folder)
        assert result.code == terminal.PARTIAL, result.out
        assert "STILL BEING RECORDED; what is there so far is sound" in result.out
        assert "2 nir" in result.out
        with CaseReader(folder) as reader:
            assert reader.incomplete == ("it was still being recorded when it was opened",)
            assert ReplaySession(reader).caveat.startswith("STILL BEING RECORDED")
    assert run("verify", folder).code == terminal.OK


def test_a_name_neither_ends_a_line_nor_steers_the_terminal(
    tmp_path: Path, run: Run, case: Path
) -> None:
    folder = tmp_path / "sound\nx.case: complete\x1b[2J.case"
    shutil.copytree(case, folder)
    for words in (("verify", folder), ("process", folder, "--out", tmp_path / "o", "--no-video")):
        result = run(*words)
        assert "sound x.case: complete?[2J.case: " in result.out
        assert "\x1b" not in result.out
    result = run("replay", tmp_path / "no\x1b[2J")
    assert result.code == terminal.CASE
    assert "\x1b" not in result.err


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_other_systems_verify_and_say_what_they_cannot_do(
    case: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert run("verify", case).code == terminal.OK
    for words in (["demo"], ["recover", case]):
        assert "on Linux only" in run(*words).err
    images(tmp_path / "n", 1)
    imported = run("import", "--nir", tmp_path / "n", "--out", tmp_path / "new.case")
    assert "on Linux only" in imported.err
    assert not (tmp_path / "new.case").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("process", "c", "--out", "o", "--workers", "-3"),
        ("process", "c", "--out", "o", "--workers", "0"),
        ("verify", "c", "--head", "zz"),
        ("replay", "c", "--seconds", "1e300"),
        ("replay", "c", "--size", "0x0"),
        ("replay", "c", "--size", "99999999x9"),
    ],
)
def test_an_option_out_of_range_is_wrong_use(words: tuple[str, ...], run: Run) -> None:
    result = run(*words)
    assert result.code == terminal.USAGE
    assert f"argument {words[-2]}: " in result.err


def test_what_was_to_be_recorded_and_was_not_costs_the_exit_code(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_commands, "_show", lambda *_, **__: terminal.OK)
    monkeypatch.setattr(RemoteSession, "recorder_error", "the disk is full")
    result = run("live", "--rig", "demo", "--cases", tmp_path, "--record", "--seconds", "1")
    assert result.code == terminal.OUTPUT
    assert "recording: the disk is full" in result.err


def test_a_signal_between_the_engines_beginning_and_its_end_leaves_none(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would wait for its window, and Python for it, without end."""
    begin = RemoteSession.__init__

    def begun(*arguments: Any) -> None:
        begin(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(RemoteSession, "__init__", begun)
    monkeypatch.setattr(window_commands, "_show", lambda *_, **__: terminal.OK)
    result = run("live", "--rig", "demo", "--cases", tmp_path)
    assert (result.code, result.err) == (terminal.INTERRUPTED, "interrupted\n")
    assert not multiprocessing.active_children()


def test_another_error_does_not_hide_what_was_not_recorded(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(*_: Any, **__: Any) -> int:
        raise OSError("the screenshot could not be written")

    monkeypatch.setattr(window_commands, "_show", shown)
    monkeypatch.setattr(RemoteSession, "recorder_error", "the disk is full")
    result = run("live", "--rig", "demo", "--cases", tmp_path, "--record", "--seconds", "1")
    assert result.code != terminal.OK
    assert "the screenshot could not be written" in result.err
    assert "recording: the disk is full" in result.err


def test_a_full_disk_that_no_file_is_named_of_is_told_with_what_to_do(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(*_: Any, **__: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(window_commands, "_show", shown)
    result = run("live", "--rig", "demo", "--cases", tmp_path, "--seconds", "1")
    refused(result, terminal.OUTPUT, "a disk is full", "free space")
    assert "[Errno" not in result.err


def test_a_signal_in_the_middle_of_compiling_ends_the_command_when_that_is_done(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raised in there, it was lost, and left a lock held for which everything then waited."""
    before = signal.getsignal(signal.SIGINT)  # ignored where tests run in the background
    steps: list[str] = []

    def work(options: argparse.Namespace) -> int:
        compiler: dict[str, Any] = {"__name__": "numba.core.dispatcher"}
        source = """
import os, signal, time
def work(steps, seconds):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds)
    steps.append("compiled")
"""
        exec(source, compiler)
        compiler["work"](steps, 3 * terminal.LOOK_AGAIN_S)
        while True:
            time.sleep(terminal.LOOK_AGAIN_S)

    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.set_defaults(run=work)
    monkeypatch.setattr(cli, "make_parser", lambda: parser)
    assert cli.main([]) == terminal.INTERRUPTED
    assert steps == ["compiled"]
    assert capfd.readouterr().err.splitlines() == [
        "ending as soon as what is being compiled is done",
        "interrupted",
    ]
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("words", [("stills", "--at", "0.1"), ("curves",)])
def test_a_run_that_does_not_fit_on_the_disk_leaves_no_empty_folders(
    case: Path, small_disk: Path, run: Run, words: tuple[str, ...]
) -> None:
    fill(small_disk)
    result = run("export", case, "--to", *words, "--out", small_disk / "deep" / "out")
    assert result.code == terminal.OUTPUT
    assert "No space left" in result.err
    assert os.listdir(small_disk) == ["fill"]


def test_an_import_that_does_not_fit_on_the_disk_leaves_no_empty_folders(
    small_disk: Path, tmp_path: Path, run: Run
) -> None:
    fill(small_disk)
    nir = images(tmp_path / "nir", 6)
    result = run("import", "--nir", nir, "--fps", "15", "--out", small_disk / "deep" / "c.case")
    refused(result, terminal.CASE, "the disk is full")
    assert os.listdir(small_disk) == ["fill"]


def fill(disk: Path) -> None:
    """Leave no byte."""
    with suppress(OSError), (disk / "fill").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def test_file_names_that_are_no_text(case: Path, tmp_path: Path, run: Run) -> None:
    any_name_can_be_told()
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    moved = case.rename(folder / os.fsdecode(b"\xe9.case"))
    nir = images(tmp_path / "more", 6)
    out = folder / os.fsdecode(b"other\xe9.case")
    result = run("import", "--nir", nir, "--fps", "15", "--out", out)
    assert result.code == terminal.OK, result.err
    assert run("verify", out).code == terminal.OK
    result = run("process", moved, "--no-video", "--out", folder / "out")
    assert result.code == terminal.OK, result.err
    assert json.loads((folder / "out" / "summary.json").read_text())["source"]["name"] == "?.case"


def test_pictures_whose_names_no_case_can_tell(tmp_path: Path, run: Run) -> None:
    any_name_can_be_told()
    nir = images(tmp_path / "nir", 2)
    (nir / "001.png").rename(nir / os.fsdecode(b"\xe9.png"))
    refused(
        run("import", "--nir", nir, "--fps", "15", "--out", tmp_path / "c.case"),
        terminal.INPUT,
        "\\udce9.png: its name is not UTF-8: rename it",
    )
    assert not (tmp_path / "c.case").exists()


def test_a_case_is_called_by_its_name_wherever_one_stands(
    case: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(case)
    assert run("verify", ".").out.startswith(f"{case.name}: complete")


def any_name_can_be_told() -> None:
    """Make the captured streams what `standard_streams` makes of the real ones."""
    for stream in (sys.stdout, sys.stderr):
        assert isinstance(stream, io.TextIOWrapper)
        stream.reconfigure(errors="backslashreplace")
