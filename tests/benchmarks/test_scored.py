"""How the detection benchmark counts, on calls whose worth is known."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from benchmarks import pictures
from benchmarks.detection_scenes import TrueNode
from benchmarks.run_all import BENCHMARKS
from benchmarks.scored import Scored


def node(x_px: float, contrast: float, *, depth_mm: float = 1.0, visible: float = 1.0) -> TrueNode:
    return TrueNode(x_px, 100.0, 40.0, contrast, depth_mm, visible)


def test_each_call_counts_once_and_for_the_nearest() -> None:
    scored = Scored()
    scored.add(
        (node(100, 2.0), node(300, 0.5), node(500, 0.1), node(700, 2.0, visible=0.4)),
        [(104, 100, 1.0), (110, 100, 1.0), (310, 100, 0.5), (700, 100, 1.0), (900, 100, 0.5)],
    )
    assert list(scored.finds.values()) == [[1.0], [0.5], [0.0]]  # the hidden one does not count
    assert scored.false == 2  # the second on the first node, and the one on nothing
    assert scored.errors == [4.0, 10.0]
    assert scored.recall == pytest.approx(1.5 / 3)
    assert scored.precision == pytest.approx(1.5 / 3.5)
    assert scored.f1 == pytest.approx(2 * 1.5 / 3 * 1.5 / 3.5 / (1.5 / 3 + 1.5 / 3.5))


def test_parts_make_up_the_whole() -> None:
    scored = Scored()
    scored.add((node(100, 2.0, depth_mm=1.0),), [(100, 100, 1.0)], "plain", 300.0)
    scored.add((node(100, 2.0, depth_mm=6.0),), [(900, 100, 1.0)], "border", 100.0)
    plain = scored.among(lambda kind, *_: kind == "plain")
    dim = scored.among(lambda _, level_counts, __: level_counts < 200)
    deep = scored.among(lambda _, __, depth_mm: depth_mm > 5)
    assert (plain.recall, plain.false, plain.fields) == (1.0, 0, 1)
    assert (dim.recall, dim.false, dim.fields) == (0.0, 1, 1)
    assert (deep.recall, deep.fields) == (0.0, 0)  # a false call has no depth


def test_nothing_called_is_precise() -> None:
    scored = Scored()
    scored.add((node(100, 2.0),), [])
    assert (scored.precision, scored.recall, scored.f1) == (1.0, 0.0, 0.0)


def test_the_same_curves_are_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "OUTPUT", tmp_path)
    curves = {"core": [(0.5, 0.9), (0.9, 0.5)], "SEP": [(0.1, 0.2), (0.2, 0.1)]}
    pictures.draw_precision_and_recall({"own": curves, "phantom": curves})
    first = (tmp_path / "detection-curves.svg").read_bytes()
    pictures.draw_precision_and_recall({"own": curves, "phantom": curves})
    assert (tmp_path / "detection-curves.svg").read_bytes() == first
    assert b"<svg" in first


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_can_be_begun(name: str) -> None:
    assert callable(importlib.import_module(f"benchmarks.{name}").main)
