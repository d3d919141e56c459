"""The records of a case, as they stand on disk. Format: ``docs/case-format.md``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame, PixelFormat, frozen_pixels
from hardware.rig import Rig
from sln_guide.guidance import (
    Detection,
    Guidance,
    Interval,
    Kind,
    Mode,
    Role,
    Settings,
)
from sln_guide.recording.codec import (
    MAX_PIXEL_BYTES,
    Codec,
    codec_for,
    compress,
    decompress_into,
)
from sln_guide.recording.errors import NewerFormatError, RecordingError

FORMAT_VERSION = 2
OLDEST_FORMAT = 2
"""Format 1 was never released."""
PROFILE = "sln-guide-case"

GUIDANCE, SHOWN, EVENTS, HEALTH, SNAPSHOTS, GAPS, ATTACHED, CHAIN = (
    "guidance",
    "shown",
    "events",
    "health",
    "snapshots",
    "gaps",
    "attached",
    "chain",
)

CHANNELS: dict[str, int] = {
    Role.NIR.value: 1,
    Role.WHITE.value: 2,
    GUIDANCE: 3,
    SHOWN: 4,
    EVENTS: 5,
    HEALTH: 6,
    SNAPSHOTS: 7,
    GAPS: 8,
    ATTACHED: 9,
    CHAIN: 10,
}
"""Fixed, so that a damaged channel record costs nothing."""

FRAME_TOPICS = tuple(role.value for role in Role)

TOPICS = {number: topic for topic, number in CHANNELS.items()}


Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Epoch = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
Edge = Annotated[int, msgspec.Meta(ge=0, le=2**20)]


class FrameHeader(msgspec.Struct, frozen=True):
    """Everything of a `Frame` but its pixels (MessagePack, so that floats stay exact)."""

    codec: Codec
    pixel_format: PixelFormat
    bit_depth: int
    height: Edge
    width: Edge
    sequence: Count
    stream_epoch: Epoch
    device_time_ns: int
    host_time_ns: Int64
    mid_exposure_ns: Int64
    exposure_us: float
    gain_db: float
    camera_id: str
    light_on: bool | None
    settings_in_flight: bool


class FrameRef(msgspec.Struct, frozen=True):
    """Which frame of a stream: the device counter may wrap, so the time comes along."""

    epoch: Epoch
    sequence: Count
    mid_exposure_ns: Int64


class DetectionRecord(msgspec.Struct, frozen=True):
    """A `Detection` without its contour (which the digest covers and a replay remakes)."""

    track_id: int
    kind: Kind
    confirmed: bool
    coasted: bool
    x_px: float | None
    y_px: float | None
    x_white_px: float | None
    y_white_px: float | None
    area_px: float | None
    area_mm2: float | None
    spot_width_px: float | None
    spot_width_mm: float | None
    signal: float | None
    sbr: float | None
    sbr_interval: Interval | None
    cnr: float | None
    cnr_interval: Interval | None
    significance: float | None
    saturated_fraction: float | None
    age_s: float | None
    flags: tuple[str, ...]
    node_number: int = 0


class GuidanceRecord(msgspec.Struct, frozen=True):
    """One computation: what from, under which settings, what it found, and its digest."""

    generation: int
    nir: FrameRef
    white: FrameRef | None
    skew_ns: int
    settings: Settings
    detections: tuple[DetectionRecord, ...]
    digest: str
    limit_sbr: float | None
    false_calls_per_field: float | None
    display_full_scale: float | None
    colour_predicted: bool
    registration: str
    stage_ms: dict[str, float]
    flags: tuple[str, ...]


class ShownRecord(msgspec.Struct, frozen=True):
    """One paint. ``generation`` is None when no overlay was drawn."""

    generation: int | None
    white_sequence: int | None
    view: str
    painted_ns: int
    overlay_visible: bool


class EventRecord(msgspec.Struct, frozen=True):
    """Something stamped on the case, ``time_ns`` on the monotonic clock of the frames."""

    name: str
    detail: str
    time_ns: Int64


class GapRecord(msgspec.Struct, frozen=True):
    """Frames that reached the application and not the disk."""

    role: Role
    first_sequence: Count
    count: Count
    epoch: Epoch
    reason: str


class AttachedRecord(msgspec.Struct, frozen=True):
    """Puts an attachment under the hash chain."""

    name: str
    media_type: str
    size: int
    sha256: str


class CaseHeader(msgspec.Struct, frozen=True, kw_only=True):
    """First thing in every part: an unfinished part explains itself."""

    format: int
    case_id: str
    part: int
    title: str
    mode: Mode
    rig: Rig
    settings: Settings
    codec: Codec
    started_wall_ns: int
    started_monotonic_ns: int
    software: dict[str, str]
    previous_link: str
    boot_id: str
    continues: str | None = None


class PartFile(msgspec.Struct, frozen=True):
    """A part as it was left."""

    name: str
    size: int
    records: int
    problem: str | None = None


class RecoveredPart(msgspec.Struct, frozen=True):
    """A part that was cut short, as `recover` found it: no closing records vouch for its end."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``manifest.json``: written at the start (``closed`` false) and again at the end.

    ``header`` is that of the first part, a second time: rig and settings survive its damage.
    """

    format: int
    closed: bool
    header: CaseHeader
    frames: dict[str, int] = {}
    records: int = 0
    parts: tuple[PartFile, ...] = ()
    chain_head: str | None = None
    incomplete: tuple[str, ...] = ()


class RecoveryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """``recovery.json``: what was there when a case cut short was recovered."""

    format: int
    recovered_wall_ns: int
    parts: tuple[RecoveredPart, ...]
    frames: dict[str, int]
    records: int
    chain_head: str | None
    problems: tuple[str, ...]


class _FormatProbe(msgspec.Struct):
    format: int


_json = msgspec.json.Encoder()
_frame_header_encoder = msgspec.msgpack.Encoder()
_frame_header_decoder = msgspec.msgpack.Decoder(FrameHeader)


def to_json(record: object) -> bytes:
    """Encode one record as one line of JSON."""
    return _json.encode(record)


def from_json(data: bytes | memoryview, kind: type[Any], *, what: str) -> Any:
    """Decode a record, or say why not.

    Raises
    ------
    RecordingError
        Naming ``what`` could not be read.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RecordingError(f"{what}: not a readable record ({error})") from None


