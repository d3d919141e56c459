"""Scenes of our own to judge the detector by: not the phantom's optics, not its shapes.

A second forward model, deliberately built another way: everything multiplies in the logarithm,
texture is a sum of octaves with a drawn slope, light spreads as a disc convolved with the sum of
a narrow and a wide Gaussian, borders are wavy level sets, instruments are tapered bars.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame, PixelFormat, frozen_pixels

MM_PER_PX = 0.1
KINDS = (
    "plain",
    "border",
    "instrument",
    "glints",
    "channel",
    "flicker",
    "dim",
    "everything",
    "empty",
    "empty-hard",
)
"""They take turns; *motion* is drawn on request only."""
MOTION_MM_S = (10.0, 30.0)
SKEW_S, EXPOSURE_S = 0.004, 0.010
"""Of *motion*: how much later white light is exposed, and for how long NIR is."""


@dataclass(frozen=True)
class TrueNode:
    x_px: float
    y_px: float
    width_px: float
    contrast: float
    depth_mm: float
    visible: float


@dataclass(frozen=True)
class Rendered:
    kind: str
    nir: Frame
    white: Frame
    nodes: tuple[TrueNode, ...]
    noiseless: NDArray[np.float32]
    noiseless_white: Frame
    electron_counts: float
    read_noise_counts: float
    dark_counts: float
    extra: dict[str, object] = field(default_factory=dict)


def _noise(rng: np.random.Generator, h: int, w: int, sigma: float) -> NDArray[np.float32]:
    """Unit-variance Gaussian field of correlation ``sigma`` px, computed where it is coarse."""
    f = max(1, int(sigma / 2.5))
    hh, ww = h // f + 6, w // f + 6
    z = cv2.GaussianBlur(rng.standard_normal((hh, ww)).astype(np.float32), (0, 0), sigma / f)
    z /= z.std()
    large = cv2.resize(z, (ww * f, hh * f), interpolation=cv2.INTER_CUBIC)
    return np.asarray(large[2 * f : 2 * f + h, 2 * f : 2 * f + w], np.float32)


def texture(
    rng: np.random.Generator, h: int, w: int, slope: float, rms: float
) -> NDArray[np.float32]:
    """Octaves from 5 to 160 px; octave k has amplitude ``2**(slope k)``; node-scale rms ``rms``."""
    out = np.zeros((h, w), np.float32)
    power = 0.0
    for k, sigma in enumerate((5, 10, 20, 40, 80, 160)):
        a = 2.0 ** (slope * (k - 2.5))
        out += np.float32(a) * _noise(rng, h, w, sigma)
        if 1 <= k <= 4:
            power += a * a
    return out * np.float32(rms / np.sqrt(power))


def spot(
    h: int, w: int, x: float, y: float, radius: float, blur: float, aspect: float, angle: float
) -> NDArray[np.float32]:
    """A disc's light after scatter, peak 1."""
    reach = int(radius + 5 * blur + 10)
    x0, x1, y0, y1 = (
        max(int(x) - reach, 0),
        min(int(x) + reach, w),
        max(int(y) - reach, 0),
        min(int(y) + reach, h),
    )
    out = np.zeros((h, w), np.float32)
    n = 2 * reach + 1
    yy, xx = np.mgrid[0:n, 0:n].astype(np.float32) - reach
    ca, sa = np.cos(angle), np.sin(angle)
    u, v = ca * xx + sa * yy, (-sa * xx + ca * yy) / aspect
    disc = np.clip(radius - np.hypot(u, v) + 0.5, 0, 1).astype(np.float32)
    light = 0.75 * cv2.GaussianBlur(disc, (0, 0), blur) + 0.25 * cv2.GaussianBlur(
        disc, (0, 0), 2 * blur
    )
    light /= light.max()
    sx, sy = x0 - (int(x) - reach), y0 - (int(y) - reach)
    if x1 > x0 and y1 > y0:
        out[y0:y1, x0:x1] = light[sy : sy + y1 - y0, sx : sx + x1 - x0]
    return out


