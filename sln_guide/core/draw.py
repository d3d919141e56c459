"""Draw frames and guidance as RGB32 pictures, (H, W) uint32 0xffRRGGBB.

Thin validating wrappers over the kernels of `draw_demosaic`, `draw_tiles` and `draw_overlay`.
Functions ending in ``_into`` write to the caller's C-contiguous ``out`` and allocate nothing of its
size. All may be called from any thread; a `Drawer` (it owns scratch memory) from one thread at a
time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.balance import Gains
from hardware.frame import Frame, PixelFormat, frozen_pixels
from sln_guide.core import draw_demosaic as demosaic
from sln_guide.core import draw_overlay as overlay
from sln_guide.core import draw_scale, draw_tiles
from sln_guide.core.colour import colour_table, full_scale
from sln_guide.core.draw_geometry import Lookup, lookup, lookup_key
from sln_guide.core.draw_mask import draw_mask
from sln_guide.core.draw_memory import PictureMemory
from sln_guide.guidance import CannotJudge, Guidance, Settings, View

NEUTRAL = Gains()
_MAX_GAIN = 8.0

Picture32 = NDArray[np.uint32]

_RED_AT = {"RG": (0, 0), "GR": (0, 1), "GB": (1, 0), "BG": (1, 1)}
_MIN_WINDOW_COUNTS = 1.0


def draw_white_into(out: Picture32, white: Frame, gains: Gains = NEUTRAL) -> None:
    """Draw plain colour: bilinear demosaic, white balance, the eight most significant bits.

    Parameters
    ----------
    out
        (H, W) uint32 of the frame's size, overwritten.
    white
        Bayer or RGB8.
    gains
        White balance.

    Raises
    ------
    ValueError
        ``out`` of another size or type, a monochrome frame, or gains out of range.
    """
    _check_out(out, (white.height, white.width))
    factors = _fixed_point(gains, white)
    if white.pixel_format is PixelFormat.RGB8:
        demosaic.rgb_into(out, white.pixels, factors)
    else:
        demosaic.bayer_into(out, white.pixels, *_red_at(white), factors)


def draw_nir_into(out: Picture32, nir: Frame, low: float, high: float) -> None:
    """Draw grey NIR: ``low`` [counts] is black, ``high`` white, linear in between.

    Raises
    ------
    ValueError
        ``out`` of another size or type, a frame that is not monochrome, or ``high <= low``.
    """
    _check_out(out, (nir.height, nir.width))
    window = _window(nir, low, high)
    if nir.pixel_format is PixelFormat.MONO12P:
        demosaic.mono12p_into(out, nir.pixels, *window)
    else:
        demosaic.mono_into(out, nir.pixels, *window)


def thumbnail_white_into(out: Picture32, white: Frame, gains: Gains = NEUTRAL) -> None:
    """Draw plain colour shrunk to the size of ``out`` (any; 2x2 samples a pixel are averaged)."""
    _check_out(out, None)
    factors = _fixed_point(gains, white)
    if white.pixel_format is PixelFormat.RGB8:
        demosaic.rgb_thumbnail_into(out, white.pixels, factors)
    else:
        demosaic.bayer_thumbnail_into(out, white.pixels, *_red_at(white), factors)


def thumbnail_nir_into(out: Picture32, nir: Frame, low: float, high: float) -> None:
    """Draw grey NIR shrunk to the size of ``out``; window as in `draw_nir_into`."""
    _check_out(out, None)
    window = _window(nir, low, high)
    packed = nir.pixel_format is PixelFormat.MONO12P
    demosaic.mono_thumbnail_into(out, nir.pixels, packed, nir.width, *window)


def nir_window(nir: Frame) -> tuple[float, float]:
    """Return (low, high) [counts] that shows ``nir`` well, whatever glares in it.

    From the 1st to the 99.5th percentile, but where most of the frame lies far below that, up to
    three times narrower: an injection site must not leave all else black. All there is, where the
    frame is one grey: what is saturated all over is white. Taken from a fixed sparse sample, so
    the cost does not grow with the frame. For display only: the overlay's scale is the calibrated
    one.

    Raises
    ------
    ValueError
        A frame that is not monochrome.
    """
    if not nir.pixel_format.is_mono:
        raise ValueError(f"{nir.pixel_format} is not monochrome: it has no NIR window")
    step = max(min(nir.height, nir.width) // 64, 1)
    sample = np.asarray(_unpacked_sample(nir, step), dtype=np.float32)
    low, most, top = (float(p) for p in np.percentile(sample, (1.0, 75.0, 99.5)))
    high = min(top, max(low + 4.0 * (most - low), low + (top - low) / 3.0))
    if high - low < _MIN_WINDOW_COUNTS:  # one grey all over: as bright as it is, not black
        return 0.0, float(2**nir.bit_depth - 1)
    return low, high


class Drawer:
    """Draws pictures; keeps scratch memory between calls, nothing that shows. One thread."""

    def __init__(self, gains: Gains = NEUTRAL) -> None:
        _check_gains(gains)
        self._gains = gains
        self._memory = PictureMemory()
        self._scratch: dict[str, NDArray[Any]] = {}
        self._overlay: overlay.Scratch | None = None
        self._lookup: tuple[tuple[object, ...], Lookup] | None = None

    def draw(
        self,
        view: View,
        white: Frame | None,
        nir: Frame | None,
        guidance: Guidance | None,
        settings: Settings,
    ) -> Picture32:
        """Return a new read-only picture of what ``view`` asks for.

        ``guidance`` is drawn in the merged view only; None draws plain colour. The NIR view needs
        ``nir``, the others ``white``.

        Raises
        ------
        ValueError
            The frame that ``view`` shows is missing or of the wrong kind.
        """
        frame = nir if view is View.NIR else white
        if frame is None:
            raise ValueError(
                f"the {view} view needs a {'NIR' if view is View.NIR else 'white'} frame"
            )
        out = self._memory.take(frame.height, frame.width)
        if view is View.NIR:
            draw_nir_into(out, frame, *nir_window(frame))
        elif view is View.MERGED and guidance is not None:
            self.draw_merged_into(out, frame, guidance, settings)
        else:
            draw_white_into(out, frame, self._gains)
        out.setflags(write=False)
        return out

    def draw_merged_into(
        self, out: Picture32, white: Frame, guidance: Guidance, settings: Settings
    ) -> bool:
        """Draw colour with the guidance's signal over it; return whether an overlay could be.

        It cannot without a registration, and then plain colour is drawn. Rules and cost: see
        `sln_guide.core.draw_overlay`.

        Parameters
        ----------
        out
            (H, W) uint32 of the white frame's size, overwritten.
        white
            Bayer or RGB8; need not be the guidance's own.
        guidance
            Maps, registration and detections.
        settings
            Threshold, opacity, colours, scale and visibility: the operator's newest.

        Raises
        ------
        ValueError
            ``out`` of another size or type, maps that do not fit the guidance's NIR frame, or a
            registration that cannot be inverted.
        """
        scale = full_scale(guidance, settings)
        if guidance.registration.kind == "none" or not (math.isfinite(scale) and scale > 0):
            draw_white_into(out, white, self._gains)
            return False
        _check_out(out, (white.height, white.width))
        _check_maps(guidance)
        at = self._looked_up(guidance, white)
        rows, cols = guidance.signal.shape
        mask = draw_mask(guidance, settings)
        if mask is None:
            mask = self._array("all", (rows, cols), np.uint8)
            mask.fill(1)
        level = self._array("level", (rows, cols), np.float32)
        gate = self._array("gate", (rows, cols), np.float32)
        flags = self._array("flags", (rows, cols), np.uint8)
        draw_tiles.prepare_field_into(
            level,
            gate,
            flags,
            _read_only(guidance.signal),
            _read_only(guidance.significance),
            _read_only(guidance.cannot_judge),
            mask,
            np.uint8(CannotJudge.SATURATED),
            np.float32(settings.threshold_sigma),
            np.float32(1.0 / scale),
        )
        tiles = self._array("tiles", at.known.shape, np.uint8)
        pairs = self._array("pairs", (rows, cols), np.uint8)
        draw_tiles.classify_tiles_into(tiles, at.bounds, at.known, flags, pairs)
        if self._overlay is None or len(self._overlay.places) != tiles.shape[1]:
            self._overlay = overlay.scratch_for(tiles.shape[1])
        overlay.merged_into(
            out,
            white.pixels,
            (0, 0) if white.pixel_format is PixelFormat.RGB8 else _red_at(white),
            _fixed_point(self._gains, white),
            overlay.Shown(
                tiles,
                level,
                gate,
                flags,
                at.h,
                at.field_edge,
                at.step,
                colour_table(settings.colour_map, settings.gamma),
                # colour tables count opacity to 255, blending to 256
                np.float32(settings.opacity * 256.0 / 255.0),
            ),
            self._overlay,
        )
        return True

    def white_thumbnail(self, white: Frame, width_px: int) -> Picture32:
        """Return a new read-only picture of ``white``, ``width_px`` wide, in its proportions."""
        out = np.empty(thumbnail_shape(white, width_px), dtype=np.uint32)
        thumbnail_white_into(out, white, self._gains)
        out.setflags(write=False)
        return out

    def nir_thumbnail(self, nir: Frame, width_px: int) -> Picture32:
        """Return a new read-only picture of ``nir``, ``width_px`` wide, in its proportions."""
        out = np.empty(thumbnail_shape(nir, width_px), dtype=np.uint32)
        thumbnail_nir_into(out, nir, *nir_window(nir))
        out.setflags(write=False)
        return out

    def _looked_up(self, guidance: Guidance, white: Frame) -> Lookup:
        """Return where pixels look up the maps: the same as last time while nothing moved."""
        key = lookup_key(guidance, white)
        if self._lookup is None or self._lookup[0] != key:
            self._lookup = key, lookup(guidance, white)
        return self._lookup[1]

    def _array(self, name: str, shape: tuple[int, ...], dtype: type[Any]) -> NDArray[Any]:
        """Return scratch memory of ``shape``, the same as last time when that fits."""
        kept = self._scratch.get(name)
        if kept is None or kept.shape != shape:
            kept = self._scratch[name] = np.empty(shape, dtype=dtype)
        return kept


def thumbnail_shape(frame: Frame, width_px: int) -> tuple[int, int]:
    """Return (rows, cols) of a thumbnail ``width_px`` wide in the frame's proportions."""
    if width_px < 1:
        raise ValueError(f"a thumbnail needs at least 1 px, not {width_px}")
    return max(round(width_px * frame.height / frame.width), 1), width_px