def check_format(data: bytes | memoryview, *, what: str) -> None:
    """Refuse what a newer version wrote, before anything else is read of it.

    Raises
    ------
    NewerFormatError
        Saying which version wrote it, and what to do.
    RecordingError
        When a version from before the first release wrote it.
    """
    probe: _FormatProbe = from_json(data, _FormatProbe, what=what)
    if probe.format > FORMAT_VERSION:
        raise NewerFormatError(
            f"{what}: case format {probe.format} is newer than this version reads "
            f"({FORMAT_VERSION}): open it with a newer sln-guide"
        )
    if probe.format < OLDEST_FORMAT:
        raise RecordingError(
            f"{what}: case format {probe.format} is from before the first release and is not read "
            "any more: record or import it anew"
        )


@dataclass(frozen=True, slots=True)
class PackedFrame:
    """A frame ready for the disk: length-prefixed header, compressed pixels, index fields."""

    role: Role
    header: bytes
    payload: memoryview
    sequence: int
    stream_epoch: int
    host_time_ns: int
    mid_exposure_ns: int

    @property
    def size(self) -> int:
        """Bytes held."""
        return len(self.header) + self.payload.nbytes


def pack_frame(role: Role, frame: Frame, codec: Codec) -> PackedFrame:
    """Compress ``frame``; the GIL is free meanwhile. Any thread."""
    codec = codec_for(codec, frame.pixels.itemsize)
    payload = compress(frame.pixels, codec)
    header = _frame_header_encoder.encode(
        FrameHeader(
            codec=codec,
            pixel_format=frame.pixel_format,
            bit_depth=frame.bit_depth,
            height=frame.height,
            width=frame.width,
            sequence=frame.sequence,
            stream_epoch=frame.stream_epoch,
            device_time_ns=frame.device_time_ns,
            host_time_ns=frame.host_time_ns,
            mid_exposure_ns=frame.mid_exposure_ns,
            exposure_us=float(frame.exposure_us),
            gain_db=float(frame.gain_db),
            camera_id=frame.camera_id,
            light_on=frame.light_on,
            settings_in_flight=frame.settings_in_flight,
        )
    )
    return PackedFrame(
        role=role,
        header=len(header).to_bytes(4, "little") + header,
        payload=payload,
        sequence=frame.sequence,
        stream_epoch=frame.stream_epoch,
        host_time_ns=frame.host_time_ns,
        mid_exposure_ns=frame.mid_exposure_ns,
    )