def _moved(light: NDArray[np.float32], way_px: NDArray[np.float64]) -> NDArray[np.float32]:
    """Blur by a motion along ``way_px`` during the exposure, about its middle."""
    side = 2 * int(np.ceil(np.abs(way_px).max())) + 3
    kernel = np.zeros((side, side), np.float32)
    for share in np.linspace(-0.5, 0.5, 41):
        x, y = side // 2 + share * way_px
        c, r = int(x), int(y)
        for dr, dc in ((0, 0), (0, 1), (1, 0), (1, 1)):
            kernel[r + dr, c + dc] += (1 - abs(y - r - dr)) * (1 - abs(x - c - dc))
    return np.asarray(cv2.filter2D(light, -1, kernel / kernel.sum()), np.float32)


def render(
    seed: int,
    kind: str | None = None,
    *,
    height: int = 1024,
    width: int = 1280,
    noise_seed: int | None = None,
    contrast: tuple[float, float] = (0.1, 3.5),
    texture_rms: float = 0.16,
) -> Rendered:
    """Draw the scene of ``seed``; ``kind`` None: the kinds take turns."""
    rng = np.random.default_rng((seed, 7))
    kind = kind or KINDS[seed % len(KINDS)]
    h, w = height, width
    hard = kind in ("everything", "empty-hard")
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    slope = rng.uniform(0.0, 0.6)
    shared = texture(rng, h, w, slope, 1.0)
    hidden = texture(rng, h, w, slope, 1.0)
    log_nir = texture_rms * np.float32(np.sqrt(0.5)) * (shared + hidden)
    vessels = texture(rng, h, w, 0.0, 1.0)
    fat = texture(rng, h, w, 0.4, 1.0)
    weights = rng.uniform(0.6, 1.4, 3) * np.array([0.06, 0.12, 0.10])
    log_rgb = np.stack(
        [
            weights[0] * shared - 0.01 * vessels + 0.02 * fat,
            weights[1] * shared - 0.07 * vessels + 0.02 * fat,
            weights[2] * shared - 0.06 * vessels - 0.03 * fat,
        ]
    ).astype(np.float32)
    cx, cy = rng.uniform(0.35, 0.65) * w, rng.uniform(0.35, 0.65) * h
    fall = rng.uniform(0.2, 0.7)
    log_nir -= np.float32(fall) * (((xx - cx) / w) ** 2 + ((yy - cy) / h) ** 2) * 2
    log_white = -0.5 * ((xx - w / 2) ** 2 + (yy - h / 2) ** 2) / np.float32((w / 1.6) ** 2)
    log_nir += np.float32(0.15) * log_white
    tissue_rgb = np.log(np.array([0.62, 0.30, 0.24]) * rng.uniform(0.9, 1.1, 3))

    if kind in ("border",) or hard:
        shape = _noise(rng, h, w, 150) + np.float32(rng.uniform(-1.2, -0.4))
        soft = rng.uniform(1.0, 6.0)
        gy, gx = np.gradient(shape)
        slope_px = np.hypot(gx, gy) + 1e-4
        other = 1 / (1 + np.exp(-np.clip(shape / slope_px / soft, -30, 30)))
        log_nir += other * np.float32(rng.choice([-1, 1]) * rng.uniform(0.3, 0.9))
        step = np.array(rng.uniform(-0.5, 0.5, 3), np.float32)
        log_rgb += step[:, None, None] * other
    level = rng.uniform(60, 150) if kind == "dim" else rng.uniform(200, 900)
    light = level * np.exp(log_nir)
    metal = np.zeros((h, w), np.float32)
    grey = np.zeros((h, w), np.float32)
    glint_nir = np.zeros((h, w), np.float32)
    glint_white = np.zeros((h, w), np.float32)

    nodes: list[tuple[float, float, float, float, float, NDArray[np.float32]]] = []
    centres: list[tuple[float, float, float]] = []

    if kind == "channel" or hard:
        ix, iy = rng.uniform(0.12, 0.3) * w, rng.uniform(0.2, 0.8) * h
        core = spot(h, w, ix, iy, rng.uniform(20, 50), rng.uniform(12, 20), 1.0, 0.0)
        halo = np.exp(-np.hypot(xx - ix, yy - iy) / np.float32(rng.uniform(40, 70)))
        light += level * (rng.uniform(20, 60) * core + rng.uniform(2, 6) * halo)
        centres.append((ix, iy, 220.0))
        tx, ty = rng.uniform(0.55, 0.85) * w, rng.uniform(0.2, 0.8) * h
        t = np.linspace(0, 1, 60)
        px = ix + (tx - ix) * t + 40 * np.sin(6 * t + rng.uniform(0, 6))
        py = iy + (ty - iy) * t + 50 * np.sin(4 * t + rng.uniform(0, 6))
        line = np.zeros((h, w), np.float32)
        cv2.polylines(
            line,
            [np.stack([px, py], 1).round().astype(np.int32)],
            False,
            1.0,
            int(rng.integers(6, 14)),
        )
        line = cv2.GaussianBlur(line, (0, 0), rng.uniform(6, 12))
        light += level * np.exp(np.float32(-0.2)) * rng.uniform(0.4, 1.5) * line / line.max()
        centres += [(float(a), float(b), 70.0) for a, b in zip(px[::3], py[::3], strict=True)]
    count = 0 if kind.startswith("empty") else int(rng.integers(2, 5))
    for _ in range(200):
        if len(nodes) >= count:
            break
        x, y = rng.uniform(70, w - 70), rng.uniform(70, h - 70)
        if any(np.hypot(x - a, y - b) < d + 90 for a, b, d in centres):
            continue
        depth = rng.uniform(0, 10)
        diameter = rng.uniform(3, 12)
        blur = (0.6 + 0.28 * depth) / MM_PER_PX
        c = float(np.exp(rng.uniform(*np.log(contrast))))
        shape = spot(
            h, w, x, y, diameter / 2 / MM_PER_PX, blur, rng.uniform(0.7, 1.0), rng.uniform(0, 3.1)
        )
        # `spot` draws around whole pixels
        nodes.append(
            (int(x), int(y), depth, c, float(2 * np.sqrt((shape >= 0.5).sum() / np.pi)), shape)
        )
        centres.append((x, y, 100.0))
    background = light.copy()
    for x, y, _, c, _, shape in nodes:
        around = background[max(int(y) - 3, 0) : int(y) + 4, max(int(x) - 3, 0) : int(x) + 4].mean()
        light += np.float32(c * around) * shape
        if rng.uniform() < 0.15:
            log_rgb += np.array([-0.25, -0.1, 0.05], np.float32)[:, None, None] * shape
    if kind == "instrument" or hard:
        for _ in range(int(rng.integers(1, 3))):
            angle = rng.uniform(0, 2 * np.pi)
            ax, ay = rng.uniform(0.2, 0.8) * w, rng.uniform(0.2, 0.8) * h
            d = np.array([np.cos(angle), np.sin(angle)])
            n = np.array([-d[1], d[0]])
            half = rng.uniform(15, 45)
            end = np.array([ax, ay]) + 2000 * d
            quad = np.array(
                [
                    [ax, ay] + 0.5 * half * n,
                    end + half * n,
                    end - half * n,
                    [ax, ay] - 0.5 * half * n,
                ]
            )
            bar = np.zeros((h, w), np.uint8)
            cv2.fillPoly(bar, [quad.round().astype(np.int32)], 255)
            bar_f = cv2.GaussianBlur(bar.astype(np.float32) / 255, (0, 0), 1.2)
            metal = np.maximum(metal, bar_f)
            across = (xx - ax) * np.float32(n[0]) + (yy - ay) * np.float32(n[1])
            shine = np.exp(
                -0.5
                * ((across - rng.uniform(-0.4, 0.4) * half) / np.float32(rng.uniform(2, 6))) ** 2
            )
            along = (xx - ax) * np.float32(d[0]) + (yy - ay) * np.float32(d[1])
            lit = np.exp(
                -0.5 * ((along - rng.uniform(100, 500)) / np.float32(rng.uniform(20, 120))) ** 2
            )
            glint_nir += bar_f * shine * lit * np.float32(level * rng.uniform(1, 10))
            glint_white += bar_f * shine * (0.3 + lit)
            grey = np.maximum(grey, bar_f)
    if kind == "glints" or hard:
        for _ in range(int(rng.integers(6, 20))):
            x, y, s = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(1.0, 5.0)
            g = spot(h, w, x, y, s, 0.8, rng.uniform(0.3, 1), rng.uniform(0, 3.1))
            glint_nir += g * np.float32(level * rng.uniform(0.5, 8))
            glint_white += g
    flick = rng.uniform(0.8, 1.2) if kind == "flicker" else 1.0
    light = light * (1 - metal) + level * np.float32(rng.uniform(0.02, 0.3)) * metal + glint_nir
    light = cv2.GaussianBlur(light, (0, 0), 0.8) * np.float32(flick)
    later_px = (0.0, 0.0)
    if kind == "motion":
        speed, angle = rng.uniform(*MOTION_MM_S) / MM_PER_PX, rng.uniform(0, 2 * np.pi)
        velocity_px_s = speed * np.array([np.cos(angle), np.sin(angle)])
        later_px = tuple(SKEW_S * velocity_px_s)
        light = _moved(light, velocity_px_s * EXPOSURE_S)
    if kind == "flicker":
        light *= 1 + 0.01 * np.sin(yy / np.float32(rng.uniform(15, 60)))

    k, read, dark = rng.uniform(0.2, 0.8), rng.uniform(2, 6), 64.0
    noise = np.random.default_rng((seed, 11 if noise_seed is None else noise_seed))
    z = noise.standard_normal((h, w), dtype=np.float32)
    raw = light + dark + z * np.sqrt(read**2 + np.float32(k) * light)
    hot = noise.integers(0, h * w, 30)
    raw.ravel()[hot] += noise.uniform(200, 3000, 30).astype(np.float32)
    raw = np.clip(np.rint(raw), 0, 4095).astype(np.uint16)

    rgb = np.exp(tissue_rgb[:, None, None] + log_rgb + log_white).astype(np.float32)
    rgb = rgb * (1 - grey) + np.float32(rng.uniform(0.25, 0.5)) * grey
    rgb = np.clip(rgb + glint_white, 0, 1) * 200
    if any(later_px):
        shift = np.array([[1, 0, later_px[0]], [0, 1, later_px[1]]])
        rgb = np.stack(
            [cv2.warpAffine(c, shift, (w, h), borderMode=cv2.BORDER_REFLECT) for c in rgb]
        )
    mosaic = rgb[1].copy()
    mosaic[0::2, 0::2] = rgb[0, 0::2, 0::2]
    mosaic[1::2, 1::2] = rgb[2, 1::2, 1::2]
    quiet8 = _as_bytes(mosaic * 1.15)
    mosaic += noise.standard_normal((h, w), dtype=np.float32) * (1 + 0.05 * mosaic) ** 0.5 * 1.5
    mosaic8 = _as_bytes(mosaic * 1.15)

    truth = tuple(
        TrueNode(
            x,
            y,
            width_,
            c,
            depth,
            float((shape * (1 - metal))[shape > 0.5].sum() / shape[shape > 0.5].sum()),
        )
        for x, y, depth, c, width_, shape in nodes
    )
    return Rendered(
        kind,
        frame_of(raw, PixelFormat.MONO12, seed),
        frame_of(mosaic8, PixelFormat.BAYER_RG8, seed),
        truth,
        light.astype(np.float32),
        frame_of(quiet8, PixelFormat.BAYER_RG8, seed),
        k,
        read,
        dark,
    )


def _as_bytes(counts: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(np.rint(counts), 0, 255).astype(np.uint8)


def frame_of(pixels: NDArray[np.generic], pixel_format: PixelFormat, sequence: int = 0) -> Frame:
    return Frame(
        pixels=frozen_pixels(pixels),
        pixel_format=pixel_format,
        bit_depth=pixel_format.bit_depth,
        sequence=sequence,
        stream_epoch=0,
        device_time_ns=0,
        host_time_ns=0,
        mid_exposure_ns=0,
        exposure_us=10_000.0,
        gain_db=0.0,
        camera_id="scene",
    )
