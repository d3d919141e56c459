"""`SpotFinder`: peaks of significance become spots: measured, and taken for what they look like."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.field import Geometry
from sln_guide.core.grid import exp_into
from sln_guide.core.label import label_into, moments_into
from sln_guide.core.spot import Spot
from sln_guide.core.spots import (
    RAYS,
    find_peaks_into,
    measure_into,
    refine_into,
    region_sums_into,
    stand_of,
)
from sln_guide.guidance import CannotJudge, Interval, Kind

_NEAR_INJECTION = int(CannotJudge.NEAR_INJECTION)
_MOST_PEAKS = 256
_MOST_SPOTS = 48
_SECTORS = 8
_ROUNDS = 4
_TURN = 2 * np.pi * np.arange(RAYS) / RAYS
_COS, _SIN = np.cos(_TURN), np.sin(_TURN)
_Z95 = 1.96
_WOBBLE = 2.5
"""Noise also moves the contour: by this factor errors exceed those at a fixed one (measured)."""
_RING_WOBBLE = 0.010
"""Relative standard error of CNR from annulus cells that noise takes in or out (measured)."""

_ISOLATED = 0.42
"""A node falls off on every side: to its highest neighbour sector by this share of its height."""
_CLEARLY_ALONE = 0.58
"""From here on a peak is a node even where its light runs into something long."""
_CLEAR = 0.58
"""Usable share of a spot's own area that makes up for a sector that is out of sight."""
_BRIGHT = np.float32(3.5)
"""Significance from which on a cell is kept out of others' annuli, whatever the threshold."""
_REACH = 0.6
"""Share of the threshold down to which light still belongs to what was found above it."""
_CHANNEL_ELONGATION = 3.0
_NODE_OVER_CHANNEL = 1.6
"""A node on a channel is brighter than the channel's median by this factor, in the logarithm."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What one frame gave, on the grid; all (rows, cols) float32 unless said otherwise.

    ``local``: significance; ``scale``: int32, index of the spot size that gave it; ``residual``:
    log NIR without trend and colour; ``smooth``: one blur of it for each spot size (S, rows,
    cols); ``mean``: counts; ``usable``; ``judge``: uint8; ``full``: saturated share; ``noise``: of
    a block's mean [counts]; ``unit``: counts to counts/(ms*gain).
    """

    local: NDArray[np.float32]
    scale: NDArray[np.int32]
    residual: NDArray[np.float32]
    smooth: tuple[NDArray[np.float32], ...]
    support: tuple[NDArray[np.float32], ...]
    mean: NDArray[np.float32]
    usable: NDArray[np.float32]
    judge: NDArray[np.uint8]
    full: NDArray[np.float32]
    noise: float
    unit: float


@dataclass(frozen=True)
class _Shape:
    """How a peak stands in its surroundings; ``height`` is log(1 + contrast)."""

    height: float
    level: float
    isolation: float
    sectors_seen: int
    support: float


