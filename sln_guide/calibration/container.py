"""One calibration, one file: arrays and a header in a NumPy archive, sealed by digests.

A `.npz` any NumPy reads (`numpy.load(path)["dark"]`), with ``header.json`` beside the arrays: kind
and fields, and the SHA-256, shape and type of every array. Loading is strict. Nothing is trusted
that the header does not name, and no value that is not a number gets through.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import secrets
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from sln_guide.calibration.errors import CalibrationFileError
from sln_guide.whole_file import replace_file

HEADER = "header.json"
FORMAT = "sln-guide calibration"
MAX_BYTES = 2**30
MOST_QUOTED = 160
ANEW = "calibrate again, or take back a copy"
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,  # a flipped bit says encrypted, or a compression that there is not
    ValueError,
)
"""What `zipfile` raises on damage. Caught around its calls alone, never around our own code."""

Fields = TypeVar("Fields", bound=msgspec.Struct)
Arrays = dict[str, NDArray[Any]]


class _ArrayEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dtype: str
    shape: tuple[int, ...]
    sha256: str


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    version: int
    kind: str
    fields: msgspec.Raw
    arrays: dict[str, _ArrayEntry]


def save(
    path: Path, kind: str, fields: msgspec.Struct, arrays: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Write a calibration whole: the file appears finished and on disk, or not at all.

    Raises
    ------
    CalibrationFileError
        The place cannot be written to.
    """
    members: dict[str, bytes] = {}
    entries: dict[str, _ArrayEntry] = {}
    for name, array in arrays.items():
        data = np.ascontiguousarray(array)
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, data, allow_pickle=False)
        members[f"{name}.npy"] = buffer.getvalue()
        digest = hashlib.sha256(members[f"{name}.npy"]).hexdigest()
        entries[name] = _ArrayEntry(data.dtype.str, data.shape, digest)
    header = _Header(FORMAT, 1, kind, msgspec.Raw(msgspec.json.encode(fields)), entries)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(HEADER, msgspec.json.encode(header))
        for name, member in members.items():
            archive.writestr(name, member)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, file.getvalue())
    except OSError as error:
        raise CalibrationFileError(
            f"{path}: cannot be written ({_reason(error)}); name another folder with --out"
        ) from None


def prove_writable(folder: Path) -> None:
    """Write a trial file where ``folder`` is or will be, before anything is measured for it.

    Raises
    ------
    CalibrationFileError
        Nothing can be kept there.
    """
    place = folder.absolute()
    try:
        while not place.exists() and place != place.parent:
            place = place.parent
        trial = place / f".writable.{secrets.token_hex(4)}"
        trial.write_bytes(b"")
        trial.unlink()
    except OSError as error:
        raise CalibrationFileError(
            f"{folder}: nothing can be kept there ({_reason(error)}), so nothing is measured; make "
            "it writable, or name another folder with --out"
        ) from None


