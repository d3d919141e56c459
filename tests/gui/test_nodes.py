"""The list of nodes says what their tags say, and claims nothing where nobody can tell."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtWidgets import QApplication

from sln_guide.gui.panels.nodes import NodesPanel, no_rows_text, node_ink, node_rows
from sln_guide.guidance import Kind
from sln_guide.render.figures import Figures
from sln_guide.render.wording import sbr_text
from tests.gui import fakes


def test_nodes_in_words() -> None:
    detections = (
        fakes.make_detection(7, kind=Kind.UNCERTAIN, confirmed=False, flags=("by instrument",)),
        fakes.make_detection(3, coasted=True, sbr=None, cnr=None, signal=None, age_s=3.2),
        fakes.make_detection(2, confirmed=False, node_number=0),
        fakes.make_detection(1, saturated_fraction=0.2),
        fakes.make_detection(4, flags=("partly hidden",)),
        fakes.make_detection(9, kind=Kind.CHANNEL),
        fakes.make_detection(10, kind=Kind.INJECTION),
    )
    source = fakes.FakeSource()
    guidance = source.push(detections=detections).guidance
    rows = node_rows(guidance)
    assert [(r.name, r.words, r.value) for r in rows] == [
        ("SLN-1", "CNR ≥ 7.3 · spot 3.0 mm", "SBR ≥ 2.17"),
        ("SLN-3", "not seen for 3.2 s", ""),
        ("SLN-4", "CNR 7.3 · partly hidden · spot 3.0 mm", "SBR 2.17 ± 0.05"),
        ("node", "not confirmed", ""),
        ("?", "uncertain · by instrument", "SBR 2.17 ± 0.05"),
    ]
    assert not rows[1].seen
    assert node_rows(None) == ()
    assert node_ink(1) != node_ink(2)


def test_no_node_is_not_claimed_where_nobody_can_tell(qt: QApplication) -> None:
    """Dark never reads as "negative"."""
    assert no_rows_text(judged=True) == "none called"
    assert no_rows_text(judged=False) == "not judged now"
    panel = NodesPanel()
    panel.resize(388, 240)
    none = replace(fakes.FakeSource().push().guidance, detections=(), limit_sbr=None)
    looks = set()
    for judged in (True, False):
        panel.show_guidance(none, judged=judged)
        panel.say("")
        looks.add(panel.grab().toImage().bits().tobytes())
    assert len(looks) == 2
    panel.deleteLater()


def test_the_list_says_no_figure_of_what_is_not_seen_now() -> None:
    """Neither does its tag."""
    source = fakes.FakeSource()
    unseen = fakes.make_detection(1, coasted=True)
    picture = source.push(detections=(unseen, fakes.make_detection(2)))
    rows = node_rows(picture.guidance)
    assert [row.value for row in rows] == ["", sbr_text(unseen)]


def test_the_list_says_the_figures_that_the_tags_say() -> None:
    guidance = fakes.FakeSource().push(detections=(fakes.make_detection(3, sbr=2.0),)).guidance
    figures = Figures()
    (found,) = guidance.detections
    earlier = replace(found, sbr=2.5)
    figures.standing(3, earlier, guidance.pair.nir.mid_exposure_ns - 100_000_000)
    assert [row.value for row in node_rows(guidance, figures)] == [sbr_text(earlier)]
    assert node_ink(1) == node_ink(7)