def warm_up_alone(white: PixelFormat | None, nir: PixelFormat | None, gains: Gains) -> None:
    """Compile what draws frames of these formats by themselves, or load it from numba's cache.

    And what scales any picture to the size it is seen at.
    """
    draw_scale.warm_up()
    out = np.empty((_BLANK_PX, _BLANK_PX), np.uint32)
    if nir is not None:
        draw_nir_into(out, _blank(nir), 0.0, 1.0)
    if white is not None:
        draw_white_into(out, _blank(white), gains)


_BLANK_PX = 16


def _blank(pixel_format: PixelFormat) -> Frame:
    pixels: NDArray[Any] = np.zeros(
        pixel_format.array_shape(_BLANK_PX, _BLANK_PX), dtype=pixel_format.dtype
    )
    return Frame(
        pixels=frozen_pixels(pixels),
        pixel_format=pixel_format,
        bit_depth=pixel_format.bit_depth,
        sequence=0,
        stream_epoch=0,
        device_time_ns=0,
        host_time_ns=0,
        mid_exposure_ns=0,
        exposure_us=1.0,
        gain_db=0.0,
        camera_id="blank",
    )


def _check_out(out: Picture32, shape: tuple[int, int] | None) -> None:
    if out.dtype != np.uint32 or out.ndim != 2 or not out.flags.c_contiguous:
        raise ValueError(f"out must be C-contiguous (H, W) uint32, not {out.shape} {out.dtype}")
    if shape is not None and out.shape != shape:
        raise ValueError(f"out must be {shape} like the frame, not {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out is read-only: give a new array for each picture")


