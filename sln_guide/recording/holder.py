"""Who holds a case, where the file system of its folder has no locks (some network disks)."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STARTED_AT = 19
"""Which word behind a process's name says when it began: its number may be another's by now."""
FRESH_S = 30.0
"""A recorder on another machine is at work for as long after it was last heard of."""


def boot_id() -> str:
    """Return what is the same for as long as the monotonic clock runs on; "" if unknown."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def own_line() -> bytes:
    """Return what names this process, a line: its machine since it was started, number, start."""
    return f"{boot_id() or '?'} {os.getpid()} {_started(os.getpid())}\n".encode("ascii")


def seems_at_work(lock: Path) -> bool:
    """Return whether the process that the file ``lock`` names is still there.

    Of one on another machine only how lately it wrote is known.
    """
    with suppress(OSError, ValueError):
        _, boot, number, started = lock.read_text(encoding="ascii").split()
        if boot == boot_id():
            return started == _started(int(number))
        return abs(time.time() - lock.stat().st_mtime) < FRESH_S
    return False


def _started(number: int) -> str:
    """Return when a process began, in the kernel's count; "" where there is none of that number."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
        return stat.rpartition(")")[2].split()[_STARTED_AT]
    except (OSError, IndexError):
        return ""
