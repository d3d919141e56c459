"""The NIR stream, bit for bit, in files that other tools read: FFV1 in MKV, and OME-TIFF.

Beside each file lies a table, ``<file>.csv``: which frame each picture is, its exact time, and
what could not be read. Values are as the camera sent them, in the low bits, dark offset included.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import tifffile
from numpy.typing import NDArray

from hardware.frame import Frame, PixelFormat
from sln_guide import __version__
from sln_guide.export.folder import ExportError, OutputFolder
from sln_guide.export.tables import Table
from sln_guide.guidance import Mode, Role
from sln_guide.recording import CaseReader, DamagedError, RecordingError

COLUMNS = (
    "picture",
    "frame",
    "time_s",
    "mid_exposure_ns",
    "stream_epoch",
    "sequence",
    "exposure_us",
    "gain_db",
    "light_on",
    "unreadable",
)
MS_PER_S = 1000
"""Matroska's usual clock: exact times stand in the table."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class RawSummary:
    """What was exported. ``unread`` names the frames that could not be."""

    path: Path
    table: Path
    pictures: int
    unread: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every frame of the case is in the file."""
        return not self.unread

    def text(self) -> str:
        """Say it in a few lines."""
        lines = [f"{self.path.name}: {self.pictures} NIR frames, lossless ({self.table.name})"]
        return "\n".join(lines + [f"  not read: {what}" for what in self.unread])


@dataclass(frozen=True, slots=True)
class _Facts:
    index: int
    height: int
    width: int
    dtype: np.dtype[Any]
    bit_depth: int
    mid_exposure_ns: int
    stream_epoch: int
    sequence: int
    exposure_us: float
    gain_db: float
    light_on: bool | None


@dataclass(frozen=True, slots=True)
class _Survey:
    """What is in the case: readable frames, all of one size, and what is wrong with others."""

    facts: tuple[_Facts, ...]
    unread: dict[int, str]


def export_mkv(case: CaseReader, path: Path, *, progress: Progress | None = None) -> RawSummary:
    """Write the NIR stream of ``case`` as FFV1, 8 or 16 bit grey, to ``path`` (MKV).

    An exception from ``progress``, told (steps done, steps in all), ends the export and leaves
    nothing.

    Raises
    ------
    ExportError
        When the file exists, cannot be written, or frames differ in size.
    RecordingError
        When the case holds no readable NIR frame.
    """
    return _export(case, path, _write_mkv, progress)


def export_ome_tiff(
    case: CaseReader, path: Path, *, progress: Progress | None = None
) -> RawSummary:
    """Write the NIR stream of ``case`` as an OME-TIFF, a page a frame, uncompressed, to ``path``.

    Pixel size, times and exposures stand in its OME-XML (schema 2016-06). Progress and errors as
    for `export_mkv`.
    """
    return _export(case, path, _write_ome_tiff, progress)


def _export(
    case: CaseReader,
    path: Path,
    write: Callable[[Path, CaseReader, _Survey, Callable[[], None]], None],
    progress: Progress | None,
) -> RawSummary:
    table_name = path.name + ".csv"
    for target in (path, path.with_name(table_name)):
        if target.exists():
            raise ExportError(f"{target} exists already: choose another name")
    count = case.count(Role.NIR)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, 2 * count)

    survey = _survey(case, advance)
    with OutputFolder(path.parent, (table_name, path.name), force=True) as folder:
        try:
            _write_table(folder.partial(table_name), survey, count)
            write(folder.partial(path.name), case, survey, advance)
        except (OSError, av.FFmpegError) as error:
            raise folder.failure(f"write {path.name}", error) from None
        folder.publish()
    if progress is not None:
        progress(2 * count, 2 * count)
    return RawSummary(
        path, path.with_name(table_name), len(survey.facts), tuple(survey.unread.values())
    )


def _survey(case: CaseReader, advance: Callable[[], None]) -> _Survey:
    facts: list[_Facts] = []
    unread: dict[int, str] = {}
    for index in range(case.count(Role.NIR)):
        try:
            frame = case.frame(Role.NIR, index)
        except DamagedError as error:
            unread[index] = str(error)
            advance()
            continue
        own = _facts(index, frame)
        first = facts[0] if facts else own
        if (own.height, own.width, own.dtype) != (first.height, first.width, first.dtype):
            raise ExportError(
                f"NIR frame {index} is {own.width}x{own.height} {own.dtype}, the first "
                f"{first.width}x{first.height} {first.dtype}: one file holds one size"
            )
        facts.append(own)
        advance()
    if not facts:
        raise RecordingError(f"case {case.folder.name} holds no readable NIR frame")
    return _Survey(tuple(facts), unread)


def _facts(index: int, frame: Frame) -> _Facts:
    return _Facts(
        index=index,
        height=frame.height,
        width=frame.width,
        dtype=np.dtype(np.uint8 if frame.pixel_format.bit_depth == 8 else np.uint16),
        bit_depth=frame.bit_depth,
        mid_exposure_ns=frame.mid_exposure_ns,
        stream_epoch=frame.stream_epoch,
        sequence=frame.sequence,
        exposure_us=frame.exposure_us,
        gain_db=frame.gain_db,
        light_on=frame.light_on,
    )


def _pictures(
    case: CaseReader, survey: _Survey, advance: Callable[[], None]
) -> Iterator[NDArray[Any]]:
    for facts in survey.facts:
        yield unpacked(case.frame(Role.NIR, facts.index))
        advance()


def unpacked(frame: Frame) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return a mono frame's values, (H, W): its own pixels, or Mono12p taken apart as uint16.

    Mono12p puts two pixels into three bytes, least significant bits first (PFNC).
    """
    if frame.pixel_format is not PixelFormat.MONO12P:
        return frame.pixels
    low, middle, high = (frame.pixels[:, i::3].astype(np.uint16) for i in range(3))
    values = np.empty((frame.height, frame.width), np.uint16)
    values[:, 0::2] = low | (middle & 0x0F) << 8
    values[:, 1::2] = middle >> 4 | high << 4
    return values


