"""Golden cases: what the detector says of one field of each kind, to be changed on purpose only.

``SLN_GUIDE_GOLDEN=write pytest tests/core/test_golden.py`` writes them anew; then read the
difference, and measure what it means (`python -m benchmarks.detection`).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.core_speed import ASSUMED, field_of
from benchmarks.detection_scenes import KINDS, MM_PER_PX, render
from sln_guide.core.analysis import Analyser
from sln_guide.core.spot import Analysis, Spot

GOLDEN = Path(__file__).parent / "golden.json"
SEEDS = {kind: 900 + number for number, kind in enumerate((*KINDS, "motion"))}
DEFAULT_SIGMA = 4.5
NEAR_SIGMA = 0.1
"""As far as another processor's rounding may move what is just called, or just not."""


def said_of(analysis: Analysis) -> dict[str, Any]:
    return {
        "limit_sbr": analysis.limit_sbr,
        "false_calls_per_field": analysis.false_calls_per_field,
        "cannot_judge": float(np.mean(analysis.cannot_judge != 0)),
        "spots": [said_of_spot(spot) for spot in analysis.spots],
    }


def said_of_spot(spot: Spot) -> dict[str, Any]:
    return {
        "kind": spot.kind.value,
        "x_px": round(spot.x_px, 2),
        "y_px": round(spot.y_px, 2),
        "significance": round(spot.significance, 3),
        "sbr": round(spot.sbr, 4),
        "cnr": round(spot.cnr, 3),
        "area_px": round(spot.area_px, 1),
    }


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser(field_of(render(900, "plain").nir, MM_PER_PX))


@pytest.mark.parametrize("kind", SEEDS)
def test_one_field_of_each_kind(analyser: Analyser, kind: str) -> None:
    scene = render(SEEDS[kind], kind)
    said = said_of(analyser.analyse(scene.nir, scene.white, ASSUMED, DEFAULT_SIGMA))
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if os.environ.get("SLN_GUIDE_GOLDEN") == "write":
        GOLDEN.write_text(json.dumps(golden | {kind: said}, indent=1, sort_keys=True) + "\n")
        return
    then = golden[kind]
    for figure in ("limit_sbr", "false_calls_per_field", "cannot_judge"):
        assert said[figure] == pytest.approx(then[figure], rel=0.02), figure
    left = list(said["spots"])
    for spot in then["spots"]:
        same = [s for s in left if np.hypot(s["x_px"] - spot["x_px"], s["y_px"] - spot["y_px"]) < 2]
        if not same and spot["significance"] < DEFAULT_SIGMA + NEAR_SIGMA:
            continue
        assert same, f"no longer told: {spot}"
        left.remove(same[0])
        assert same[0]["kind"] == spot["kind"]
        for figure in ("significance", "sbr", "cnr", "area_px"):
            assert same[0][figure] == pytest.approx(spot[figure], rel=0.02), figure
    assert all(s["significance"] < DEFAULT_SIGMA + NEAR_SIGMA for s in left), left
