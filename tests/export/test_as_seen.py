"""What was seen is computed again, bit for bit; what other settings change is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from hardware.frame import Frame
from hardware.rig import RecordingSpec, Rig
from sln_guide import pipeline
from sln_guide.cli import main
from sln_guide.export import recomputing
from sln_guide.export.as_seen import verify_as_seen
from sln_guide.export.what_if import Fate, what_if
from sln_guide.guidance import Guidance, Pair, Role, Settings
from sln_guide.recording import CaseDescription, CaseReader, CaseWriter, RecordingError
from sln_guide.recording.software import COMPUTATION, software_versions
from sln_guide.terminal import NOT_SOUND, OK, PARTIAL
from tests.conftest import PROCEDURE_FRAMES
from tests.export.making import make_frame

FRAMES = len(PROCEDURE_FRAMES)


def no_change(guidance: Guidance) -> Guidance:
    return guidance


@pytest.fixture
def record(tmp_path: Path, small_rig: Rig, pairs: list[tuple[Frame, Frame]]) -> Callable[..., Path]:
    """Record as a session does: a state now and then, and some computations the frames of which
    came before the recording."""

    def make(
        *,
        forge: Callable[[Guidance], Guidance] = no_change,
        first_recorded: int = 0,
        leave_out: frozenset[int] = frozenset(),
        snapshots: frozenset[int] = frozenset({0, 20}),
        jpeg: bool = False,
        white_until: int = FRAMES,
        software: dict[str, str] | None = None,
    ) -> Path:
        folder = tmp_path / "seen.case"
        kept = RecordingSpec(white="jpeg" if jpeg else "lossless")
        rig = msgspec.structs.replace(small_rig, recording=kept)
        setup = pipeline.Setup.from_rig(small_rig)
        state = pipeline.initial_state(setup)
        settings = Settings(threshold_sigma=4.0)
        with CaseWriter(
            folder, CaseDescription(rig=rig, settings=settings, software=software)
        ) as case:
            for index, (nir, seen) in enumerate(pairs):
                white = seen if index < white_until else None
                if index >= first_recorded:
                    case.write_frame(Role.NIR, nir)
                    if white is not None:
                        case.write_frame(Role.WHITE, white)
                if index in snapshots:
                    case.write_snapshot(state.snapshot())
                settings = Settings(threshold_sigma=4.0 if index < 25 else 5.0)
                skew_ns = 0 if white is None else white.mid_exposure_ns - nir.mid_exposure_ns
                state, guidance = pipeline.step(state, Pair(nir, white, skew_ns), settings)
                if index not in leave_out:
                    case.write_guidance(forge(guidance) if index == 12 else guidance)
        return folder

    return make


def test_what_was_seen_is_computed_again_bit_for_bit(record: Callable[..., Path]) -> None:
    told: list[tuple[int, int]] = []
    with CaseReader(record()) as case:
        result = verify_as_seen(case, progress=lambda *step: told.append(step))
    assert result.ok, result.text()
    assert (result.same, result.within, result.different) == (FRAMES, 0, 0)
    assert told[-1] == (FRAMES, FRAMES)
    assert f"as seen: {FRAMES} of {FRAMES}" in result.text()


def test_a_difference_is_named_and_makes_no_other(record: Callable[..., Path]) -> None:
    def elsewhere(guidance: Guidance) -> Guidance:
        first, *others = guidance.detections
        return replace(guidance, detections=(replace(first, x_px=first.x_px + 1.0), *others))

    with CaseReader(record(forge=elsewhere)) as case:
        result = verify_as_seen(case)
    assert not result.ok
    assert (result.same, result.different) == (FRAMES - 1, 1)
    assert "x_px" in result.text()
    assert "NOT AS SEEN" in result.text()


def nothing_found(guidance: Guidance) -> Guidance:
    return replace(guidance, detections=())


OTHER_CODE = software_versions() | {COMPUTATION: "0123456789ab"}
NOT_NOTED = {name: made for name, made in software_versions().items() if name != COMPUTATION}


def test_a_difference_by_the_very_same_code_is_not_sound(
    record: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(record(forge=nothing_found)), "--replay"]) == NOT_SOUND
    told = capsys.readouterr().out
    assert "replay: NOT AS SEEN" in told
    assert "by this very code, with the same libraries" in told


def test_a_difference_by_other_code_is_expected_and_neither_damage_nor_proof(
    record: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record(forge=nothing_found, software=OTHER_CODE)
    assert main(["verify", str(folder), "--replay"]) == PARTIAL
    told = capsys.readouterr().out
    assert "replay: OTHER CODE, NOT AS SEEN" in told
    here = software_versions()[COMPUTATION]
    assert f"computation 0123456789ab then, {here} here): differences are expected" in told
    with CaseReader(folder) as case:
        difference = what_if(case, lambda settings: settings)
    assert difference.same_code is False
    assert "other code computed what was recorded" in difference.text()


def test_other_code_that_finds_the_same_is_as_seen(record: Callable[..., Path]) -> None:
    with CaseReader(record(software=OTHER_CODE)) as case:
        result = verify_as_seen(case)
    assert result.ok
    assert "as seen" in result.text()
    assert "then" not in result.text()


def test_of_a_case_that_did_not_note_its_code_nobody_can_tell(record: Callable[..., Path]) -> None:
    folder = record(forge=nothing_found, software=NOT_NOTED)
    with CaseReader(folder) as case:
        result = verify_as_seen(case)
        difference = what_if(case, lambda settings: settings)
    assert "replay: NOT AS SEEN" in result.text()
    assert "before cases noted which code computed them" in result.text()
    assert difference.same_code is None
    assert "nobody noted which code" in difference.text()
    assert main(["verify", str(folder), "--replay"]) == NOT_SOUND


def test_a_hair_is_within_tolerance_and_a_missing_finding_is_not(
    record: Callable[..., Path],
) -> None:
    def hair(guidance: Guidance) -> Guidance:
        first, *others = guidance.detections
        return replace(guidance, detections=(replace(first, x_px=first.x_px + 0.001), *others))

    with CaseReader(record(forge=hair)) as case:
        result = verify_as_seen(case)
    assert result.ok
    assert (result.within, result.different) == (1, 0)
    assert "within tolerance" in result.text()


def test_other_findings_are_counted(record: Callable[..., Path]) -> None:
    with CaseReader(record(forge=lambda guidance: replace(guidance, detections=()))) as case:
        assert "0 findings then" in verify_as_seen(case).text()


def test_what_cannot_be_made_again_is_said_and_the_rest_goes_on(
    record: Callable[..., Path],
) -> None:
    with CaseReader(record(first_recorded=3, leave_out=frozenset({10}))) as case:
        result = verify_as_seen(case)
    # 0 lacks its frame; 1 to 19 follow from it or from the one left out, until the next state
    assert result.same == 10
    assert result.ok
    assert result.not_made == {recomputing.NO_FRAME: 1, recomputing.NO_STATE: 18}
    assert "18 not made again: the state before it is not in the case" in result.text()


def test_nothing_to_compare_is_not_as_seen(record: Callable[..., Path]) -> None:
    with CaseReader(record(snapshots=frozenset())) as case:
        result = verify_as_seen(case)
    assert not result.ok
    assert "nothing to compare" in result.text()


def test_white_light_as_jpeg_is_told_and_neither_called_damage_nor_equal(
    record: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record(jpeg=True)
    with CaseReader(folder) as case:
        result = verify_as_seen(case)
    assert (result.same, result.within, result.different) == (0, 0, 0)
    assert result.lossy == FRAMES
    assert result.lossy_alike + result.lossy_different == FRAMES
    # not all: one lump more or less in the tissue, and all significance is a twentieth less
    assert result.lossy_alike > 0.7 * FRAMES
    assert not result.ok
    assert "NOT BIT-REPLAYABLE: white light was recorded as JPEG" in result.text()
    assert "neither damage nor a proof" in result.text()
    assert "as seen" not in result.text()
    assert "NOT AS SEEN" not in result.text()
    assert "bit for bit the same" not in result.text()
    assert main(["verify", str(folder), "--replay"]) == PARTIAL
    told = capsys.readouterr().out
    assert "complete and sound" in told
    assert "white light is stored lossy" in told
    assert main(["verify", str(folder)]) == OK


def test_what_rests_on_nir_alone_is_still_compared_bit_for_bit(record: Callable[..., Path]) -> None:
    # white light went away at 15; from 20 a noted state, which live's own white light had led to
    with CaseReader(record(jpeg=True, white_until=15)) as case:
        result = verify_as_seen(case)
    assert result.lossy == 20
    assert (result.same, result.different) == (FRAMES - 20, 0)
    assert f"as seen: {FRAMES - 20} of {FRAMES - 20} computations without lossy" in result.text()
    assert "20 computations rest on it" in result.text()


def test_a_forged_result_shows_beside_jpeg_too(record: Callable[..., Path]) -> None:
    folder = record(
        jpeg=True, white_until=0, forge=lambda guidance: replace(guidance, detections=())
    )
    with CaseReader(folder) as case:
        result = verify_as_seen(case)
    assert (result.lossy, result.different) == (0, 1)
    assert main(["verify", str(folder), "--replay"]) == NOT_SOUND


def test_what_if_says_that_jpeg_may_be_the_reason(record: Callable[..., Path]) -> None:
    with CaseReader(record(jpeg=True)) as case:
        difference = what_if(case, lambda settings: settings)
    assert difference.white_light == "jpeg"
    assert "white light was recorded as JPEG" in difference.text()
    assert not difference.of(Fate.LOST) + difference.of(Fate.GAINED), "95 is close enough here"


def test_unchanged_settings_change_no_node(record: Callable[..., Path]) -> None:
    with CaseReader(record()) as case:
        difference = what_if(case, lambda settings: settings)
    assert difference.compared == FRAMES
    assert difference.nodes
    assert {node.fate for node in difference.nodes} == {Fate.KEPT}
    assert all(node.moved_px == 0.0 for node in difference.nodes)


def test_a_high_threshold_loses_nodes_and_a_low_one_gains_them(record: Callable[..., Path]) -> None:
    folder = record()
    with CaseReader(folder) as case:
        lost = what_if(case, lambda settings: replace(settings, threshold_sigma=20.0))
        assert lost.of(Fate.LOST)
        assert not lost.of(Fate.GAINED)
        assert lost.settings.threshold_sigma == 20.0
        assert "lost: SLN-" in lost.text()
        # much lower still and neighbouring light grows together with it: another thing, rightly
        gained = what_if(case, lambda settings: replace(settings, threshold_sigma=3.0))
        assert not gained.of(Fate.LOST)
        again = msgspec.json.decode(gained.to_json())
        assert len(again["nodes"]) == len(gained.nodes)


def test_nodes_recorded_elsewhere_are_moved(record: Callable[..., Path]) -> None:
    with CaseReader(record()) as case:
        made = list(recomputing.recompute(case, lambda settings: settings))
        nodes = {d.track_id for m in made for d in m.logged.detections if d.node_number}
        logged = [
            msgspec.structs.replace(
                m.logged,
                detections=tuple(
                    msgspec.structs.replace(d, x_px=(d.x_px or 0.0) + 3.0)
                    for d in m.logged.detections
                ),
            )
            for m in made
        ]
        assert nodes
        moved = [replace(m, logged=each) for m, each in zip(made, logged, strict=True)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sln_guide.export.what_if.recompute", lambda *_: iter(moved))
            difference = what_if(case, lambda settings: settings)
    assert {node.fate for node in difference.nodes} == {Fate.MOVED}
    assert difference.nodes[0].moved_px == pytest.approx(3.0)
    assert difference.nodes[0].moved_mm == pytest.approx(1.2)


def test_without_a_log_there_is_nothing_to_compare_with(make_case: Callable[..., Path]) -> None:
    with CaseReader(make_case([(Role.NIR, make_frame())])) as case:
        assert not verify_as_seen(case).ok
        with pytest.raises(RecordingError, match="no guidance log"):
            what_if(case, lambda settings: settings)
