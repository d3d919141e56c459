"""`import_case`: a case of what other programs recorded, saying all that was assumed."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame, PixelFormat, frozen_pixels, half_exposure_ns
from hardware.rig import CameraSpec, Optics, Registration, Rig, Sensor
from sln_guide.guidance import Role, Settings
from sln_guide.recording.arrays import pack_array
from sln_guide.recording.description import CaseDescription
from sln_guide.recording.folder import failure
from sln_guide.recording.importing.picture import ImportProblem
from sln_guide.recording.importing.registration import load_registration
from sln_guide.recording.importing.request import ImportRequest
from sln_guide.recording.importing.sources import ImageFiles, open_source
from sln_guide.recording.importing.stream import (
    Stream,
    choose_nir_format,
    choose_white_format,
    examine,
    grey_of,
    remarks_on,
)
from sln_guide.recording.importing.target import new_case, place_for
from sln_guide.recording.importing.times import set_times
from sln_guide.recording.pairs import nearest_pairs
from sln_guide.recording.reader import DARK
from sln_guide.recording.writer import CaseWriter

Progress = Callable[[int, int], None]

ASSUMED_EXPOSURE_US = 1000.0
"""One millisecond: signal then reads as counts."""
_OFFSET_SHARE = 0.1
"""Share of the median below which a sensor's unknown offset makes little difference."""


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What was imported, and everything that was not told: read from the files or assumed."""

    folder: Path
    frames: dict[Role, int]
    pairs: int
    head: str
    assumptions: tuple[str, ...]
    damage: tuple[str, ...] = ()
    """What could not be read whole, and was imported as far as it could."""

    def text(self) -> str:
        """Return one line for a terminal."""
        counts = ", ".join(f"{n} {role.value}" for role, n in self.frames.items() if n)
        return f"{self.folder}: {counts} frames, {self.pairs} pairs"


def import_case(request: ImportRequest, progress: Progress | None = None) -> ImportSummary:
    """Make a case of recorded pictures; raw values are never altered.

    Every file is read once to check it before anything is written, and once to import it.
    ``progress`` is called with steps done and steps in all.

    Raises
    ------
    ImportProblem
        Naming the file and what to do.
    RecordingError
        When the case's folder cannot be written.
    """
    out = request.out
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ImportProblem(f"{out}: already there: choose another name for the case")
    except OSError as error:
        raise failure(out, "make the case folder", error) from None
    notes: list[str] = []
    streams = [
        Stream(role, open_source(path, colour=role is Role.WHITE))
        for role, path in ((Role.NIR, request.nir), (Role.WHITE, request.white))
        if path is not None
    ]
    steps = Steps(progress)
    damage: list[str] = []
    for stream in streams:
        examine(stream, steps.step)
        notes += [*stream.source.notes, *remarks_on(stream)]
        damage += stream.source.damage
    steps.know(2 * sum(s.count for s in streams))
    by_role = {s.role: s for s in streams}
    if Role.NIR in by_role:
        choose_nir_format(by_role[Role.NIR], request.bit_depth, notes)
    if Role.WHITE in by_role:
        choose_white_format(by_role[Role.WHITE], request.white_format, notes)
    rate_hz = set_times(streams, request.fps, request.timestamps, notes)
    dark_map = None if request.dark is None else _dark_map(request.dark, by_role.get(Role.NIR))
    rig = Rig(
        name="imported",
        description="; ".join(f"{s.role.value} from {s.source.path.name}" for s in streams),
        nir=_spec(by_role.get(Role.NIR), request, rate_hz, notes),
        white=_spec(by_role.get(Role.WHITE), request, rate_hz, None),
        optics=Optics(mm_per_px=request.mm_per_px),
        sensor=Sensor(dark_counts=_dark_counts(request.black_level, dark_map, by_role, notes)),
        registration=_registration(request.registration, by_role, notes),
    )
    if request.mm_per_px is None:
        notes.append("scale unknown: sizes in px only (--mm-per-px)")
    notes.append("recorded when the first file was last changed, by the file system")
    place = place_for(out)
    description = CaseDescription(
        rig=rig,
        settings=Settings(),
        title=out.stem,
        started_wall_ns=_changed_ns(streams[0]),
        started_monotonic_ns=0,
    )
    with new_case(place, out, description) as case:
        if dark_map is not None:
            case.attach(DARK, pack_array(dark_map), "application/x-npy")
        case.write_event("imported", rig.description, 0)
        for kind, lines in (("assumed", notes), ("damaged", damage)):
            for line in lines:
                case.write_event(kind, line, 0)
        _write(case, streams, rig, steps)
        summary = case.close()
    nir_count = by_role[Role.NIR].count if Role.NIR in by_role else 0
    pairs = _count_pairs(by_role) if len(by_role) == 2 else nir_count
    return ImportSummary(
        out, dict(summary.frames), pairs, summary.head, tuple(notes), tuple(damage)
    )


def _changed_ns(stream: Stream) -> int:
    """Return when the first file of a stream was last changed (ns since 1970)."""
    source = stream.source
    first = source.files[0] if isinstance(source, ImageFiles) else source.path
    return int(first.stat().st_mtime_ns)


class Steps:
    """Progress over two passes; how many pictures there are is known after the first."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._done = 0
        self._total = 0

    def know(self, total: int) -> None:
        """Set how many steps there are."""
        self._total = total

    def step(self) -> None:
        """Count one step."""
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, max(self._total, self._done))


