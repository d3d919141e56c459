"""The records of a case, as they stand on disk. Format: ``docs/case-format.md``."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from hardware.frame import Frame
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
from sln_guide.recording.codec import Codec
from sln_guide.recording.errors import NewerFormatError, RecordingError

FORMAT_VERSION = 3
"""3: white light may be JPEG, and the rig says so."""
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

RESUMED = "resumed"
"""Name of the event with which a part begins that goes on with a case cut short."""

TOPICS = {number: topic for topic, number in CHANNELS.items()}


Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Epoch = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]


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
    darks: tuple[Count, ...] = ()
    """Counters of the dark frames that were taken off: gated light."""


class ShownRecord(msgspec.Struct, frozen=True):
    """One paint. ``generation`` is None when no overlay was drawn.

    ``said``: the state pill and the headlines over the picture; empty in cases of before.
    """

    generation: int | None
    white_sequence: int | None
    view: str
    painted_ns: int
    overlay_visible: bool
    said: str = ""


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


def to_json(record: object) -> bytes:
    """Encode one record as one line of JSON.

    File names need not be text: bytes of theirs that are none become question marks.
    """
    try:
        return _json.encode(record)
    except UnicodeEncodeError:
        return _json.encode(_as_text(msgspec.to_builtins(record)))


def _as_text(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_as_text(key): _as_text(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_text(each) for each in value]
    return value


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
        darks=() if pair.nir.room_light is None else pair.nir.room_light.dark_sequences,
    )


def detection_record(detection: Detection) -> DetectionRecord:
    """Return what a case keeps of ``detection``."""
    return DetectionRecord(
        **{name: getattr(detection, name) for name in DetectionRecord.__struct_fields__}
    )
