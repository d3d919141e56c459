"""How near to the possible the detector is: beside a Hotelling observer, at equal false calls.

The observer is the prewhitening matched filter (doi:10.1364/JOSAA.4.002447) on logs of blocks. Of
each field it is told what no program can know: the texture's and the noise's spectrum, and how much
of it each colour explains at each scale, from a twin of the field, drawn from the same seed without
light in its nodes. *Searching*, it moves a bank of node shapes over the field. *Told all*, it knows
each node's place and exact shape as well and only decides; that is no detector's task, but an upper
bound. Its threshold is the one at which the bank gives as many false calls a field on the twins as
the detector gave. Only fields without instruments, borders, channels and glints are compared: there
a spectrum says all there is. Run:
``python -m benchmarks.ideal_observer [--quick]``.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.ndimage import maximum_filter

from benchmarks.core_speed import ASSUMED, field_of
from benchmarks.detection import DEFAULT, THRESHOLDS
from benchmarks.detection_scenes import MM_PER_PX, Rendered, TrueNode, render, spot
from benchmarks.pictures import draw_observer
from benchmarks.scored import CLASSES, Scored, worth
from sln_guide.core.analysis import Analyser

KINDS = ("plain", "dim", "flicker")
BLOCK_PX = 8
LEAST_IN_BAND = 40
"""Cosines of like frequency that share a spectrum."""
BAND_RATIO = 1.12
SHADING_DEGREE = 4
"""Of the polynomial in x and y that is taken off as shading."""
WINDOW = 24
"""Half the side of the window that a node of the bank is drawn in [blocks]."""
SHAPES_MM = ((3.0, 1.0), (5.0, 3.0), (7.0, 5.0), (9.0, 7.0), (12.0, 9.0))
"""Diameter and depth of the nodes of the bank that is moved over the field."""
APART = 5
"""Peaks nearer than this are one call [blocks]."""
MOST_FALSE = 2.0
"""Up to so many false calls a field recall is drawn."""
RAYLEIGH_MEDIAN = 1.1774
"""Median distance of a point in the plane whose coordinates have a standard deviation of 1."""

Map = NDArray[np.float64]


def logs_of(scene: Rendered) -> tuple[Map, list[Map]]:
    """Return logs of blocks, (rows, cols): of NIR, and of red, green and blue."""
    nir = np.asarray(scene.nir.pixels).astype(np.float64) - scene.dark_counts
    mosaic = np.asarray(scene.white.pixels).astype(np.float64)
    red, blue = mosaic[0::2, 0::2], mosaic[1::2, 1::2]
    green = 0.5 * (mosaic[0::2, 1::2] + mosaic[1::2, 0::2])
    half = BLOCK_PX // 2
    return _log(nir, BLOCK_PX), [_log(plane, half) for plane in (red, green, blue)]


def _log(image: Map, block: int) -> Map:
    rows, cols = image.shape[0] // block, image.shape[1] // block
    cut = image[: rows * block, : cols * block].reshape(rows, block, cols, block)
    # a hot pixel is no light: the middle of a block's columns forgives it
    means: Map = np.median(cut.mean(axis=1), axis=2)
    return np.log(np.maximum(means, 1.0))


class Observer:
    """A prewhitening matched filter for one field, told its spectra by the field's ``twin``."""

    def __init__(self, twin: Rendered) -> None:
        nir, colours = logs_of(twin)
        self.shape, self._nir = nir.shape, nir
        self._shading = [_shading(image) for image in (nir, *colours)]
        self._band = _bands(self.shape)
        self._bands = int(self._band.max()) + 1
        spectra = [
            dctn(image - shade, norm="ortho")
            for image, shade in zip((nir, *colours), self._shading, strict=True)
        ]
        self._weights = self._explained(spectra[0], spectra[1:])
        self._twin = self._left(nir, colours)
        told = len(colours)
        self._power = np.ones(self.shape)
        for band in range(self._bands):
            left = self._twin[self._band == band]
            self._power[self._band == band] = (left**2).sum() / (left.size - told)

    def _explained(self, nir: Map, colours: list[Map]) -> Map:
        """Return (bands, colours): how much of each colour NIR has in it, by least squares."""
        weights = np.zeros((self._bands, len(colours)))
        for band in range(self._bands):
            cells = self._band == band
            known = np.stack([colour[cells] for colour in colours], axis=1)
            weights[band] = np.linalg.lstsq(known, nir[cells], rcond=None)[0]
        return weights

    def _left(self, nir: Map, colours: list[Map]) -> Map:
        """Return the transform of what colour does not explain, shading left out."""
        left: Map = dctn(nir - self._shading[0], norm="ortho")
        for index, colour in enumerate(colours):
            known = dctn(colour - self._shading[1 + index], norm="ortho")
            left -= self._weights[self._band, index] * known
        return left

    def light_on_shading(self, added: Map) -> Map:
        """Return the logs that a node's light adds to shading; ``added``: to the twin's logs.

        Light fills texture's valleys, so what it adds to the logs depends on what nobody knows.
        """
        light = np.expm1(added) * np.exp(self._nir - self._shading[0])
        filled: Map = np.log1p(np.maximum(light, 0.0))
        return filled

    def sigma_of(self, added: Map) -> float:
        """Return the significance of one node whose place and shape are known."""
        template: Map = dctn(self.light_on_shading(added), norm="ortho")
        matched = template / self._power
        seen = self._twin + dctn(added, norm="ortho")
        return float((seen * matched).sum() / np.sqrt((template * matched).sum()))

    def centre_bound_px(self, added: Map) -> float:
        """Return the least median error of the centre of a node whose shape is known [px].

        Cramer-Rao: the inverse of the Fisher information of a shift in this noise and texture.
        """
        slopes = [
            dctn(slope / BLOCK_PX, norm="ortho")
            for slope in np.gradient(self.light_on_shading(added))
        ]
        fisher = np.array([[(a * b / self._power).sum() for b in slopes] for a in slopes])
        variance = np.trace(np.linalg.inv(fisher)) / 2.0
        return float(RAYLEIGH_MEDIAN * np.sqrt(variance))

    def searched(self, scene: Rendered) -> Map:
        """Return the highest significance of the bank at each block of ``scene``."""
        left = self._left(*logs_of(scene))
        best = np.full(self.shape, -np.inf)
        for diameter_mm, depth_mm in SHAPES_MM:
            template = _transfer_function(_light_of(diameter_mm, depth_mm, self.shape))
            power = template**2 / self._power
            response = idctn(left * template / self._power, norm="ortho")
            # of unit variance anywhere in the middle of the field
            best = np.maximum(best, response / np.sqrt(power.sum() / power.size))
        return best


