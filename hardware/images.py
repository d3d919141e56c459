"""Image files as frames, read when they are asked for, never all at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardware.camera import CameraError, IncompleteFrameError
from hardware.frame import Frame, PixelFormat, frozen_pixels, half_exposure_ns

SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".pgm", ".ppm", ".jpg", ".jpeg")

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


def image_files(folder: Path) -> tuple[Path, ...]:
    """Return the images in ``folder``, in the order a person counts: 2 before 10.

    Names that begin with a dot are hidden, and no images (``._im1.png`` is what macOS leaves beside
    ``im1.png`` on a memory stick).

    Raises
    ------
    CameraError
        There is no such folder, no image in it, or a link to an image that is gone.
    """
    if not folder.is_dir():
        raise CameraError(f"{folder}: no such folder of images")
    named = [
        p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
    ]
    for path in named:
        if path.is_symlink() and not path.exists():
            raise CameraError(f"{path}: a link that leads nowhere", "remove it or fetch the image")
    files = [p for p in named if p.is_file()]
    if not files:
        raise CameraError(f"{folder}: holds no images ({', '.join(SUFFIXES)})")
    return tuple(sorted(files, key=_counting_order))


def _counting_order(path: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"(\d+)", path.name)
    # every second part is digits; str.isdigit() would also take what int() does not, such as "²"
    return [(int(p), "") if i % 2 else (0, p) for i, p in enumerate(parts)], path.name


def read_image(path: Path) -> Pixels:
    """Return the pixels as stored: (H, W) or (H, W, 3) RGB, uint8 or uint16, owned.

    Raises
    ------
    IncompleteFrameError
        The file cannot be read, is cut short, or holds no 8 or 16 bit image.
    """
    from hardware.opencv import cv2

    try:
        encoded = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError as error:
        raise IncompleteFrameError(f"{path}: cannot be read ({error})") from None
    if encoded[:2].tobytes() in (b"P2", b"P3"):  # OpenCV wants something behind the last number
        encoded = np.append(encoded, np.uint8(ord("\n")))
    try:
        pixels = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if encoded.size else None
    except (cv2.error, MemoryError):
        raise IncompleteFrameError(
            f"{path}: claims to be larger than can be read: damaged, or no picture of a camera"
        ) from None
    if pixels is None:
        raise IncompleteFrameError(f"{path}: not an image, or cut short")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise IncompleteFrameError(f"{path}: {pixels.dtype} pixels; 8 or 16 bit are needed")
    if pixels.ndim == 3:
        pixels = np.ascontiguousarray(pixels[..., 2::-1])
    owned: Pixels = pixels
    return owned


class FolderFrames:
    """The images of a folder as frames; iterate as often as you like.

    A file that cannot be read raises IncompleteFrameError, and the iteration goes on with the
    next one.

    Parameters
    ----------
    folder
        Read in counting order (2 before 10).
    pixel_format
        What the pixels are. Grey images for Mono and Bayer, colour ones for RGB8.
    fps
        The recording's rate; frame ``i`` is exposed ``i / fps`` seconds after the first.
    shift_bits
        How far values were shifted up in the file (Basler's emulator wants Mono12 at the top of
        16 bits: 4).

    Raises
    ------
    CameraError
        No such folder, or no image in it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        pixel_format: PixelFormat,
        fps: float,
        exposure_us: float = 10_000.0,
        gain_db: float = 0.0,
        shift_bits: int = 0,
        camera_id: str | None = None,
    ) -> None:
        if not fps > 0:
            raise ValueError(f"fps must be positive, not {fps}")
        self._files = image_files(folder)
        self._pixel_format = pixel_format
        self._period_ns = round(1e9 / fps)
        self._exposure_us = exposure_us
        self._gain_db = gain_db
        self._shift_bits = shift_bits
        self._camera_id = camera_id or f"folder-{folder.name}"

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Frame]:
        return map(self._frame, range(len(self._files)))

    def _frame(self, index: int) -> Frame:
        path = self._files[index]
        pixels = read_image(path)
        kind = self._pixel_format
        if self._shift_bits:
            pixels = np.right_shift(pixels, pixels.dtype.type(self._shift_bits))
        if kind.dtype is np.uint16 and pixels.dtype == np.uint8:
            pixels = pixels.astype(np.uint16)
        if pixels.ndim == 2 and kind.dtype is np.uint16:
            brightest = int(pixels.max())
            if brightest >> kind.bit_depth:
                raise IncompleteFrameError(
                    f"{path}: {brightest} counts do not fit {kind}; "
                    "a value shifted up in its file needs shift_bits"
                )
        try:
            return _frame(
                pixels,
                index,
                self._period_ns,
                pixel_format=kind,
                bit_depth=kind.bit_depth,
                exposure_us=self._exposure_us,
                gain_db=self._gain_db,
                camera_id=self._camera_id,
            )
        except ValueError as error:
            raise IncompleteFrameError(f"{path}: {error}") from None


def frames_from_arrays(
    arrays: Iterable[Pixels],
    *,
    pixel_format: PixelFormat,
    fps: float,
    exposure_us: float = 10_000.0,
    gain_db: float = 0.0,
    bit_depth: int | None = None,
    camera_id: str = "arrays",
) -> tuple[Frame, ...]:
    """Make frames of arrays; they are given away (made read-only, copied only if they must be).

    Parameters
    ----------
    arrays
        Shaped and typed as `PixelFormat.array_shape` and `PixelFormat.dtype` say.
    fps
        Frame ``i`` is exposed ``i / fps`` seconds after the first.

    Raises
    ------
    ValueError
        An array does not fit the format.
    """
    if not fps > 0:
        raise ValueError(f"fps must be positive, not {fps}")
    return tuple(
        _frame(
            pixels,
            index,
            round(1e9 / fps),
            pixel_format=pixel_format,
            bit_depth=pixel_format.bit_depth if bit_depth is None else bit_depth,
            exposure_us=exposure_us,
            gain_db=gain_db,
            camera_id=camera_id,
        )
        for index, pixels in enumerate(arrays)
    )


def _frame(
    pixels: Pixels,
    index: int,
    period_ns: int,
    *,
    pixel_format: PixelFormat,
    bit_depth: int,
    exposure_us: float,
    gain_db: float,
    camera_id: str,
) -> Frame:
    mid_exposure_ns = index * period_ns
    return Frame(
        pixels=frozen_pixels(pixels),
        pixel_format=pixel_format,
        bit_depth=bit_depth,
        sequence=index,
        stream_epoch=0,
        device_time_ns=0,
        host_time_ns=mid_exposure_ns + half_exposure_ns(exposure_us),
        mid_exposure_ns=mid_exposure_ns,
        exposure_us=exposure_us,
        gain_db=gain_db,
        camera_id=camera_id,
    )


def write_emulator_image(path: Path, pixels: Pixels, bit_depth: int) -> None:
    """Write a file that Basler's emulator plays back bit for bit.

    The emulator takes the top bits of a 16 bit image, so deeper formats are shifted up. An
    uncompressed TIFF costs it a third of the time a PNG does (measured at 1280x1024).
    """
    import tifffile

    stored = pixels << (16 - bit_depth) if bit_depth > 8 else pixels
    tifffile.imwrite(path, stored, photometric="minisblack")