def _check_gains(gains: Gains) -> None:
    if not (all(0.0 < g <= _MAX_GAIN for g in gains[:3]) and 0.0 <= gains.black < 1.0):
        raise ValueError(
            f"gains must be three factors in (0, {_MAX_GAIN:g}] and black in [0, 1), not {gains}"
        )


def _fixed_point(gains: Gains, white: Frame) -> tuple[np.uint16, ...] | None:
    """Return what the kernels multiply with; None when they need not."""
    _check_gains(gains)
    if white.pixel_format.is_mono:
        raise ValueError(f"{white.pixel_format} has no colour: it cannot be drawn as white light")
    if gains == NEUTRAL and white.bit_depth == 8 and white.pixels.dtype == np.uint8:
        return None
    top = ((1 << white.bit_depth) - 1) << (16 - white.bit_depth)
    factors = (round(g / (1.0 - gains.black) * demosaic.GAIN_UNIT) for g in gains[:3])
    fixed = (1 << (16 - white.bit_depth), *factors, round(gains.black * top))
    return tuple(np.uint16(min(factor, 2**16 - 1)) for factor in fixed)


def _red_at(white: Frame) -> tuple[int, int]:
    """Return (row, column) of red in the mosaic's top-left cell."""
    return _RED_AT[white.pixel_format.bayer_pattern]


