"""What an image file says of itself before its pixels are decoded, and what decoders pass over."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from sln_guide.recording.importing.picture import ImportProblem

TRANSPARENT = "holds transparency, which is left out: colours are taken as stored"
LOSSY = "is compressed with loss: as exact as that"
TURNED = "says that it is to be turned or mirrored for the eye: taken as it is stored"
TURN_TAG = 0x0112
"""EXIF's and TIFF's orientation; 1 is upright."""

_PNG = b"\x89PNG\r\n\x1a\n"
_GREY, _WITH_ALPHA = 0, (4, 6)
_JPEG_SIZES = (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_JPEG_SCAN, _JPEG_APP1 = 0xDA, 0xE1
_INKS = 4


@dataclass(frozen=True, slots=True)
class Head:
    """``bits``: how many the file states, None where it does not.

    ``remarks``: what it holds and a case does not, in words that follow a name.
    """

    bits: int | None = None
    remarks: tuple[str, ...] = ()


def head_of(path: Path) -> Head:
    """Return what a PNG (after proving it whole), JPEG or PGM states; nothing for other files.

    OpenCV would also refuse a damaged file, but only after printing its own lines about it.

    Raises
    ------
    ImportProblem
        The file is damaged, cut short, an animation, or its numbers are no light.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImportProblem(f"{path}: cannot be read ({error.strerror})") from None
    if not data:
        raise ImportProblem(f"{path}: is empty")
    if data.startswith(_PNG):
        return _png(path, data)
    if data.startswith(b"\xff\xd8"):
        return _jpeg(path, data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Head(remarks=(LOSSY,) if data[12:16] == b"VP8 " else ())
    return Head(_pgm_bits(data[:4096]))


def _pgm_bits(data: bytes) -> int | None:
    """Return the bits a PGM states by its largest value; 65535 is only what 16 bits can hold."""
    header = re.match(rb"P[25](?:\s|#[^\n]*\n)+\d+(?:\s|#[^\n]*\n)+\d+(?:\s|#[^\n]*\n)+(\d+)", data)
    largest = int(header[1]) if header is not None else 0
    return largest.bit_length() if 255 < largest < 65535 else None


def _png(path: Path, data: bytes) -> Head:
    """Walk its chunks: checksums, bits by sBIT (grey only), transparency, samples under 8 bits."""
    position, bits = len(_PNG), None
    remarks: dict[str, None] = {}
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(data):
            break
        content = data[position + 8 : end - 4]
        if zlib.crc32(kind + content) != int.from_bytes(data[end - 4 : end], "big"):
            raise ImportProblem(
                f"{path}: is damaged (a checksum does not match): remove it or fetch it again"
            )
        if kind == b"IHDR" and length >= 10:
            depth, colour = content[8], content[9]
            if colour == _GREY and depth < 8:
                remarks[f"has values of {depth} bit, which are stretched to 0 to 255"] = None
        if kind == b"tRNS" or (kind == b"IHDR" and length >= 10 and content[9] in _WITH_ALPHA):
            remarks[TRANSPARENT] = None
        if kind == b"sBIT" and length == 1:
            bits = content[0]
        if kind == b"acTL":
            raise ImportProblem(f"{path}: is an animation: save its pictures one by one")
        if kind == b"IEND":
            return Head(bits, tuple(remarks))
        position = end
    raise ImportProblem(f"{path}: is cut short: remove it or fetch it again")


def _jpeg(path: Path, data: bytes) -> Head:
    """Walk its segments up to the first scan: number of colours, and which way up."""
    if b"\xff\xd9" not in data[-4096:]:
        raise ImportProblem(f"{path}: is cut short: remove it or fetch it again")
    remarks = [LOSSY]
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # padding before a marker
            position += 1
            continue
        if marker == _JPEG_SCAN:
            break
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        content = data[position + 4 : position + 2 + length]
        if marker in _JPEG_SIZES and len(content) > 5 and content[5] == _INKS:
            raise ImportProblem(f"{path}: its colours are inks (CMYK): save it as RGB")
        if marker == _JPEG_APP1 and content.startswith(b"Exif\0\0") and _turned(content[6:]):
            remarks.append(TURNED)
        position += 2 + length
    return Head(remarks=tuple(remarks))


def _turned(exif: bytes) -> bool:
    """Whether EXIF (a TIFF directory) says other than upright."""

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], "big" if exif[:2] == b"MM" else "little")

    at = number(4, 4)
    for entry in range(number(at, 2)):
        place = at + 2 + 12 * entry
        if place + 12 > len(exif):
            break
        if number(place, 2) == TURN_TAG:
            return 2 <= number(place + 8, 2) <= 8
    return False