class SpotFinder:
    """Finds and measures spots of one geometry; keeps nothing from frame to frame."""

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        shape = (geometry.rows, geometry.cols)
        self._peak_r = np.zeros(_MOST_PEAKS, np.int64)
        self._peak_c = np.zeros(_MOST_PEAKS, np.int64)
        self._ring = np.zeros(_SECTORS)
        self._ring_seen = np.zeros(_SECTORS)
        self._radius, self._scratch = np.zeros(RAYS), np.zeros(RAYS)
        self._sums = np.zeros(9)
        self._labels = np.zeros(shape, np.int32)
        self._parent = np.zeros(shape[0] * shape[1] + 1, np.int32)

    def find(
        self, seen: Seen, threshold_sigma: float, injections: list[NDArray[np.bool_]]
    ) -> tuple[list[Spot], bool]:
        """Return spots, most significant first, and whether there were more than can be told."""
        local = seen.local
        reach = max(1, round(self._geometry.spot_sigmas[0]))
        found = find_peaks_into(
            self._peak_r, self._peak_c, local, np.float32(threshold_sigma), reach
        )
        count = min(found, _MOST_PEAKS)
        order = sorted(range(count), key=lambda k: -local[self._peak_r[k], self._peak_c[k]])
        bright = local > _BRIGHT
        regions = label_into(
            self._labels, local > np.float32(_REACH * threshold_sigma), self._parent
        )
        self._moments = np.zeros((regions + 1, 6))
        moments_into(self._moments, self._labels)
        spots = [self._injection(seen, region) for region in injections]
        taken = np.zeros(local.shape, np.bool_)
        open_ground = seen.usable.copy()
        channels: set[int] = set()
        # a second round, because a neighbour found later may be what hid a node's own slope
        for last in (False, True):
            left = []
            for k in order:
                r, c = int(self._peak_r[k]), int(self._peak_c[k])
                if taken[r, c] or int(seen.judge[r, c]) & _NEAR_INJECTION:
                    continue
                if len(spots) >= _MOST_SPOTS:
                    return spots, True
                shape = self._survey(seen, open_ground, r, c)
                if self._stands_alone(shape) and not self._on_channel(seen, shape, r, c):
                    spot = self._node(seen, r, c, shape, bright, taken)
                    if spot is not None:
                        spots.append(spot)
                        open_ground[taken] = 0.0
                elif not last:
                    left.append(k)
                else:
                    region = int(self._labels[r, c])
                    if region not in channels and self._is_channel(region):
                        channels.add(region)
                        spots.append(self._channel(seen, region, r, c))
            order = left
        return spots, found > _MOST_PEAKS

    @staticmethod
    def _stands_alone(shape: _Shape) -> bool:
        """Whether light falls off on every side that can be seen, and most sides can."""
        if shape.isolation < _ISOLATED:
            return False
        return shape.sectors_seen >= 6 or (shape.sectors_seen == 5 and shape.support >= _CLEAR)

    def _on_channel(self, seen: Seen, shape: _Shape, r: int, c: int) -> bool:
        """Whether the peak is but a bright place of a channel: not much brighter than its line."""
        region = int(self._labels[r, c])
        if shape.isolation >= _CLEARLY_ALONE or not self._is_channel(region):
            return False
        line = seen.residual[self._labels == region]
        return shape.height < _NODE_OVER_CHANNEL * (float(np.median(line)) - shape.level)

    def _survey(self, seen: Seen, ground: NDArray[np.float32], r: int, c: int) -> _Shape:
        k = int(seen.scale[r, c])
        sigma = self._geometry.spot_sigmas[k]
        smooth = seen.smooth[k]
        height, level, isolation, count = stand_of(
            self._ring, self._ring_seen, self._scratch, smooth, ground, r, c, sigma
        )
        return _Shape(height, level, isolation, count, float(seen.support[k][r, c]))

    def _is_channel(self, region: int) -> bool:
        """Whether a region is long and thin: by the moments of its cells."""
        n, sr, sc, srr, scc, src = self._moments[region]
        if n < 12:
            return False
        rr, cc, rc = srr / n - (sr / n) ** 2, scc / n - (sc / n) ** 2, src / n - sr * sc / n**2
        middle, half = (rr + cc) / 2, math.hypot((rr - cc) / 2, rc)
        length, width = math.sqrt(max(middle + half, 0.0)), math.sqrt(max(middle - half, 0.08))
        return length >= self._geometry.spot_sigmas[1] and length >= _CHANNEL_ELONGATION * width

    def _node(
        self,
        seen: Seen,
        r: int,
        c: int,
        shape: _Shape,
        bright: NDArray[np.bool_],
        taken: NDArray[np.bool_],
    ) -> Spot | None:
        sigma = self._geometry.spot_sigmas[int(seen.scale[r, c])]
        reach = math.ceil(4.0 * sigma) + 4
        rows, cols = seen.mean.shape
        r0, r1 = max(r - reach, 0), min(r + reach + 1, rows)
        c0, c1 = max(c - reach, 0), min(c + reach + 1, cols)
        window = (slice(r0, r1), slice(c0, c1))
        light = np.ascontiguousarray(seen.residual[window]) - np.float32(shape.level)
        exp_into(light, light)
        usable = np.ascontiguousarray(seen.usable[window])
        y, x, base, top, lost = refine_into(
            self._radius,
            self._ring,
            self._ring_seen,
            self._scratch,
            light,
            usable,
            float(r - r0),
            float(c - c0),
            1.0,
            sigma,
            _ROUNDS,
        )
        if not top > base > 0:
            return None
        added = light * np.float32(1.0 / base) - np.float32(1.0)
        peak = top / base - 1.0
        return self._spot(
            seen, window, y, x, added, peak, lost, float(seen.local[r, c]), bright, taken, shape
        )

    def _spot(
        self,
        seen: Seen,
        window: tuple[slice, slice],
        y: float,
        x: float,
        added: NDArray[np.float32],
        peak: float,
        lost: int,
        significance: float,
        bright: NDArray[np.bool_],
        taken: NDArray[np.bool_],
        shape: _Shape,
    ) -> Spot:
        mean = seen.mean[window]
        radius, sums = self._radius, self._sums
        measure_into(
            sums,
            mean,
            added,
            seen.usable[window],
            bright[window],
            float(y),
            float(x),
            radius,
            1.5,
            2.5,
        )
        inside, ring = sums[0], sums[3]
        noise = seen.noise
        in_mean = sums[1] / max(inside, 1.0)
        base = float(mean[min(round(y), mean.shape[0] - 1), min(round(x), mean.shape[1] - 1)])
        base /= 1.0 + peak
        ring_mean = sums[4] / ring if ring >= 4 else base
        ring_sd = math.sqrt(max(sums[5] / ring - ring_mean**2, 0.0)) if ring >= 4 else noise
        ring_sd = max(ring_sd, noise)
        safe = max(ring_mean, noise)
        sbr = 1 + (in_mean - ring_mean) / safe
        cnr = (in_mean - ring_mean) / ring_sd
        d_in = noise / math.sqrt(max(inside, 1.0))
        d_ring = noise / math.sqrt(max(ring, 1.0))
        d_sbr = _Z95 * _WOBBLE * math.hypot(d_in, sbr * d_ring) / safe
        d_sd = noise / math.sqrt(2 * max(ring, 1.0))
        d_cnr = math.hypot(math.hypot(d_in, d_ring) / ring_sd, cnr * d_sd / ring_sd)
        d_cnr = _Z95 * math.hypot(_WOBBLE * d_cnr, _RING_WOBBLE * cnr)
        top, left = window[0].start, window[1].start
        block = self._geometry.block_px
        contour = np.stack([left + x + radius * _COS, top + y + radius * _SIN], axis=1)
        self._take(taken, round(top + y), round(left + x), radius)
        contour = ((contour + 0.5) * block - 0.5).astype(np.float32)
        contour.setflags(write=False)
        area = 0.5 * math.sin(2 * math.pi / RAYS) * float(np.sum(radius * np.roll(radius, -1)))
        area_px = area * block**2
        saturated = float(np.mean(seen.full[window][added > peak / 2])) if peak > 0 else 0.0
        flags = []
        if saturated > 0:
            flags.append("saturated")
        if shape.sectors_seen < _SECTORS:
            flags.append("partly hidden")
        if lost > 0:
            flags.append("contour open")
        return Spot(
            kind=Kind.NODE,
            x_px=(left + x + 0.5) * block - 0.5,
            y_px=(top + y + 0.5) * block - 0.5,
            area_px=area_px,
            spot_width_px=2 * math.sqrt(area_px / math.pi),
            signal=peak * max(base, 0.0) * seen.unit,
            sbr=float(sbr),
            sbr_interval=Interval(float(sbr - d_sbr), float(sbr + d_sbr)),
            cnr=float(cnr),
            cnr_interval=Interval(float(cnr - d_cnr), float(cnr + d_cnr)),
            significance=significance,
            saturated_fraction=saturated,
            contour_px=contour,
            flags=tuple(flags),
        )

    @staticmethod
    def _take(taken: NDArray[np.bool_], r: int, c: int, radius: NDArray[np.float64]) -> None:
        """Mark what a spot covers: no second one is called within one and a half half-maxima."""
        reach = 1.6 * float(np.median(radius)) + 1.0
        n = math.ceil(reach)
        rows, cols = taken.shape
        r0, r1, c0, c1 = max(r - n, 0), min(r + n + 1, rows), max(c - n, 0), min(c + n + 1, cols)
        i, j = np.mgrid[r0:r1, c0:c1]
        taken[r0:r1, c0:c1] |= (i - r) ** 2 + (j - c) ** 2 <= reach**2

    def _channel(self, seen: Seen, region: int, r: int, c: int) -> Spot:
        cells = self._labels == region
        return self._region_spot(seen, cells, Kind.CHANNEL, float(seen.local[r, c]))

    def _injection(self, seen: Seen, region: NDArray[np.bool_]) -> Spot:
        return self._region_spot(seen, region, Kind.INJECTION, 99.0)

    def _region_spot(
        self, seen: Seen, cells: NDArray[np.bool_], kind: Kind, significance: float
    ) -> Spot:
        """Measure a whole region against the level around it."""
        block = self._geometry.block_px
        sums = np.zeros(10)
        region_sums_into(sums, cells, seen.mean, seen.full, seen.usable, 4)
        n, sum_r, sum_c, total, highest, lowest, full, ring, ring_sum, ring_squares = sums.tolist()
        if ring < 4:
            ring, ring_sum, ring_squares = 1.0, lowest, lowest**2
        ring_mean = max(ring_sum / ring, seen.noise)
        ring_sd = max(math.sqrt(max(ring_squares / ring - (ring_sum / ring) ** 2, 0)), seen.noise)
        in_mean = total / n
        sbr, cnr = in_mean / ring_mean, (in_mean - ring_mean) / ring_sd
        area_px = float(n) * block**2
        d_sbr = _Z95 * seen.noise / ring_mean * math.sqrt(1 / n + sbr**2 / ring)
        d_cnr = _Z95 * math.hypot(
            seen.noise / ring_sd, cnr * seen.noise / ring_sd / math.sqrt(2 * ring)
        )
        saturated = float(full / n)
        return Spot(
            kind=kind,
            x_px=float(sum_c / n + 0.5) * block - 0.5,
            y_px=float(sum_r / n + 0.5) * block - 0.5,
            area_px=area_px,
            spot_width_px=2 * math.sqrt(area_px / math.pi),
            signal=max(float(highest) - ring_mean, 0.0) * seen.unit,
            sbr=float(sbr),
            sbr_interval=Interval(float(sbr - d_sbr), float(sbr + d_sbr)),
            cnr=float(cnr),
            cnr_interval=Interval(float(cnr - d_cnr), float(cnr + d_cnr)),
            significance=significance,
            saturated_fraction=saturated,
            flags=("saturated",) if saturated > 0 else (),
        )
