"""The numba core: functions on arrays.

Compiled kernels are cached in a folder of their own for each version of the core's source:
numba notices an edited function but not an edited callee, and would run stale code. So too for each
kind of processor: what was compiled for another would be looked for, and not found, piece by piece.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any

import numba
from llvmlite.binding import get_host_cpu_name
from numba.core.caching import IndexDataCacheFile
from numba.core.codegen import get_host_cpu_features

if sys.platform == "linux":
    import fcntl


def _source_digest() -> str:
    """Return a digest of the core's source files, of numba's version and of the processor."""
    processor = f"{get_host_cpu_name()} {get_host_cpu_features()}"
    digest = hashlib.sha256(f"{numba.__version__} {processor}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _is_ours(folder: Path) -> bool:
    """Whether nobody else could have put code there: what is cached is loaded and run."""
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()


def _cache_parents() -> Iterator[Path]:
    """Return where compiled kernels may go: the user's cache, else a temporary folder.

    Where the temporary one is may only be asked if the first will not do: a full disk, on which
    Python finds none, still has the kernels of before.
    """
    yield Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    # os.getuid keeps users of one machine apart in the shared temporary folder
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    try:
        temporary = Path(tempfile.gettempdir())
    except FileNotFoundError:
        return
    yield temporary / f"sln-guide-{user}"


def _cache_folder() -> Path:
    """Return a writable folder for compiled kernels.

    Raises OSError where there is none, saying what to do.
    """
    name = Path("sln-guide") / "kernels" / _source_digest()
    for parent in _cache_parents():
        folder = parent / name
        try:
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
            if not _is_ours(parent):
                continue
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    try:
        return Path(tempfile.mkdtemp(prefix="sln-guide-kernels-"))
    except OSError:
        raise OSError(
            "no folder takes the compiled kernels, neither in the home nor a temporary one: free "
            "space, or set XDG_CACHE_HOME to a folder that can be written",
        ) from None


# A folder the user chose (NUMBA_CACHE_DIR) is respected: then emptying it is the user's task.
if not os.environ.get("NUMBA_CACHE_DIR"):
    numba.config.CACHE_DIR = str(_cache_folder())
IN_THE_SAME_CACHE = {"NUMBA_CACHE_DIR": str(numba.config.CACHE_DIR)}
"""Environment of a process that compiles for this one; it might choose another temporary folder."""


# LLVM keeps to half of the widest registers where the whole would slow the processor down. Those
# that compute in 16-bit floating point (from 2023 on) do not slow down: there it costs a twentieth.
if not os.environ.get("NUMBA_CPU_FEATURES"):
    _features = get_host_cpu_features()
    if "+avx512fp16" in _features.split(","):
        numba.config.CPU_FEATURES = _features + ",-prefer-256-bit"


@contextmanager
def _turn(path: Path, how: int) -> Iterator[None]:
    """Hold the lock ``path``; without one where it cannot be had, as numba itself does."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield  # nothing was ever saved there; or saving will say what is wrong
        return
    try:
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(lock, how)
        yield
    finally:
        os.close(lock)


def _taking_turns(method: Callable[..., Any], how: int) -> Callable[..., Any]:
    """Return ``method`` of numba's cache file, for one process at a time or for all that read."""

    @wraps(method)
    def run(self: IndexDataCacheFile, *arguments: Any) -> Any:
        with _turn(Path(self._cache_path) / "lock", how):
            return method(self, *arguments)

    return run


# A window and its engine may compile at once. numba takes a free name for a kernel from an index
# that the other may be about to replace, and writes the index before the kernel: whoever looks
# meanwhile may load a kernel that was compiled for other types.
if sys.platform == "linux":
    IndexDataCacheFile.save = _taking_turns(IndexDataCacheFile.save, fcntl.LOCK_EX)
    IndexDataCacheFile.load = _taking_turns(IndexDataCacheFile.load, fcntl.LOCK_SH)


# numba believes what it finds there. A byte that has changed on the disk ended every start with a
# traceback, and in the machine code itself the program, or the truth of what it computes.
_SEAL_BYTES = 32
_dump, _load_index = IndexDataCacheFile._dump, IndexDataCacheFile._load_index


def _dump_sealed(self: IndexDataCacheFile, value: Any) -> bytes:
    """Return ``value`` as numba writes it, with a digest behind it, which `pickle` passes over."""
    data: bytes = _dump(self, value)
    return data + hashlib.sha256(data).digest()


def _is_sound(data: bytes) -> bool:
    """Whether ``data`` is what `_dump_sealed` made."""
    return hashlib.sha256(data[:-_SEAL_BYTES]).digest() == data[-_SEAL_BYTES:]


def _load_sound_data(self: IndexDataCacheFile, name: str) -> Any:
    """Return a kernel. Raises OSError, as for one that is gone: it is compiled again."""
    data = Path(self._data_path(name)).read_bytes()
    if not _is_sound(data):
        raise OSError(f"{name}: damaged")
    return pickle.loads(data)


def _load_sound_index(self: IndexDataCacheFile) -> Any:
    """Return which kernel lies where: none where that cannot be believed."""
    try:
        with open(self._index_path, "rb") as file:
            pickle.load(file)
            sound = _is_sound(file.read())
    except Exception:  # noqa: BLE001 - whatever damaged bytes make of it
        return {}
    return _load_index(self) if sound else {}


IndexDataCacheFile._dump = _dump_sealed
IndexDataCacheFile._load_data = _load_sound_data
IndexDataCacheFile._load_index = _load_sound_index