def _dark_map(path: Path, nir: Stream | None) -> NDArray[np.float32]:
    """Return the mean of the dark pictures, (H, W) float32 counts."""
    if nir is None:
        raise ImportProblem("--dark: there is no NIR to subtract it from")
    total: NDArray[np.float64] | None = None
    count = 0
    for picture in open_source(path, colour=False).pictures():
        pixels = grey_of(picture) if picture.pixels.ndim == 3 else picture.pixels
        if pixels.shape != (nir.height, nir.width):
            raise ImportProblem(
                f"{picture.name}: the dark frame is {pixels.shape[1]}x{pixels.shape[0]} px, "
                f"NIR {nir.width}x{nir.height}: give the one taken with this camera and ROI"
            )
        if pixels.dtype != nir.dtype:
            raise ImportProblem(f"{picture.name}: {pixels.dtype} pixels, but NIR has {nir.dtype}")
        total = pixels.astype(np.float64) if total is None else total + pixels
        count += 1
    if total is None:
        raise ImportProblem(f"{path}: holds no dark frame")
    return (total / count).astype(np.float32)


def _dark_counts(
    told: float | None,
    dark_map: NDArray[np.float32] | None,
    streams: dict[Role, Stream],
    notes: list[str],
) -> float:
    nir = streams.get(Role.NIR)
    if told is not None:
        if nir is not None and told >= (1 << nir.bit_depth) - 1:
            raise ImportProblem(
                f"--black-level {told:g}: leaves no light in {nir.bit_depth} bits: give the counts "
                "without light"
            )
        return told
    if dark_map is not None:
        return float(np.mean(dark_map, dtype=np.float64))
    note = "black level 0 counts"
    if nir is not None and nir.darkest > _OFFSET_SHARE * nir.middle:
        note += (
            f", though hardly a pixel reads less than {nir.darkest:.0f}: as far as that is the "
            "sensor's offset, SBR is too low and tools are told from tissue less well"
        )
    notes.append(f"{note} (--black-level or --dark)")
    return 0.0


def _spec(
    stream: Stream | None,
    request: ImportRequest,
    rate_hz: float | None,
    notes: list[str] | None,
) -> CameraSpec | None:
    if stream is None:
        return None
    exposure_us, gain_db = request.exposure_us, request.gain_db
    if notes is not None and exposure_us is None:
        notes.append(f"exposure {ASSUMED_EXPOSURE_US:g} us: signal reads as counts (--exposure-us)")
    if notes is not None and gain_db is None:
        notes.append("gain 0 dB (--gain-db)")
    return CameraSpec(
        source="recording",
        pixel_format=stream.pixel_format,
        exposure_us=ASSUMED_EXPOSURE_US if exposure_us is None else exposure_us,
        gain_db=0.0 if gain_db is None else gain_db,
        frame_rate_hz=rate_hz,
    )


def _registration(
    told: Path | str | None, streams: dict[Role, Stream], notes: list[str]
) -> Registration:
    if len(streams) < 2:
        return Registration(kind="none")
    nir, white = streams[Role.NIR], streams[Role.WHITE]
    alike = (nir.width, nir.height) == (white.width, white.height)
    if told is None:
        if alike:
            notes.append("registration: both views cover the same pixels, never measured: ASSUMED")
            return Registration(kind="assumed")
        notes.append(
            f"no registration: NIR is {nir.width}x{nir.height}, white {white.width}x{white.height} "
            "px: views side by side, no overlay (--registration)"
        )
        return Registration(kind="none")
    if str(told) == "none":
        return Registration(kind="none")
    if str(told) == "identity":
        if not alike:
            raise ImportProblem(
                f"--registration identity: NIR is {nir.width}x{nir.height}, white "
                f"{white.width}x{white.height} px: give a file with the matrix, or none"
            )
        return Registration(kind="assumed")
    return load_registration(Path(told))


def _count_pairs(streams: dict[Role, Stream]) -> int:
    nir, white = (
        np.array([round(t * 1e9) for t in streams[role].times_s], np.int64)
        for role in (Role.NIR, Role.WHITE)
    )
    return sum(found is not None for _, found in nearest_pairs(nir, white))


def _write(case: CaseWriter, streams: list[Stream], rig: Rig, steps: Steps) -> None:
    """Second pass: both streams in the order of their times."""
    frames = [_frames(stream, rig) for stream in streams]
    for role, frame in heapq.merge(*frames, key=lambda entry: entry[1].mid_exposure_ns):
        case.write_frame(role, frame)
        steps.step()


def _frames(stream: Stream, rig: Rig) -> Iterator[tuple[Role, Frame]]:
    spec = rig.nir if stream.role is Role.NIR else rig.white
    assert spec is not None
    index = 0
    for picture in stream.source.pictures():
        if index >= stream.count:
            raise ImportProblem(f"{stream.source.path}: changed while it was imported")
        pixels = picture.pixels
        if stream.role is Role.NIR and pixels.ndim == 3:
            pixels = grey_of(picture)
        if stream.pixel_format is PixelFormat.RGB8 and pixels.ndim == 2:
            pixels = np.repeat(pixels[..., np.newaxis], 3, axis=2)
        mid_exposure_ns = round(stream.times_s[index] * 1e9)
        try:
            frame = Frame(
                pixels=frozen_pixels(pixels),
                pixel_format=stream.pixel_format,
                bit_depth=stream.bit_depth,
                sequence=stream.sequences[index],
                stream_epoch=0,
                device_time_ns=0,
                host_time_ns=mid_exposure_ns + half_exposure_ns(spec.exposure_us),
                mid_exposure_ns=mid_exposure_ns,
                exposure_us=spec.exposure_us,
                gain_db=spec.gain_db,
                camera_id=f"recording-{stream.source.path.name}",
            )
        except ValueError as error:
            raise ImportProblem(
                f"{picture.name}: changed while it was imported ({error})"
            ) from None
        yield stream.role, frame
        index += 1
    if index < stream.count:
        raise ImportProblem(f"{stream.source.path}: changed while it was imported")
