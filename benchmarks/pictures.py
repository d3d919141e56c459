"""Plots of the figures, as SVG in ``bench-output/``; those in docs/images are from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

OUTPUT = Path("bench-output")
Curves = dict[str, list[tuple[float, float]]]
"""Points (x, y) of each line by its name."""
OURS = ("core", "core, NIR alone")


def draw_precision_and_recall(models: Mapping[str, Curves]) -> None:
    """Draw precision against recall over all thresholds, a panel a model."""
    figure, panels = _panels(len(models))
    for panel, (name, curves) in zip(panels, models.items(), strict=True):
        _lines(panel, curves)
        panel.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall, contrast 0.1 to 3.5", title=name)
    panels[0].set_ylabel("precision")
    panels[0].legend(fontsize=8, loc="lower left")
    _save(figure, "detection-curves")


def draw_observer(curves: Curves) -> None:
    """Draw recall of contrasts 0.3 to 1 against false calls a field."""
    figure, (panel,) = _panels(1)
    _lines(panel, curves)
    panel.set(
        xscale="log",
        ylim=(0, 1.02),
        xlabel="false calls a field",
        ylabel="recall, contrast 0.3 to 1",
        title="plain fields: what can be known",
    )
    panel.legend(fontsize=8, loc="lower right")
    _save(figure, "ideal-observer")


def draw_speed(by_megapixels: Curves, by_spots: Curves) -> None:
    """Draw time a pair against the frame's size and against what is in it."""
    figure, (left, right) = _panels(2)
    _lines(left, by_megapixels)
    left.set(xlabel="megapixels", ylabel="ms a pair, one thread", yscale="log", title="by size")
    left.legend(fontsize=8)
    _lines(right, by_spots)
    right.set(xlabel="spots in the field", yscale="log", title="by what is found, 1280 x 1024")
    _save(figure, "core-speed")


def _panels(count: int) -> tuple[Any, Sequence[Any]]:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "sln-guide"  # the same picture gives the same file
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, count, figsize=(5.2 * count, 4.2), squeeze=False)
    return figure, list(panels[0])


def _lines(panel: Any, curves: Curves) -> None:
    for name, points in curves.items():
        own = name in OURS
        panel.plot(
            *zip(*points, strict=True),
            marker="o" if own else ".",
            linewidth=2.2 if own else 1.2,
            linestyle="--" if name == OURS[1] else "-",
            color="black" if own else None,
            label=name,
        )
    panel.grid(visible=True, alpha=0.3)


def _save(figure: Any, name: str) -> None:
    from matplotlib import pyplot

    OUTPUT.mkdir(exist_ok=True)
    path = OUTPUT / f"{name}.svg"
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    print(f"drawn: {path}")
