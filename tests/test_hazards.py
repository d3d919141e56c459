"""docs/hazards.yml names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HAZARDS = (ROOT / "docs/hazards.yml").read_text(encoding="utf-8")
NAMED = re.findall(r"^\s+- (tests/\S+)$", HAZARDS, flags=re.MULTILINE)


@pytest.mark.parametrize("name", sorted(set(NAMED)))
def test_named_test_exists(name: str) -> None:
    path, _, function = name.partition("::")
    assert (ROOT / path).exists(), f"{path} is named in docs/hazards.yml but does not exist"
    if function:
        assert f"def {function}(" in (ROOT / path).read_text(encoding="utf-8")


def test_every_hazard_has_a_control_and_a_test() -> None:
    hazards = re.split(r"^- id: ", HAZARDS, flags=re.MULTILINE)[1:]
    assert len(hazards) >= 8
    names = [hazard.split(maxsplit=1)[0] for hazard in hazards]
    assert sorted(set(names)) == sorted(names), "each has a number of its own"
    for hazard in hazards:
        assert "controls:" in hazard
        assert re.search(r"^\s+- tests/", hazard, flags=re.MULTILINE), hazard.splitlines()[0]