def _window(nir: Frame, low: float, high: float) -> tuple[np.float32, np.float32]:
    """Return what the kernels take: (low, grey levels a count)."""
    if not nir.pixel_format.is_mono:
        raise ValueError(f"{nir.pixel_format} is not monochrome: it cannot be drawn as NIR")
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        raise ValueError(f"the NIR window must have low < high, not {low} and {high}")
    return np.float32(low), np.float32(255.0 / (high - low))


def _check_maps(guidance: Guidance) -> None:
    nir, grid_px = guidance.pair.nir, guidance.grid_px
    if grid_px < 1:
        raise ValueError(f"grid_px must be at least 1, not {grid_px}")
    expected = (-(-nir.height // grid_px), -(-nir.width // grid_px))
    for name, kind in (
        ("signal", np.float32),
        ("significance", np.float32),
        ("cannot_judge", np.uint8),
    ):
        grid = getattr(guidance, name)
        if grid.shape != expected or grid.dtype != kind or not grid.flags.c_contiguous:
            raise ValueError(
                f"guidance.{name} must be C-contiguous {expected} {np.dtype(kind)}, "
                f"not {grid.shape} {grid.dtype}"
            )


def _unpacked_sample(nir: Frame, step: int) -> NDArray[Any]:
    """Return about each ``step``-th pixel both ways."""
    if nir.pixel_format is not PixelFormat.MONO12P:
        return nir.pixels[::step, ::step]
    pairs = nir.pixels[::step].reshape(-1, nir.width // 2, 3)[:, :: max(step // 2, 1)]
    first: NDArray[Any] = (
        pairs[..., 0].astype(np.uint16) | (pairs[..., 1] & 15).astype(np.uint16) << 8
    )
    return first


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view: one type for numba, whoever made the array."""
    view = array.view()
    view.setflags(write=False)
    return view
