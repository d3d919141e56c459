"""Drawings in millimetres, as PDF at true scale and as SVG: boards to print, plots to read."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field

from sln_guide import __version__

POINTS_PER_MM = 72.0 / 25.4
DOT_MM = 1.2
A4_MM = (210.0, 297.0)
Colour = tuple[float, float, float]
BLACK: Colour = (0.0, 0.0, 0.0)
GREY: Colour = (0.45, 0.45, 0.45)
PALE: Colour = (0.85, 0.85, 0.85)
BLUE: Colour = (0.10, 0.35, 0.75)
RED: Colour = (0.80, 0.15, 0.10)
GREEN: Colour = (0.10, 0.55, 0.25)
_HELVETICA_WIDTH = 0.52


@dataclass(slots=True)
class Drawing:
    """One page; x to the right and y down, from the top-left corner, in mm."""

    width_mm: float = A4_MM[0]
    height_mm: float = A4_MM[1]
    _pdf: list[str] = field(default_factory=list)
    _svg: list[str] = field(default_factory=list)

    def rectangle(
        self, x: float, y: float, width: float, height: float, colour: Colour = BLACK
    ) -> None:
        """Fill a rectangle."""
        px, py = self._place(x, y + height)
        w, h = width * POINTS_PER_MM, height * POINTS_PER_MM
        self._pdf.append(f"{_rgb(colour)} rg {px:.4f} {py:.4f} {w:.4f} {h:.4f} re f")
        self._svg.append(
            f'<rect x="{x:.3f}" y="{y:.3f}" width="{width:.3f}" height="{height:.3f}" '
            f'fill="{_hex(colour)}"/>'
        )

    def line(
        self,
        points: Sequence[tuple[float, float]],
        colour: Colour = BLACK,
        width_mm: float = 0.25,
    ) -> None:
        """Draw straight pieces from point to point."""
        if len(points) < 2:
            return
        places = [self._place(x, y) for x, y in points]
        first, rest = places[0], places[1:]
        path = f"{first[0]:.3f} {first[1]:.3f} m " + " ".join(f"{x:.3f} {y:.3f} l" for x, y in rest)
        self._pdf.append(f"{_rgb(colour)} RG {width_mm * POINTS_PER_MM:.3f} w {path} S")
        joined = " ".join(f"{x:.3f},{y:.3f}" for x, y in points)
        self._svg.append(
            f'<polyline points="{joined}" fill="none" stroke="{_hex(colour)}" '
            f'stroke-width="{width_mm:.3f}"/>'
        )

    def dot(self, x: float, y: float, colour: Colour = BLUE) -> None:
        """Mark a point."""
        half = 0.5 * DOT_MM
        self.rectangle(x - half, y - half, DOT_MM, DOT_MM, colour)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size_mm: float = 3.2,
        colour: Colour = BLACK,
        anchor: str = "start",
    ) -> None:
        """Write one line; ``anchor`` "start", "middle" or "end" says what lies at ``x``."""
        width = len(words) * size_mm * _HELVETICA_WIDTH
        left = x - {"start": 0.0, "middle": 0.5 * width, "end": width}[anchor]
        px, py = self._place(left, y)
        raw = words.encode("cp1252", "replace").decode("cp1252")
        safe = raw.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        self._pdf.append(
            f"BT {_rgb(colour)} rg /F1 {size_mm * POINTS_PER_MM:.3f} Tf "
            f"{px:.3f} {py:.3f} Td ({safe}) Tj ET"
        )
        self._svg.append(
            f'<text x="{x:.3f}" y="{y:.3f}" font-size="{size_mm:.3f}" text-anchor="{anchor}" '
            f'font-family="Helvetica, Arial, sans-serif" fill="{_hex(colour)}">'
            f"{html.escape(words)}</text>"
        )

    def svg(self) -> str:
        """Return the page as an SVG element."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width_mm}mm" '
            f'height="{self.height_mm}mm" viewBox="0 0 {self.width_mm} {self.height_mm}">'
            + "".join(self._svg)
            + "</svg>"
        )

    def _place(self, x: float, y: float) -> tuple[float, float]:
        return x * POINTS_PER_MM, (self.height_mm - y) * POINTS_PER_MM


def pdf(pages: Sequence[Drawing], title: str) -> bytes:
    """Return a PDF file of ``pages``, one millimetre drawn as one millimetre."""
    objects: list[bytes] = []
    first_page = 4
    kids = " ".join(f"{first_page + 2 * k} 0 R" for k in range(len(pages)))
    objects.append(
        b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None >> >>"
    )
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    objects.append(
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    )
    for k, page in enumerate(pages):
        box = f"0 0 {page.width_mm * POINTS_PER_MM:.4f} {page.height_mm * POINTS_PER_MM:.4f}"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [{box}] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {first_page + 2 * k + 1} 0 R "
            ">>".encode()
        )
        stream = "\n".join(page._pdf).encode("cp1252")
        objects.append(b"<< /Length %d >>\nstream\n" % len(stream) + stream + b"\nendstream")
    safe = title.encode("ascii", "replace").decode().replace("(", "[").replace(")", "]")
    objects.append(f"<< /Title ({safe}) /Producer (sln-guide {__version__}) >>".encode())
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for place in places:
        out += b"%010d 00000 n \n" % place
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        len(objects),
        start,
    )
    return bytes(out)


def _rgb(colour: Colour) -> str:
    return " ".join(f"{c:.3f}" for c in colour)


def _hex(colour: Colour) -> str:
    return "#" + "".join(f"{round(255 * c):02x}" for c in colour)
