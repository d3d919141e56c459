"""The commands that derive something from cases: what they print, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hardware.frame import Frame
from hardware.rig import Rig
from sln_guide import cli, pipeline
from sln_guide.export.wish import What
from sln_guide.guidance import Pair, Role, Settings
from sln_guide.recording import CaseDescription, CaseWriter
from sln_guide.terminal import CASE, NOT_SOUND, OK, OUTPUT


@pytest.fixture
def seen(tmp_path: Path, small_rig: Rig, pairs: list[tuple[Frame, Frame]]) -> Path:
    """A small case with its guidance log."""
    state = pipeline.initial_state(pipeline.Setup.from_rig(small_rig))
    with CaseWriter(
        tmp_path / "seen.case", CaseDescription(rig=small_rig, settings=Settings())
    ) as case:
        case.write_snapshot(state.snapshot())
        for nir, white in pairs[:12]:
            case.write_frame(Role.NIR, nir)
            case.write_frame(Role.WHITE, white)
            skew_ns = white.mid_exposure_ns - nir.mid_exposure_ns
            state, guidance = pipeline.step(state, Pair(nir, white, skew_ns), Settings())
            case.write_guidance(guidance)
    return tmp_path / "seen.case"


def run(*words: object) -> int:
    return cli.main([str(word) for word in words])


def test_verify_computes_again_what_was_seen(
    seen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verify", seen, "--replay") == OK
    said = capsys.readouterr().out
    assert "complete and sound" in said
    assert "as seen: 12 of 12 computations bit for bit the same" in said
    with (seen / "part-000.mcap").open("r+b") as file:
        file.seek(20_000)
        file.write(b"\x00\x01\x02\x03")
    assert run("verify", seen, "--replay") == NOT_SOUND


def test_what_if_says_and_writes_the_difference(
    seen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "difference.json"
    assert run("what-if", seen, "--threshold", 20, "--out", out) == OK
    assert "12 computations made again" in capsys.readouterr().out
    assert json.loads(out.read_text())["settings"]["threshold_sigma"] == 20.0


@pytest.mark.parametrize("what", [w for w in What if w is not What.TRIPTYCH])
def test_export_makes_what_was_asked_for(seen: Path, tmp_path: Path, what: str) -> None:
    out = tmp_path / "exported"
    assert run("export", seen, "--to", what, "--out", out) == OK
    assert out.exists()
    assert run("export", seen, "--to", what, "--out", out) == OUTPUT, "nothing is written over"


def test_a_folder_of_cases_is_processed_as_many(
    seen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("process", tmp_path, "--out", out, "--no-video", "--workers", 1) == OK
    assert "1 of 1 cases, 12 frames" in capsys.readouterr().out
    assert (out / seen.stem / "summary.json").exists()
    assert (out / "cases.csv").exists()
    assert run("process", tmp_path / "none", "--out", out) == CASE


@pytest.mark.parametrize("option", ["--at", "--begin", "--end"])
def test_what_is_no_time_is_refused(
    seen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("export", seen, "--to", "stills", option, "nan", "--out", tmp_path / "s")
    assert stopped.value.code == 2
    assert "nan is no time in seconds" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["process", "what-if", "export"])
def test_a_threshold_out_of_range_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    more = {"process": ["--out", "x"], "export": ["--to", "curves", "--out", "x"]}.get(verb, [])
    with pytest.raises(SystemExit) as stopped:
        run(verb, tmp_path, "--threshold", 25, *more)
    assert stopped.value.code == 2
    assert "must lie in [1, 20]" in capsys.readouterr().err
