"""How light from inside tissue looks on its surface: spots of nodes, channels, injections.

Light that starts ``z`` deep in a scattering half-space leaves its surface around ``rho`` as

    R(rho) ~ z (mu_eff + 1/r) exp(-mu_eff r) / r**2,   r = sqrt(rho**2 + z**2),

the leading term of Farrell, Patterson and Wilson (doi:10.1118/1.596777) where ``z`` is beyond a
transport length. Its full width is 1.2 to 1.5 ``z``, its tail far heavier than a Gaussian's. The
shape is used normalised; what never arrives is `seen_contrast`'s attenuation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from hardware.phantom import still_kernels
from hardware.phantom.fields import cubic_weights
from hardware.phantom.scene import Channel, Point

EFFECTIVE_ATTENUATION_PER_MM = 0.2
"""mu_eff near 850 nm, mu_a about 0.012 and mu_s' about 1 /mm: between fat and muscle
(doi:10.1088/0031-9155/58/11/R37)."""

ROUND_TRIP_ATTENUATION_PER_MM = 0.35
"""Loss of peak signal a millimetre of depth, excitation in and emission out, blur not counted."""

SUPERFICIAL_MM = 0.5
"""Scattering within the node and its capsule: half a transport length, at any depth."""


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """Light or shadow that moves with tissue. ``values`` (h, w) float32, peak 1, framed by zeros.

    (``x0_px``, ``y0_px``) is the first pixel's place in NIR px with tissue at rest. ``arcs``
    (h, w) uint8 is the place along a channel, 0 to 255. ``width_px``: see `NodeTruth`.
    ``half_px`` (N, 2): points spread evenly over the half-maximum area, NIR px at rest.
    """

    values: NDArray[np.float32]
    x0_px: int
    y0_px: int
    width_px: float
    half_px: NDArray[np.float64]
    arcs: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class Canvas:
    """The NIR px, last ones included, that tissue is drawn on: what lies outside is never seen."""

    left: int
    top: int
    right: int
    bottom: int

    def clipped(
        self, centre_px: Point, reach_px: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the columns and rows within ``reach_px`` of a centre; at least three each."""
        columns = _between(centre_px[0] - reach_px, centre_px[0] + reach_px, self.left, self.right)
        rows = _between(centre_px[1] - reach_px, centre_px[1] + reach_px, self.top, self.bottom)
        return columns, rows


def _between(low: float, high: float, first: int, last: int) -> NDArray[np.int64]:
    start = int(min(max(math.floor(low), first), last))
    stop = int(max(min(math.ceil(high), last), start + 2))
    return np.arange(start, stop + 1)


def surface_spread(
    radius_mm: NDArray[np.float64], depth_mm: float, attenuation_per_mm: float
) -> NDArray[np.float64]:
    """Return the light leaving around a point source, relative to right above it (module doc)."""
    r = np.sqrt(radius_mm**2 + depth_mm**2)
    shape = (attenuation_per_mm + 1.0 / r) * np.exp(-attenuation_per_mm * (r - depth_mm)) / r**2
    peak = (attenuation_per_mm + 1.0 / depth_mm) / depth_mm**2
    return np.asarray(shape / peak)


def seen_contrast(
    surface_contrast: float,
    diameter_mm: float,
    depth_mm: float,
    *,
    round_trip_per_mm: float = ROUND_TRIP_ATTENUATION_PER_MM,
) -> float:
    """Return the contrast of a round node under ``depth_mm`` that would show so much laid open.

    It falls by what is absorbed, ``exp(-mu depth)``, and by what spreads sideways.
    """
    return (
        surface_contrast
        * math.exp(-round_trip_per_mm * depth_mm)
        * _peak_share(diameter_mm, depth_mm)
        / _peak_share(diameter_mm, 0.0)
    )


def _peak_share(diameter_mm: float, depth_mm: float) -> float:
    """Peak of an ellipsoid's light after spreading, relative to no spreading at all."""
    z = depth_mm + SUPERFICIAL_MM
    rho = np.geomspace(1e-3 * z, 60.0 * z + 60.0, 4000)
    ring = surface_spread(rho, z, EFFECTIVE_ATTENUATION_PER_MM) * 2.0 * np.pi * rho
    inside = np.sqrt(np.clip(1.0 - (2.0 * rho / diameter_mm) ** 2, 0.0, None))
    return float(np.trapezoid(ring * inside, rho) / np.trapezoid(ring, rho))


