"""The folder of a case: its parts, manifest, lock, and the space set aside for closing it."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from zlib_ng.zlib_ng import crc32

from sln_guide.recording import mcap_format, records
from sln_guide.recording.errors import Problem, RecordingError
from sln_guide.recording.holder import own_line, seems_at_work
from sln_guide.recording.part import HEADER_ATTACHMENT
from sln_guide.recording.records import CaseHeader, Manifest, RecoveryRecord
from sln_guide.recording.scan import PartFileReader
from sln_guide.whole_file import replace_file

if sys.platform == "linux":
    import fcntl

MANIFEST = "manifest.json"
RECOVERY = "recovery.json"
LOCK = "lock"
RESERVE = "reserve"
RESERVE_BYTES = 1 << 20
"""Set aside at the start, so that a full disk cannot keep a case from being closed."""
MAX_JSON_BYTES = 64 << 20
HEADER_WITHIN = 4096
ATTACHMENT_NAME_AT = 29
"""Bytes of an attachment record before its name."""

NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a file system answers that has none, such as some network disks."""

_CHECKSUM = re.compile(rb',"crc32":(\d+)\}$')

_ADVICE = {
    errno.ENOSPC: "the disk is full: free space or record elsewhere",
    errno.EDQUOT: "the disk quota is used up: free space or record elsewhere",
    errno.EFBIG: "the file size limit is reached: raise it or record elsewhere",
    errno.EROFS: "the disk is read-only: record elsewhere",
    errno.EACCES: "no permission to write there: choose another folder",
    errno.EPERM: "no permission to write there: choose another folder",
    errno.ENOENT: "the folder is gone or cannot be made: record elsewhere",
    errno.ENOTDIR: "part of the path is a file: choose another folder",
    errno.EEXIST: "a file of that name is in the way: choose another name",
    errno.ENOTEMPTY: "something of that name is in the way: choose another name",
    errno.EINVAL: "that drive takes no such name: choose another, or record elsewhere",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
}


def failure(folder: Path, what: str, error: OSError) -> RecordingError:
    """Return the one line a failed system call deserves."""
    reason = error.strerror or str(error)
    for link in (folder, *folder.parents):
        if os.path.islink(link) and not os.path.exists(link):
            return RecordingError(
                f"case {folder}: cannot {what}: {link} is a link to what is not there: plug in its "
                "drive, or record elsewhere"
            )
    advice = _ADVICE.get(error.errno or 0, f"{reason}: check the disk, or record elsewhere")
    return RecordingError(f"case {folder}: cannot {what}: {advice}")


def part_name(number: int) -> str:
    """Return the file name of part ``number``."""
    return f"part-{number:03d}.mcap"


def part_paths(folder: Path) -> list[Path]:
    """Return the parts of a case in order."""

    def number(path: Path) -> int:
        digits = path.stem.removeprefix("part-")
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else -1

    found = [p for p in folder.glob("part-*.mcap") if number(p) >= 0 and p.is_file()]
    return sorted(found, key=number)


def existing_parts(folder: Path) -> list[Path]:
    """Return the parts of the case at ``folder``.

    Raises
    ------
    RecordingError
        When there is no case.
    """
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise RecordingError(f"case {folder} {what}: give the folder of a case")
    try:
        os.listdir(folder)  # glob finds nothing where it may not look
        paths = part_paths(folder)
    except OSError as error:
        raise RecordingError(f"case {folder}: cannot be read ({error.strerror})") from None
    if not paths:
        raise RecordingError(f"{folder} is not a case: it holds no {part_name(0)}")
    return paths


def sha256_of(path: Path) -> str:
    """Return SHA-256 (hex) of a file. Raises OSError."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(4 << 20):
            state.update(block)
    return state.hexdigest()


# -- what it says of itself -----------------------------------------------------------------------


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest, None where there is none.

    Raises
    ------
    NewerFormatError
        A newer version wrote it.
    RecordingError
        It cannot be read.
    """
    manifest: Manifest | None = _read_json(folder / MANIFEST, Manifest)
    return manifest


def read_recovery(folder: Path) -> RecoveryRecord | None:
    """Return what `recover` noted, None where it was not run. Raises as `read_manifest`."""
    record: RecoveryRecord | None = _read_json(folder / RECOVERY, RecoveryRecord)
    return record