def unpack_frame_header(data: memoryview) -> tuple[FrameHeader, int]:
    """Return the header and where the pixels begin. ``data`` may end after the header.

    Raises
    ------
    RecordingError
        When the header is damaged or claims what no frame can be.
    """
    size = int.from_bytes(data[:4], "little")
    if data.nbytes < 4 + size or size == 0:
        raise RecordingError("frame header is cut short")
    try:
        header = _frame_header_decoder.decode(data[4 : 4 + size])
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise RecordingError(f"frame header is not readable ({error})") from None
    return header, 4 + size


def unpack_frame(data: memoryview) -> Frame:
    """Return the frame, bit for bit as it was written.

    Raises
    ------
    RecordingError
        When the record is damaged; nothing larger than the declared picture is allocated.
    """
    header, begin = unpack_frame_header(data)
    try:
        shape = header.pixel_format.array_shape(header.height, header.width)
    except ValueError as error:
        raise RecordingError(str(error)) from None
    dtype = np.dtype(header.pixel_format.dtype)
    declared = dtype.itemsize
    for edge in shape:
        declared *= edge
    if declared > MAX_PIXEL_BYTES:
        raise RecordingError(f"picture of {header.width}x{header.height} px is implausibly large")
    pixels: NDArray[Any] = np.empty(shape, dtype)
    decompress_into(data[begin:], header.codec, pixels)
    try:
        return Frame(
            pixels=frozen_pixels(pixels),
            pixel_format=header.pixel_format,
            bit_depth=header.bit_depth,
            sequence=header.sequence,
            stream_epoch=header.stream_epoch,
            device_time_ns=header.device_time_ns,
            host_time_ns=header.host_time_ns,
            mid_exposure_ns=header.mid_exposure_ns,
            exposure_us=header.exposure_us,
            gain_db=header.gain_db,
            camera_id=header.camera_id,
            light_on=header.light_on,
            settings_in_flight=header.settings_in_flight,
        )
    except ValueError as error:
        raise RecordingError(str(error)) from None


def frame_ref(frame: Frame) -> FrameRef:
    """Return the reference of ``frame``."""
    return FrameRef(frame.stream_epoch, frame.sequence, frame.mid_exposure_ns)


def guidance_record(guidance: Guidance, digest: str) -> GuidanceRecord:
    """Return what a case keeps of ``guidance``."""
    pair = guidance.pair
    return GuidanceRecord(
        generation=guidance.generation,
        nir=frame_ref(pair.nir),
        white=None if pair.white is None else frame_ref(pair.white),
        skew_ns=pair.skew_ns,
        settings=guidance.settings,
        detections=tuple(map(detection_record, guidance.detections)),
        digest=digest,
        limit_sbr=guidance.limit_sbr,
        false_calls_per_field=guidance.false_calls_per_field,
        display_full_scale=guidance.display_full_scale,
        colour_predicted=guidance.colour_predicted,
        registration=guidance.registration.kind,
        stage_ms=guidance.stage_ms,
        flags=guidance.flags,
    )


def detection_record(detection: Detection) -> DetectionRecord:
    """Return what a case keeps of ``detection``."""
    return DetectionRecord(
        **{name: getattr(detection, name) for name in DetectionRecord.__struct_fields__}
    )