def glowing_spot(
    centre_px: Point,
    mm_per_px: float,
    *,
    diameter_mm: float,
    depth_mm: float,
    aspect: float = 1.0,
    angle_deg: float = 0.0,
    floor: float = 0.004,
    canvas: Canvas,
) -> Sprite:
    """Return the spot of a glowing ellipsoid, peak 1 at ``centre_px``.

    Light below ``floor`` (of the peak) is left out, without a step.
    """
    z = max(depth_mm + SUPERFICIAL_MM, 0.8 * mm_per_px)
    rho = np.geomspace(0.1 * z, 80.0 * z, 2000)
    tail = surface_spread(rho, z, EFFECTIVE_ATTENUATION_PER_MM)
    reach_mm = float(rho[np.searchsorted(-tail, -0.25 * floor)])
    radius_mm = 0.5 * diameter_mm + reach_mm
    # Fine enough for the spread, which is the sharpest thing in the result.
    step_mm = max(min(0.12 * z, radius_mm / 24.0), radius_mm / 200.0, 1e-3)
    half = math.ceil(radius_mm / step_mm)
    axis = np.arange(-half, half + 1) * step_mm
    x, y = np.meshgrid(axis, axis)
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    along, across = (x * cos + y * sin), (y * cos - x * sin) / aspect
    body = np.sqrt(np.clip(1.0 - (along**2 + across**2) * (2.0 / diameter_mm) ** 2, 0.0, None))
    if not body.any():
        body[half, half] = 1.0
    spread = surface_spread(np.hypot(x, y), z, EFFECTIVE_ATTENUATION_PER_MM)
    size = fft.next_fast_len(2 * axis.size - 1, real=True)
    product = fft.rfft2(body, (size, size)) * fft.rfft2(spread, (size, size))
    light = fft.irfft2(product, (size, size))[half : half + axis.size, half : half + axis.size]
    light = light / light[half, half]
    light = np.clip((light - floor) / (1.0 - floor), 0.0, None)
    rim = np.flatnonzero(light.max(axis=0) > 0)
    reach_px = (half - rim[0] + 1) * step_mm / mm_per_px
    return _sampled(light, step_mm / mm_per_px, centre_px, *canvas.clipped(centre_px, reach_px))