def _read_json(path: Path, kind: type[Any]) -> Any:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise RecordingError(f"{path}: implausibly large: not part of a case")
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror})") from None
    records.check_format(data, what=str(path))
    return records.from_json(data, kind, what=str(path))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest with its checksum, durably, whole or not at all. Raises OSError."""
    text = records.to_json(manifest)
    replace_file(folder / MANIFEST, text[:-1] + b',"crc32":%d}' % crc32(text))


def manifest_damage(folder: Path) -> str | None:
    """Return what is wrong with the text of a manifest that can still be read; None for nothing.

    A flipped bit in a name would else silently take what it names away, such as why a case is not
    complete. Manifests of earlier versions have no checksum.
    """
    try:
        data = (folder / MANIFEST).read_bytes()
    except OSError:
        return None
    said = _CHECKSUM.search(data)
    if said is None or crc32(data[: said.start()] + b"}") == int(said[1]):
        return None
    return "is damaged or changed: its checksum does not match"


def misfits(manifest: Manifest, paths: list[Path]) -> list[Problem]:
    """Return the parts that, by the manifest, are gone, were changed or were added."""
    sizes = {path.name: path.stat().st_size for path in paths}
    found = []
    for entry in manifest.parts:
        size = sizes.get(entry.name)
        what = ""
        if size is None:
            what = f"is missing ({entry.records} records)"
        elif entry.problem is None and size != entry.size:
            what = f"has {size} bytes, and had {entry.size}"
        if what:
            found.append(Problem(entry.name, None, "", None, None, what))
    known = {entry.name for entry in manifest.parts}
    if manifest.closed:  # else the last one is not in it yet
        what = "is not in the manifest: it was added"
        found += [Problem(n, None, "", None, None, what) for n in sizes if n not in known]
    return found


def header_bytes(part: PartFileReader) -> bytes | None:
    """Return the header as it stands at the start of a part, None where it is damaged.

    It is looked for by its name, so that damage before it does not hide it.
    """
    lead = part.read(0, HEADER_WITHIN)
    at = lead.find(HEADER_ATTACHMENT.encode()) - ATTACHMENT_NAME_AT
    item = part.record_at(at) if at >= 0 else None
    if item is None or item.opcode != mcap_format.ATTACHMENT:
        return None
    content = part.attachment(item)
    if isinstance(content, str) or content.name != HEADER_ATTACHMENT:
        return None
    return content.data


def read_header(part: PartFileReader) -> CaseHeader | None:
    """Return the header at the start of a part, None where it is damaged.

    Raises
    ------
    NewerFormatError
        A newer version wrote it.
    RecordingError
        It is whole, but not a header.
    """
    raw = header_bytes(part)
    if raw is None:
        return None
    records.check_format(raw, what=str(part.path))
    header: CaseHeader = records.from_json(raw, CaseHeader, what=str(part.path))
    return header


# -- who writes it --------------------------------------------------------------------------------


class FolderLock:
    """One recorder a case: holds the folder from its making to `release`."""

    def __init__(self, folder: Path, fd: int) -> None:
        self._folder = folder
        self._fd = fd
        self._using = threading.Lock()
        """So that no beat goes into whatever gets the number of a file let go of."""

    @classmethod
    def take_new(cls, folder: Path) -> FolderLock:
        """Make ``folder`` (it may exist, empty) and take it.

        Raises
        ------
        RecordingError
            It holds something, another recorder has it, or it cannot be made.
        """
        _refuse_elsewhere(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            refuse_occupied(folder)
            lock = cls._take(folder, "being written by another recorder: choose another name")
        except OSError as error:
            with suppress(OSError):  # holds nothing where nothing could be written
                folder.rmdir()
            raise failure(folder, "make the case folder", error) from None
        try:
            refuse_occupied(folder)
        except RecordingError:
            os.close(lock._fd)
            raise
        return lock

    @classmethod
    def take_existing(cls, folder: Path) -> FolderLock:
        """Take the folder of a case cut short.

        Raises
        ------
        RecordingError
            Another recorder has it, or it cannot be written.
        """
        _refuse_elsewhere(folder)
        try:
            return cls._take(
                folder, "still being recorded, or recovered: stop that first, or wait until it ends"
            )
        except OSError as error:
            raise failure(folder, "take the case folder", error) from None

    @classmethod
    def _take(cls, folder: Path, then: str) -> FolderLock:
        fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            taken = not _locked(fd, fcntl.LOCK_EX, folder)
        except OSError:
            os.close(fd)
            raise
        if taken:
            os.close(fd)
            raise RecordingError(f"case {folder} is {then}")
        return cls(folder, fd)

    def reserve(self) -> None:
        """Set space aside. Raises OSError."""
        fd = os.open(self._folder / RESERVE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.posix_fallocate(fd, 0, RESERVE_BYTES)
        finally:
            os.close(fd)

    def beat(self) -> None:
        """Note that the recorder lives, by the clock that nobody sets. Any thread."""
        with self._using, suppress(OSError):  # then the time of the parts must tell
            if self._fd >= 0:
                os.pwrite(self._fd, b"%020d\n" % time.monotonic_ns() + own_line(), 0)

    def spend_reserve(self) -> None:
        """Give the space back, to be written into."""
        with suppress(OSError):
            (self._folder / RESERVE).unlink()

    def release(self) -> None:
        """Let go of the folder."""
        self.spend_reserve()
        with suppress(OSError):
            (self._folder / LOCK).unlink()
        with self._using:
            fd, self._fd = self._fd, -1
            with suppress(OSError):  # a drive that is gone refuses this, too
                os.close(fd)


def _refuse_elsewhere(folder: Path) -> None:
    if sys.platform != "linux":
        raise RecordingError(
            f"case {folder}: cases are written on Linux only; here they can be verified, replayed "
            "and exported"
        )


def refuse_occupied(folder: Path) -> None:
    """Raise RecordingError where ``folder`` holds anything."""
    inside = sorted(path.name for path in folder.iterdir() if path.name != LOCK)
    if inside:
        raise RecordingError(f"case {folder} already holds {inside[0]}: choose another name")


def last_beat_ns(folder: Path) -> int | None:
    """Return when a recorder last lived here [`time.monotonic_ns`]; None where that is not told.

    It means nothing once the machine was started again.
    """
    try:
        return int((folder / LOCK).read_bytes().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def being_recorded(folder: Path) -> bool:
    """Return whether a recorder has this case open at this moment."""
    if sys.platform != "linux":
        return False
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _locked(fd, fcntl.LOCK_SH, folder)
    except OSError:
        return True
    finally:
        os.close(fd)


def _locked(fd: int, how: int, folder: Path) -> bool:
    """Lock the file ``fd``; False where another process has it. Raises OSError.

    Where there are no locks that process is told by what it wrote into the file.
    """
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        if error.errno not in NO_LOCKS:
            raise
        return not seems_at_work(folder / LOCK)
    return True
