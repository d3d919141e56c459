"""Plots of the figures, as SVG in ``bench-output/``; those in docs/images are from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

OUTPUT = Path("bench-output")
Curves = dict[str, list[tuple[float, float]]]
"""Points (x, y) of each line by its name."""
OURS = ("core", "core, NIR alone")
MANY = 20
"""Points from which on a line is smooth enough without marks."""


def draw_precision_and_recall(models: Mapping[str, Curves]) -> None:
    """Draw precision against recall over all thresholds, a panel a model."""
    figure, panels = _panels(len(models))
    for panel, (name, curves) in zip(panels, models.items(), strict=True):
        _lines(panel, curves)
        panel.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall, contrast 0.1 to 3.5", title=name)
    panels[0].set_ylabel("precision")
    _save(figure, panels[0], "detection-curves")


def draw_observer(curves: Curves) -> None:
    """Draw recall of contrasts 0.3 to 1 against false calls a field."""
    figure, (panel,) = _panels(1)
    _lines(panel, curves)
    _logarithmic(panel, "x")
    panel.set(
        ylim=(0, 1.02),
        xlabel="false calls a field",
        ylabel="recall, contrast 0.3 to 1",
        title="plain, dim and flickering fields",
    )
    _save(figure, panel, "ideal-observer")


def draw_speed(by_megapixels: Curves, by_spots: Curves) -> None:
    """Draw time a pair against the frame's size and against what is in it."""
    figure, (left, right) = _panels(2)
    _lines(left, by_megapixels)
    left.set(xlabel="megapixels", ylabel="ms a pair, one thread", title="by size")
    _lines(right, by_spots)
    right.set(xlabel="nodes in the field", title="by nodes, 1280 x 1024")
    for panel in (left, right):
        _logarithmic(panel, "y")
    _save(figure, left, "core-speed")


def _panels(count: int) -> tuple[Any, Sequence[Any]]:
    import matplotlib as mpl

    mpl.use("svg")
    # the same picture gives the same file, and its letters stay letters
    mpl.rcParams |= {"svg.hashsalt": "sln-guide", "svg.fonttype": "none"}
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, count, figsize=(4.8 * max(count, 1.4), 4.8), squeeze=False)
    return figure, list(panels[0])


def _lines(panel: Any, curves: Curves) -> None:
    """Draw each as a line, ours in black; what is one point only as a mark."""
    for name, points in curves.items():
        own, alone = name in OURS, len(points) == 1
        panel.plot(
            *zip(*points, strict=True),
            marker="*" if alone else "o" if own else "." if len(points) < MANY else "",
            markersize=16 if alone else 5,
            linewidth=2.2 if own else 1.2,
            linestyle="none" if alone else "--" if name == OURS[1] else "-",
            color="black" if own else "crimson" if alone else None,
            label=name,
        )
    panel.grid(visible=True, alpha=0.3)


def _logarithmic(panel: Any, which: str) -> None:
    """Make an axis logarithmic, with plain numbers at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    panel.set(**{f"{which}scale": "log"})
    axis = panel.xaxis if which == "x" else panel.yaxis
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_formatter(NullFormatter())


def _save(figure: Any, labelled: Any, name: str) -> None:
    """Write it, with the names of one panel's lines beneath all."""
    from matplotlib import pyplot

    OUTPUT.mkdir(exist_ok=True)
    path = OUTPUT / f"{name}.svg"
    figure.tight_layout(rect=(0, 0.13, 1, 1))
    figure.legend(*labelled.get_legend_handles_labels(), loc="lower center", ncols=3, fontsize=9)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    print(f"drawn: {path}")
