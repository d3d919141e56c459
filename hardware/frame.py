"""`Frame`: one exposure of one camera, exactly as the camera sent it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class PixelFormat(StrEnum):
    """Pixel layouts, spelled as GenICam's standard feature naming convention does."""

    MONO8 = "Mono8"
    MONO10 = "Mono10"
    MONO12 = "Mono12"
    MONO12P = "Mono12p"
    MONO16 = "Mono16"
    BAYER_RG8 = "BayerRG8"
    BAYER_GB8 = "BayerGB8"
    BAYER_GR8 = "BayerGR8"
    BAYER_BG8 = "BayerBG8"
    BAYER_RG10 = "BayerRG10"
    BAYER_GB10 = "BayerGB10"
    BAYER_GR10 = "BayerGR10"
    BAYER_BG10 = "BayerBG10"
    BAYER_RG12 = "BayerRG12"
    BAYER_GB12 = "BayerGB12"
    BAYER_GR12 = "BayerGR12"
    BAYER_BG12 = "BayerBG12"
    RGB8 = "RGB8"

    @property
    def is_bayer(self) -> bool:
        """Whether pixels are a colour-filter mosaic."""
        return self.value.startswith("Bayer")

    @property
    def is_bayer8(self) -> bool:
        """Whether pixels are a colour-filter mosaic of 8 bits: what may be stored as JPEG."""
        return self.is_bayer and self.bit_depth == 8

    @property
    def is_mono(self) -> bool:
        """Whether pixels are grey levels."""
        return self.value.startswith("Mono")

    @property
    def bit_depth(self) -> int:
        """Significant bits a sample: values lie in ``[0, 2**bit_depth - 1]``."""
        digits = "".join(c for c in self.value if c.isdigit())
        return int(digits)

    @property
    def bayer_pattern(self) -> str:
        """Colours of the top-left 2x2 cell's first row and so the phase: RG, GB, GR or BG.

        Raises ValueError for a format without a mosaic.
        """
        if not self.is_bayer:
            raise ValueError(f"{self.value} is not a Bayer format")
        return self.value[5:7]

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """Element type of `Frame.pixels`; packed formats are byte arrays."""
        packed_or_8 = self is PixelFormat.MONO12P or self.bit_depth == 8
        return np.uint8 if packed_or_8 else np.uint16

    def array_shape(self, height: int, width: int) -> tuple[int, ...]:
        """Shape of `Frame.pixels` for an image of ``height`` x ``width`` pixels.

        Raises ValueError for Mono12p of an odd width.
        """
        if self is PixelFormat.RGB8:
            return (height, width, 3)
        if self is PixelFormat.MONO12P:
            if width % 2:
                raise ValueError("Mono12p rows need an even width")
            return (height, width * 3 // 2)
        return (height, width)


@dataclass(frozen=True, slots=True, eq=False)
class RoomLight:
    """What was taken off a lit frame of gated light, and the noise that it left behind.

    Attributes
    ----------
    dark_sequences
        The dark frames in use, oldest first: the last was taken off, moved as tissue moved from the
        one before it.
    level_counts
        Mean of what was taken off, above the sensor's offset.
    noise_counts
        Noise [counts rms] of a pixel without light of its own: that of reading and of the room's
        light in both frames. None: the sensor's figures are not known.
    offset_counts
        What no light at all is in the frame: high enough to keep noise below zero.
    blinded
        (H, W) bool, read-only: room light saturates the sensor there, nothing can be said; None:
        nowhere.
    """

    dark_sequences: tuple[int, ...]
    level_counts: float
    noise_counts: float | None
    offset_counts: float
    blinded: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One exposure. Immutable; shared by reference between threads.

    Attributes
    ----------
    pixels
        C-contiguous, **read-only**, owned by the frame and nobody else. ``(H, W)`` uint8 or uint16
        (values in the low ``bit_depth`` bits); ``(H, W, 3)`` uint8 for RGB8;
        ``(H, W * 3 // 2)`` uint8 for packed Mono12p. See `PixelFormat.array_shape`.
    pixel_format, bit_depth
        Layout, and significant bits a sample (may be fewer than the format's, never more).
    sequence
        The device's own counter (BlockID): a gap is a loss.
    stream_epoch
        Counts (re-)attachments, since device counters restart.
    device_time_ns
        The device's clock, 0 where it has none (Basler's emulator).
    host_time_ns
        `time.monotonic_ns` when the SDK handed the frame over.
    mid_exposure_ns
        Estimated middle of the exposure on the host's monotonic clock.
    exposure_us, gain_db
        Of *this* frame (chunk data where the camera has it).
    settings_in_flight
        True for frames that may straddle a change of exposure or gain.
    light_on
        Excitation light during this exposure, from the line status; None where not wired.
    room_light
        What was taken off, of a frame that no camera took but gated light made; None: as it came.
    lossy
        True where a recording kept the pixels as JPEG: close to what the camera sent, not it.
    camera_id
        Serial number, or a name that says what simulated it.
    """

    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    pixel_format: PixelFormat
    bit_depth: int
    sequence: int
    stream_epoch: int
    device_time_ns: int
    host_time_ns: int
    mid_exposure_ns: int
    exposure_us: float
    gain_db: float
    camera_id: str
    light_on: bool | None = None
    settings_in_flight: bool = False
    room_light: RoomLight | None = None
    lossy: bool = False

    def __post_init__(self) -> None:
        expected = self.pixel_format.array_shape(self.height, self.width)
        if self.pixels.shape != expected or self.pixels.dtype != self.pixel_format.dtype:
            raise ValueError(
                f"{self.pixel_format} pixels must be {expected} "
                f"{self.pixel_format.dtype.__name__}, "
                f"got {self.pixels.shape} {self.pixels.dtype}"
            )
        if not self.pixels.flags.c_contiguous or self.pixels.flags.writeable:
            raise ValueError("Frame.pixels must be C-contiguous and read-only")
        if not 1 <= self.bit_depth <= self.pixel_format.bit_depth:
            raise ValueError(f"bit_depth {self.bit_depth} does not fit {self.pixel_format}")

    @property
    def height(self) -> int:
        """Rows of the image."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of the image (of pixels, not of packed bytes)."""
        columns = int(self.pixels.shape[1])
        return columns * 2 // 3 if self.pixel_format is PixelFormat.MONO12P else columns

    @property
    def gain(self) -> float:
        """Linear amplitude gain, ``10 ** (gain_db / 20)``."""
        return float(10.0 ** (self.gain_db / 20.0))


def half_exposure_ns(exposure_us: float) -> int:
    """Return half an exposure [ns]: mid-exposure lies so long before its end."""
    return round(exposure_us * 500)


def frozen_pixels(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return ``pixels`` C-contiguous and read-only; copies only when it has to.

    The caller gives the array away: it must keep no writable reference to it.
    """
    owned = np.ascontiguousarray(pixels)
    owned.setflags(write=False)
    return owned