def peaks_of(best: Map, lowest: float) -> list[float]:
    """Return all peaks of a map of significance above ``lowest``."""
    peaks = (best == maximum_filter(best, 2 * APART + 1)) & (best > lowest)
    return [float(v) for v in best[peaks]]


def _bands(shape: tuple[int, int]) -> NDArray[np.int64]:
    """Return the band of each cosine of a field: a few per cent of frequency, enough to average."""
    rows, cols = shape
    frequency = np.hypot(np.arange(rows)[:, None] / rows, np.arange(cols)[None, :] / cols)
    order = np.argsort(frequency, axis=None, kind="stable")
    sorted_frequency = frequency.ravel()[order]
    band = np.zeros(order.size, np.int64)
    first, number = 0, 0
    while first < order.size:
        wide = int(np.searchsorted(sorted_frequency, BAND_RATIO * sorted_frequency[first]))
        last = max(first + LEAST_IN_BAND, wide)
        if order.size - last < LEAST_IN_BAND:
            last = order.size
        band[order[first:last]] = number
        first, number = last, number + 1
    return band.reshape(shape)


def _shading(image: Map) -> Map:
    """Return the polynomial in x and y that is nearest to ``image``."""
    y, x = (np.linspace(-1.0, 1.0, n) for n in image.shape)
    terms = [
        np.outer(y**i, x**j).ravel()
        for i in range(SHADING_DEGREE + 1)
        for j in range(SHADING_DEGREE + 1 - i)
    ]
    basis = np.stack(terms, axis=1)
    fitted: Map = (basis @ np.linalg.lstsq(basis, image.ravel(), rcond=None)[0]).reshape(
        image.shape
    )
    return fitted