def _seconds(survey: _Survey) -> list[float]:
    first = survey.facts[0].mid_exposure_ns
    return [(facts.mid_exposure_ns - first) / 1e9 for facts in survey.facts]


def _write_table(path: Path, survey: _Survey, count: int) -> None:
    readable = {
        facts.index: (picture, facts, time_s)
        for picture, (facts, time_s) in enumerate(zip(survey.facts, _seconds(survey), strict=True))
    }
    with path.open("w", encoding="utf-8", newline="") as file:
        table = Table(file, COLUMNS)
        for index in range(count):
            if index in survey.unread:
                table.write((None, index, *(None,) * 7, survey.unread[index]))
                continue
            picture, facts, time_s = readable[index]
            table.write(
                (
                    picture,
                    index,
                    time_s,
                    facts.mid_exposure_ns,
                    facts.stream_epoch,
                    facts.sequence,
                    facts.exposure_us,
                    facts.gain_db,
                    facts.light_on,
                    None,
                )
            )


def _write_mkv(path: Path, case: CaseReader, survey: _Survey, advance: Callable[[], None]) -> None:
    first = survey.facts[0]
    layout = "gray" if first.dtype == np.uint8 else "gray16le"
    with av.open(str(path), "w", format="matroska") as container:
        container.metadata.update(_description(case, first))
        # FFV1 version 3 with a checksum in every slice: damage shows, and stays in its slice
        stream = container.add_stream(
            "ffv1", rate=_rate(survey), options={"level": "3", "slicecrc": "1"}
        )
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, layout
        clock = Fraction(1, MS_PER_S)
        stream.time_base = stream.codec_context.time_base = clock
        last = -1
        pictures = _pictures(case, survey, advance)
        for time_s, pixels in zip(_seconds(survey), pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format=layout)
            last = max(round(time_s * MS_PER_S), last + 1)
            frame.pts, frame.time_base = last, clock
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


def _write_ome_tiff(
    path: Path, case: CaseReader, survey: _Survey, advance: Callable[[], None]
) -> None:
    first, count = survey.facts[0], len(survey.facts)
    started_ns = case.started_wall_ns + first.mid_exposure_ns - case.started_monotonic_ns
    about: dict[str, Any] = {
        "axes": "TYX",
        "Name": f"{case.title or case.folder.stem} NIR",
        "Description": "; ".join(f"{k}: {v}" for k, v in _description(case, first).items()),
        "AcquisitionDate": _utc(started_ns),
        "SignificantBits": first.bit_depth,
        "Channel": {"Name": "NIR"},
        "Plane": {
            "DeltaT": _seconds(survey),
            "DeltaTUnit": ["s"] * count,
            "ExposureTime": [facts.exposure_us for facts in survey.facts],
            "ExposureTimeUnit": ["µs"] * count,
        },
        "UUID": str(uuid.UUID(case.header.case_id)),
    }
    rigs = [case.rig if plane is None else plane.rig(case.rig) for plane in case.planes()]
    scales = {rig.vouched_mm_per_px for rig in rigs}
    mm_per_px = scales.pop() if len(scales) == 1 else None  # one file can tell one scale only
    if mm_per_px is not None:
        for axis in "XY":
            about[f"PhysicalSize{axis}"] = mm_per_px
            about[f"PhysicalSize{axis}Unit"] = "mm"
    with tifffile.TiffWriter(path, bigtiff=True, ome=True) as file:
        file.write(
            _pictures(case, survey, advance),
            shape=(count, first.height, first.width),
            dtype=first.dtype,
            photometric="minisblack",
            metadata=about,
            software=f"sln-guide {__version__}",
        )


def _description(case: CaseReader, first: _Facts) -> dict[str, str]:
    marks = ", SIMULATED" if case.mode is Mode.SIMULATED else ""
    return {
        "title": f"{case.title or case.folder.stem} NIR",
        "comment": f"RESEARCH USE ONLY{marks}; raw counts in the low {first.bit_depth} bits; "
        f"case {case.header.case_id}",
    }


def _rate(survey: _Survey) -> Fraction:
    """Return roughly how many frames come a second; players want to know."""
    steps = np.diff(_seconds(survey))
    period_s = float(np.median(steps)) if len(steps) else 0.0
    return Fraction(1 / period_s if period_s > 1e-6 else 1.0).limit_denominator(1001)


def _utc(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns / 1e9, UTC).replace(tzinfo=None).isoformat()