def load(path: Path, kind: str, fields: type[Fields]) -> tuple[Fields, Arrays]:
    """Read a calibration; arrays are read-only and the caller's.

    Raises
    ------
    CalibrationFileError
        Missing, of another kind, damaged, or holding values that are no numbers.
    """
    members = _members(path)
    header = _header(path, members)
    if header.kind != kind:
        raise CalibrationFileError(
            f"{path}: holds a {header.kind} calibration where {kind} belongs; name the right file"
        )
    if set(members) != {HEADER, *(f"{name}.npy" for name in header.arrays)}:
        raise CalibrationFileError(f"{path}: parts are missing or foreign; {ANEW}")
    try:
        found = msgspec.json.decode(header.fields, type=fields)
    except msgspec.ValidationError as error:
        raise CalibrationFileError(f"{path}: {_reason(error)}; {ANEW}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CalibrationFileError(f"{path}: damaged header; {ANEW}") from None
    arrays = {n: _array(path, members[f"{n}.npy"], n, e) for n, e in header.arrays.items()}
    return found, arrays


def load_fields(path: Path, kind: str, fields: type[Fields]) -> Fields:
    """Read a calibration that is figures alone, without arrays.

    Raises
    ------
    CalibrationFileError
        As `load`.
    """
    found, arrays = load(path, kind, fields)
    require(path, arrays, {})
    return found


def _members(path: Path) -> dict[str, bytes]:
    """Read the archive whole. Raises CalibrationFileError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CalibrationFileError(f"{path}: too large to be a calibration; {ANEW}")
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            if sum(info.file_size for info in infos) > MAX_BYTES:
                raise CalibrationFileError(f"{path}: holds too much for a calibration; {ANEW}")
            members = {info.filename: archive.read(info) for info in infos}
    except FileNotFoundError:
        raise CalibrationFileError(
            f"{path}: there is no such file; calibrate, or name it"
        ) from None
    except _DAMAGE as error:
        raise CalibrationFileError(f"{path}: damaged ({_reason(error)}); {ANEW}") from None
    if len(members) != len(infos):
        raise CalibrationFileError(f"{path}: damaged (a part twice); {ANEW}")
    return members


def require(path: Path, arrays: Arrays, shapes: Mapping[str, tuple[type, tuple[int, ...]]]) -> None:
    """Refuse arrays that are not exactly those of ``shapes`` (name: element type and shape).

    Raises
    ------
    CalibrationFileError
        Naming the array.
    """
    if set(arrays) != set(shapes):
        raise CalibrationFileError(
            f"{path}: holds {', '.join(sorted(arrays)) or 'nothing'}, "
            f"not {', '.join(sorted(shapes))}; calibrate again"
        )
    for name, (kind, shape) in shapes.items():
        array = arrays[name]
        if array.dtype != np.dtype(kind) or array.shape != shape:
            raise CalibrationFileError(
                f"{path}: {name} is {array.shape} {array.dtype}, not {shape} "
                f"{np.dtype(kind).name}; calibrate again"
            )


def _header(path: Path, members: Mapping[str, bytes]) -> _Header:
    if HEADER not in members:
        raise CalibrationFileError(f"{path}: not a calibration of sln-guide")
    try:
        header = msgspec.json.decode(members[HEADER], type=_Header)
    except msgspec.ValidationError as error:
        raise CalibrationFileError(f"{path}: {_reason(error)}; {ANEW}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CalibrationFileError(f"{path}: damaged header; {ANEW}") from None
    if header.format != FORMAT:
        raise CalibrationFileError(f"{path}: not a calibration of sln-guide")
    if header.version != 1:
        raise CalibrationFileError(
            f"{path}: of a newer sln-guide (format {header.version}); update, or calibrate again"
        )
    return header


def _array(path: Path, member: bytes, name: str, entry: _ArrayEntry) -> NDArray[np.generic]:
    if hashlib.sha256(member).hexdigest() != entry.sha256:
        raise CalibrationFileError(f"{path}: {name} is not what was saved; {ANEW}")
    try:
        array: NDArray[np.generic] = np.lib.format.read_array(
            io.BytesIO(member), allow_pickle=False
        )
    except ValueError as error:
        raise CalibrationFileError(f"{path}: {name}: {_reason(error)}; {ANEW}") from None
    if array.dtype.str != entry.dtype or array.shape != entry.shape:
        raise CalibrationFileError(f"{path}: {name} is not what was saved; {ANEW}")
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        wrong = float(np.mean(~np.isfinite(array)))
        raise CalibrationFileError(f"{path}: {wrong:.1%} of {name} are not numbers; {ANEW}")
    array.setflags(write=False)
    return array


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = str(error) or type(error).__name__
    said = said if said.isprintable() else ascii(said)[1:-1]  # damage may be quoted, at length
    return said if len(said) <= MOST_QUOTED else f"{said[:MOST_QUOTED]}..."
