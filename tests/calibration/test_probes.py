from __future__ import annotations

import pytest
from msgspec.structs import replace

from hardware.rig import Light
from sln_guide.calibration.errors import CalibrationError
from sln_guide.calibration.probes import check_filters, lines_of, probe_named, probes


def test_every_probe_says_where_its_figures_are_from() -> None:
    assert {p.name for p in probes()} == {
        "QD705", "QD800", "QD850", "ICG", "800CW", "methylene blue",
    }  # fmt: skip
    for probe in probes():
        assert probe.sources
        assert probe.human_use
        assert probe.notes
        if "dot" in probe.kind:
            assert "cadmium" in probe.human_use


@pytest.mark.parametrize(
    ("name", "excitation", "emission", "problem"),
    [
        ("QD850", (650, 670), (820, 880), None),
        ("ICG", (760, 785), (815, 865), None),
        ("ICG", (650, 670), (815, 865), "excitation at 660"),
        ("ICG", (760, 785), (680, 720), "passes 0%"),
        ("800CW", (770, 790), (795, 850), "would leak"),
        ("QD850", (835, 845), (855, 900), "absorbs only well below"),
        ("methylene blue", (650, 670), (690, 740), None),
    ],
)
def test_filters_are_held_against_the_probe(
    name: str, excitation: tuple[float, float], emission: tuple[float, float], problem: str | None
) -> None:
    found = check_filters(probe_named(name), excitation, emission)
    if problem is None:
        assert found.good, found.problems
    else:
        assert any(problem in p for p in found.problems), found.problems


def test_an_unknown_probe_is_refused_with_those_there_are() -> None:
    with pytest.raises(CalibrationError, match="ICG"):
        probe_named("fluorescein")
    with pytest.raises(ValueError, match="shorter"):
        check_filters(probe_named("icg"), (785, 760), (815, 865))


def test_the_daily_check_says_whether_people_may_get_the_tracer() -> None:
    light = Light(probe="QD850", excitation_nm=(650, 670), emission_nm=(820, 880))
    fits, use = lines_of(light)
    assert fits.startswith("ok  filters pass")
    assert use == "?   QD850 in humans: none: contains cadmium; research in animals only"
    assert lines_of(replace(light, emission_nm=None)) == [use]
    *wrong, last = lines_of(replace(light, emission_nm=(680, 720)))
    assert wrong
    assert all(line.startswith("BAD ") for line in wrong)
    assert last == use
    assert lines_of(Light()) == []
    (unknown,) = lines_of(Light(probe="fluorescein"))
    assert unknown.startswith("BAD no probe named")