def _sampled(
    light: NDArray[np.float64],
    step_px: float,
    centre_px: Point,
    columns: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> Sprite:
    """Resample a centred coarse picture on NIR pixels, cubically, with a frame of zeros."""
    middle = light.shape[0] // 2
    across = cubic_weights((columns - centre_px[0]) / step_px + middle, light.shape[0])
    down = cubic_weights((rows - centre_px[1]) / step_px + middle, light.shape[0])
    # The half-maximum contour is traced on a finer resampling of its surroundings, so that
    # spots of few pixels are not rounded to whole ones.
    reach = np.flatnonzero(light.max(axis=0) >= 0.4).max() - middle + 1
    finer = np.linspace(-reach, reach, 301)
    weights = cubic_weights(finer + middle, light.shape[0])
    above = weights @ light @ weights.T >= 0.5
    area = float(np.mean(above)) * (2.0 * reach * step_px) ** 2
    v, u = np.nonzero(above)
    half_px = np.stack([finer[u], finer[v]], axis=1) * step_px + centre_px
    return Sprite(
        values=_framed(np.clip(down @ light @ across.T, 0.0, None)),
        x0_px=int(columns[0]),
        y0_px=int(rows[0]),
        width_px=2.0 * math.sqrt(area / math.pi),
        half_px=half_px[:: max(1, len(half_px) // 600)],
    )


def _framed(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return a sprite's values with its outermost pixels at 0, as the kernels count on."""
    framed = np.ascontiguousarray(values, dtype=np.float32)
    framed[[0, -1], :] = 0.0
    framed[:, [0, -1]] = 0.0
    return framed


def smooth_curve(points: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Return (N, 2) points about ``step`` apart on the Catmull-Rom curve through ``points``."""
    ends = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    pieces = [points[:1]]
    for i in range(len(points) - 1):
        p = ends[i : i + 4]
        count = max(2, math.ceil(float(np.hypot(*(p[2] - p[1]))) / step))
        t = (np.arange(1, count + 1) / count)[:, None]
        pieces.append(
            0.5
            * (
                2 * p[1]
                + (p[2] - p[0]) * t
                + (2 * p[0] - 5 * p[1] + 4 * p[2] - p[3]) * t**2
                + (3 * p[1] - p[0] - 3 * p[2] + p[3]) * t**3
            )
        )
    return np.vstack(pieces)


def arc_lengths(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the length of the polyline up to each of its points."""
    steps = np.hypot(*np.diff(curve, axis=0).T)
    return np.concatenate([[0.0], np.cumsum(steps)])


def glowing_channel(
    channel: Channel, curve_px: NDArray[np.float64], mm_per_px: float, canvas: Canvas
) -> Sprite:
    """Return the light of a filled channel along ``curve_px`` (N, 2), peak 1 on its axis."""
    z = max(channel.depth_mm + SUPERFICIAL_MM, 0.8 * mm_per_px)
    # The line spread: the point spread summed along the line, then over the vessel's bore.
    step = z / 24.0
    offsets = np.arange(0, math.ceil((8.0 * z + channel.diameter_mm) / step)) * step
    along = np.concatenate([[0.0], np.geomspace(0.02 * z, 60.0 * z, 400)])
    spread = np.trapezoid(
        surface_spread(np.hypot(offsets[:, None], along[None, :]), z, EFFECTIVE_ATTENUATION_PER_MM),
        along,
        axis=1,
    )
    bore = np.abs(offsets) <= 0.5 * channel.diameter_mm
    both = np.concatenate([spread[:0:-1], spread])
    box = np.concatenate([bore[:0:-1], bore]).astype(float)
    profile = np.convolve(both, box, mode="same")[offsets.size - 1 :]
    profile = profile / profile[0]
    floor = 0.02
    profile = np.clip((profile - floor) / (1.0 - floor), 0.0, None)
    reach_px = float(offsets[np.argmin(profile > 0)]) / mm_per_px + 2.0
    low, high = curve_px.min(axis=0) - reach_px, curve_px.max(axis=0) + reach_px
    columns = _between(low[0], high[0], canvas.left, canvas.right)
    rows = _between(low[1], high[1], canvas.top, canvas.bottom)
    distance = np.full((rows.size, columns.size), 1e9, np.float32)
    arcs = np.zeros(distance.shape, np.float32)
    lengths = arc_lengths(curve_px)
    still_kernels.nearest_on_curve_into(
        distance,
        arcs,
        curve_px - (columns[0], rows[0]),
        lengths / max(lengths[-1], 1e-9),
        reach_px,
    )
    half_mm = float(np.interp(-0.5, -profile, offsets))
    return Sprite(
        values=_framed(np.interp(distance * mm_per_px, offsets, profile, right=0.0)),
        x0_px=int(columns[0]),
        y0_px=int(rows[0]),
        width_px=2.0 * half_mm / mm_per_px,
        half_px=curve_px,
        arcs=np.clip(arcs * 255.0 + 0.5, 0, 255).astype(np.uint8),
    )


def stained_patch(
    centre_px: Point,
    mm_per_px: float,
    rng: np.random.Generator,
    *,
    diameter_mm: float,
    edge_mm: float,
    ragged: float,
    aspect: float = 1.0,
    angle_deg: float = 0.0,
    canvas: Canvas,
) -> Sprite:
    """Return a patch of changed tissue: 1 inside, a soft edge, ``ragged`` (relative) in outline."""
    radius_px = 0.5 * diameter_mm / mm_per_px
    edge_px = max(edge_mm / mm_per_px, 1.0)
    reach = radius_px * (1.0 + 2.5 * ragged) + edge_px + 2.0
    columns, rows = canvas.clipped(centre_px, reach)
    x, y = np.meshgrid(columns - centre_px[0], rows - centre_px[1])
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    along, across = x * cos + y * sin, (y * cos - x * sin) / aspect
    theta = np.arctan2(across, along)
    outline = np.ones_like(theta)
    for order in range(2, 8):
        outline += (
            ragged
            / math.sqrt(order)
            * math.sqrt(0.5)
            * rng.normal()
            * np.cos(order * theta + rng.uniform(0, 2 * math.pi))
        )
    t = np.clip(0.5 + 0.5 * (radius_px * outline - np.hypot(along, across)) / edge_px, 0.0, 1.0)
    return Sprite(
        values=_framed(t * t * (3.0 - 2.0 * t)),
        x0_px=int(columns[0]),
        y0_px=int(rows[0]),
        width_px=2.0 * radius_px,
        half_px=np.array([centre_px]),
    )