def _light_of(diameter_mm: float, depth_mm: float, shape: tuple[int, int]) -> Map:
    """Return a faint node's light on blocks around cell (0, 0), mirrored there: (rows, cols)."""
    side = 2 * WINDOW * BLOCK_PX
    middle = float(side // 2)
    blur_px = (0.6 + 0.28 * depth_mm) / MM_PER_PX
    light = spot(side, side, middle, middle, diameter_mm / 2 / MM_PER_PX, blur_px, 1.0, 0.0)
    cells = light.reshape(2 * WINDOW, BLOCK_PX, 2 * WINDOW, BLOCK_PX).mean(axis=(1, 3))
    out = np.zeros(shape)
    out[:WINDOW, :WINDOW] = cells[WINDOW:, WINDOW:]
    return out


def _transfer_function(quarter: Map) -> Map:
    """Return the cosine series of a light even about cell (0, 0): a filter's transfer function."""
    rows, cols = quarter.shape
    even = np.zeros((2 * rows, 2 * cols))
    even[:rows, :cols] = quarter
    even[rows + 1 :, :cols] = quarter[:0:-1]
    even[:rows, cols + 1 :] = quarter[:, :0:-1]
    even[rows + 1 :, cols + 1 :] = quarter[:0:-1, :0:-1]
    transfer: Map = np.fft.fft2(even).real[:rows, :cols]
    return transfer


def _distance_px(node: TrueNode, shape: tuple[int, int]) -> Map:
    """Return how far each block's middle is from a node."""
    rows, cols = ((np.arange(n) + 0.5) * BLOCK_PX for n in shape)
    distance: Map = np.hypot(rows[:, None] - node.y_px, cols[None, :] - node.x_px)
    return distance


def measure(count: int) -> dict[str, tuple[float, float, float]]:
    """Print and return recall by contrast: detector, observer searching, and told all."""
    detectors = {sigma: Scored() for sigma in THRESHOLDS}
    detector = detectors[DEFAULT]
    known: list[tuple[float, float, float]] = []
    bounds: list[float] = []
    false: list[float] = []
    analyser: Analyser | None = None
    for index in range(count):
        seed, kind = 62_000 + index, KINDS[index % len(KINDS)]
        scene = render(seed, kind)
        twin = render(seed, kind, contrast=(1e-9, 1e-9))
        analyser = analyser or Analyser(field_of(scene.nir, MM_PER_PX))
        for sigma, scored in detectors.items():
            spots = analyser.analyse(scene.nir, scene.white, ASSUMED, sigma).spots
            scored.add(scene.nodes, worth(spots))
        result = analyser.analyse(scene.nir, scene.white, ASSUMED, DEFAULT)
        observer = Observer(twin)
        best = observer.searched(scene)
        added = logs_of(scene)[0] - logs_of(twin)[0]
        distances = [_distance_px(node, added.shape) for node in scene.nodes]
        # what a stained node without light does to the prediction is no call of texture
        apart = np.min(
            [d / n.width_px for d, n in zip(distances, scene.nodes, strict=True)], axis=0
        )
        false += peaks_of(np.where(apart > 1.0, observer.searched(twin), 0.0), 2.0)
        nearest = np.argmin(distances, axis=0)
        for k, node in enumerate(scene.nodes):
            reach_px = max(0.5 * node.width_px, 15.0)
            own = np.where(nearest == k, added, 0.0)
            known.append(
                (node.contrast, float(best[distances[k] < reach_px].max()), observer.sigma_of(own))
            )
            if any(
                np.hypot(s.x_px - node.x_px, s.y_px - node.y_px) < reach_px for s in result.spots
            ):
                bounds.append(observer.centre_bound_px(own))
    rate = detector.false / detector.fields
    false.sort(reverse=True)
    allowed = max(round(rate * count), 1)
    threshold = false[min(allowed, len(false)) - 1]
    print(
        f"{count} fields: {rate:.2f} false calls a field, "
        f"which is {threshold:.2f} sigma for the observer"
    )
    print(f"{'contrast':>12} {'nodes':>6} {'detector':>9} {'searches':>9} {'told all':>9}")
    shares = {}
    for low, high in CLASSES:
        found = detector.finds[low, high]
        if not found:
            continue
        both = np.array([sigmas for contrast, *sigmas in known if low <= contrast < high])
        searching, told_all = (both >= threshold).mean(axis=0)
        shares[f"{low:g}-{high:g}"] = float(np.mean(found)), float(searching), float(told_all)
        print(
            f"{low:5g} - {high:4g} {len(found):6d} {np.mean(found):9.2f} {searching:9.2f} "
            f"{told_all:9.2f}"
        )
    low, high = CLASSES[1]
    both = np.array([sigmas for contrast, *sigmas in known if low <= contrast < high])
    rates = range(1, min(int(MOST_FALSE * count), len(false)))
    beside = {n / count: (both >= false[n]).mean(axis=0) for n in rates}
    draw_observer(
        {
            "core": [
                (each.false / each.fields, float(np.mean(each.finds[low, high])))
                for each in detectors.values()
                if 0 < each.false <= MOST_FALSE * each.fields
            ],
            "ideal observer, searching": [(r, float(v[0])) for r, v in beside.items()],
            "ideal observer, told place and shape": [(r, float(v[1])) for r, v in beside.items()],
            "core at its default": [(rate, float(np.mean(detector.finds[low, high])))],
        }
    )
    print(
        f"centres of {len(bounds)} nodes found, median error: {np.median(detector.errors):.1f} px; "
        f"Cramer-Rao for a known shape {np.median(bounds):.1f} px"
    )
    return shares


def main(*, quick: bool = False) -> dict[str, tuple[float, float, float]]:
    """Measure and print; return recall of detector, observer searching, and told all."""
    return measure(12 if quick else 120)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    main(quick=parser.parse_args().quick)
