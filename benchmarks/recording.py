"""What recording costs: codecs, the writer, a live recording, reading back, opening and seeking.

    python -m benchmarks.recording [--quick] [--minutes N] [--folder DISK]

``--minutes`` does nothing but record two 1280x1024 streams at 60 fps for so long (parts that are
closed are deleted as it goes) and watch losses, processor and memory.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.recording_codecs import FPS, Streams, best_ms, codecs, formats, layout
from hardware.frame import Frame
from hardware.rig import PhantomSpec, Rig
from hardware.rig_files import load_rig
from sln_guide.guidance import Guidance, Pair, Role, Settings
from sln_guide.live.recorder import Recorder
from sln_guide.recording import CaseDescription, CaseReader, CaseWriter, Codec, prepare
from sln_guide.recording.folder import part_paths
from sln_guide.recording.index import index_path
from sln_guide.recording.packed import pack_frame
from sln_guide.recording.verify import verify

PERIOD_NS = round(1e9 / FPS)
FRAMES = 12
"""Pairs rendered, over half a minute of the procedure; recordings go through them in turn."""


def main(*, quick: bool = False, minutes: float | None = None, folder: Path | None = None) -> Any:
    """Print all figures; return them."""
    prepare()
    rig = load_rig("demo")
    streams = rendered(rig)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=folder, prefix="bench-recording-") as scratch:
        place = Path(scratch)
        if minutes is not None:
            results["live"] = live(place / "live.case", rig, streams, 60.0 * minutes, True)
            return results
        results["codecs"] = codecs(streams, repeats=3 if quick else 10)
        results["formats"] = formats(place, streams, 60 if quick else 240)
        results["layout"] = layout(place, streams, 60 if quick else 240)
        results["gil"] = gil(streams)
        results["live"] = live(place / "live.case", rig, streams, 5.0 if quick else 30.0, False)
        results["reading"] = reading(place / "live.case")
        results["hour"] = hour(place / "hour.case", rig, 3.0 if quick else 60.0)
    return results


def rendered(rig: Rig) -> Streams:
    """Return phantom frames of both cameras, 12-bit NIR and 8-bit Bayer, 1280x1024."""
    from hardware.phantom import Phantom

    phantom = Phantom(rig.phantom or PhantomSpec(), rig)
    step = round(30 * FPS / FRAMES)
    return {
        role: [phantom.frame(role.value, index * step) for index in range(FRAMES)] for role in Role
    }


def gil(streams: Streams) -> dict[str, float]:
    """How much of another thread's time compression takes away by holding the GIL."""
    frame = streams[Role.NIR][0]

    def longest_pause_ms(work: Callable[[], object] | None) -> float:
        ending = threading.Event()

        def busy() -> None:
            while work is not None and not ending.is_set():
                work()

        thread = threading.Thread(target=busy, name="compressing")
        thread.start()
        pauses = []
        until = time.perf_counter() + 0.5
        before = time.perf_counter()
        while before < until:
            now = time.perf_counter()
            pauses.append(now - before)
            before = now
        ending.set()
        thread.join()
        return 1e3 * float(np.sort(pauses)[-20])

    results = {
        "idle": longest_pause_ms(None),
        "compressing": longest_pause_ms(lambda: pack_frame(Role.NIR, frame, Codec.LZ4)),
    }
    print(
        "a thread that only looks at the clock, its 20th longest pause in half a second: "
        f"{results['idle']:.2f} ms alone, {results['compressing']:.2f} ms beside compression"
    )
    return results


def _timed(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return 1e3 * (time.perf_counter() - begin)


# -- a live recording -----------------------------------------------------------------------------


def live(
    folder: Path, rig: Rig, streams: Streams, seconds: float, forget: bool
) -> dict[str, float]:
    """Record both streams at 60 fps in real time through the session's own `Recorder`."""
    process = psutil.Process()
    ending = threading.Event()

    def forgetting() -> None:
        while not ending.wait(1.0):
            forget_closed_parts(folder)

    recorder = Recorder(
        folder, lambda: CaseWriter(folder, CaseDescription(rig=rig, settings=Settings()))
    )
    memory: list[float] = []
    waiting: list[int] = []
    forgetter = threading.Thread(target=forgetting, name="forgetting")
    with _closing(recorder), _running(forgetter, ending, wanted=forget):
        start_ns = time.monotonic_ns()
        before = _Used.so_far()
        for index, pair in enumerate(_paced(streams, start_ns, seconds)):
            for role, frame in pair.items():
                recorder.put_frame(role, frame)
            guidance = _guidance(index, pair, rig)
            recorder.put(methodcaller("write_guidance", guidance))
            recorder.put(methodcaller("write_shown", index, index, "merged", index, True))
            waiting.append(recorder.health().unsaved)
            if index % 60 == 30:
                memory.append(process.memory_info().rss / 1e6)
            if index % 3600 == 3599:
                health = recorder.health()
                print(
                    f"  {(index + 1) // 3600} min: {health.frames} frames, {health.dropped} lost, "
                    f"at most {max(waiting[-3600:])} waiting, {memory[-1]:.0f} MB",
                    flush=True,
                )
        elapsed = (time.monotonic_ns() - start_ns) / 1e9
        after = _Used.so_far()
    summary, health = recorder.summary, recorder.health()
    assert summary is not None, health.error
    results = {
        "seconds": elapsed,
        "lost": float(2 * int(seconds * FPS) - sum(summary.frames.values())),
        "mb_s": summary.bytes_written / elapsed / 1e6,
        "cores_writing": (after.writing_s - before.writing_s) / elapsed,
        "cores_syncing": (after.syncing_s - before.syncing_s) / elapsed,
        "switches_per_s": (after.switches - before.switches) / elapsed,
        "waiting_p50": float(np.percentile(waiting, 50)),
        "waiting_p99": float(np.percentile(waiting, 99)),
        "waiting_most": float(max(waiting)),
        "rss_mb_begin": memory[min(2, len(memory) - 1)],
        "rss_mb_end": memory[-1],
    }
    print(
        f"live, {elapsed:.0f} s at 60 fps, both streams, guidance and shown logs, sync 2/s: "
        f"{results['lost']:.0f} frames lost, {results['mb_s']:.0f} MB/s, "
        f"{results['cores_writing']:.2f} + {results['cores_syncing']:.2f} cores (writing + sync), "
        f"{results['switches_per_s']:.0f} voluntary switches a second, waiting frames "
        f"p50 {results['waiting_p50']:.0f} / p99 {results['waiting_p99']:.0f} / most "
        f"{results['waiting_most']:.0f}, "
        f"memory {results['rss_mb_begin']:.0f} → {results['rss_mb_end']:.0f} MB"
    )
    return results


@dataclass(frozen=True)
class _Used:
    """Processor time and voluntary switches of the recorder's threads so far."""

    writing_s: float
    syncing_s: float
    switches: int

    @classmethod
    def so_far(cls) -> _Used:
        seconds = {t.id: t.user_time + t.system_time for t in psutil.Process().threads()}
        threads = {t.name: t.native_id or 0 for t in threading.enumerate()}
        writing, syncing = threads["recorder"], threads["recorder-sync"]
        status = Path(f"/proc/self/task/{writing}/status").read_text().splitlines()
        switches = next(line for line in status if line.startswith("voluntary"))
        return cls(seconds[writing], seconds[syncing], int(switches.split()[1]))


@contextmanager
def _closing(recorder: Recorder) -> Iterator[None]:
    """Close its case whatever happens: what writes on would hide an error behind another."""
    try:
        yield
    finally:
        recorder.stop()
        closed = recorder.join()
    assert closed, "the case was not closed in time"


@contextmanager
def _running(thread: threading.Thread, ending: threading.Event, *, wanted: bool) -> Iterator[None]:
    if wanted:
        thread.start()
    try:
        yield
    finally:
        ending.set()
        if wanted:
            thread.join()


def _paced(streams: Streams, start_ns: int, seconds: float) -> Iterator[dict[Role, Frame]]:
    """Yield a pair a period, stamped as a camera would; late ones follow at once."""
    for index in range(int(seconds * FPS)):
        due_ns = start_ns + index * PERIOD_NS
        wait_s = (due_ns - time.monotonic_ns()) / 1e9
        if wait_s > 0:
            time.sleep(wait_s)
        yield {
            role: replace(
                streams[role][index % FRAMES],
                sequence=index,
                host_time_ns=due_ns,
                mid_exposure_ns=due_ns - 5_000_000,
            )
            for role in Role
        }


def _guidance(generation: int, pair: dict[Role, Frame], rig: Rig) -> Guidance:
    grid = np.zeros((128, 160), np.float32)
    return Guidance(
        generation=generation,
        pair=Pair(pair[Role.NIR], pair[Role.WHITE]),
        detections=(),
        grid_px=8,
        signal=grid,
        background=grid,
        significance=grid,
        limit_contrast=grid,
        cannot_judge=grid.astype(np.uint8),
        limit_sbr=1.2,
        false_calls_per_field=0.05,
        display_full_scale=20.0,
        colour_predicted=True,
        registration=rig.registration,
        settings=Settings(),
    )


def forget_closed_parts(folder: Path) -> None:
    """Delete the parts that have been finished: a long run would need a larger disk."""
    for part in part_paths(folder)[:-1]:
        if index_path(part).exists():
            part.unlink()
            index_path(part).unlink()


# -- reading back ---------------------------------------------------------------------------------


def reading(folder: Path) -> dict[str, float]:
    """Decode both streams as replay does, seek at random, and verify every byte."""
    with CaseReader(folder) as case:
        pairs = case.pairs()
        count = min(len(pairs), 600)
        begin = time.perf_counter()
        for nir, white in pairs[:count]:
            case.frame(Role.NIR, nir)
            if white is not None:
                case.frame(Role.WHITE, white)
        rate = count / (time.perf_counter() - begin)
        chosen = np.random.default_rng(1).integers(0, len(pairs), 60)
        seeks = [_timed(partial(case.frame, Role.NIR, int(i))) for i in chosen]
        size = sum(path.stat().st_size for path in part_paths(folder))
    begin = time.perf_counter()
    assert verify(folder).complete
    took = time.perf_counter() - begin
    results = {
        "times_real_time": rate / FPS,
        "seek_max_ms": max(seeks),
        "verify_mb_s": size / took / 1e6,
    }
    print(
        f"reading, one thread: both streams at {results['times_real_time']:.1f}x real time, a seek "
        f"at most {results['seek_max_ms']:.1f} ms, verify {results['verify_mb_s']:.0f} MB/s"
    )
    return results


def hour(folder: Path, rig: Rig, minutes: float) -> dict[str, float]:
    """Open a long case of small frames and jump about in it."""
    from tests.recording.making import frame, guidance, white

    pixels = {Role.NIR: frame(0), Role.WHITE: white(0)}
    count = int(minutes * 60 * FPS)
    begin = time.perf_counter()
    with CaseWriter(folder, CaseDescription(rig=rig, settings=Settings()), roll_s=60.0) as case:
        for index in range(count):
            at = index * PERIOD_NS
            pair = {
                role: replace(each, sequence=index, mid_exposure_ns=at, host_time_ns=at)
                for role, each in pixels.items()
            }
            for role, each in pair.items():
                case.write_frame(role, each)
            case.write_guidance(guidance(index, pair[Role.NIR], pair[Role.WHITE]))
    wrote = time.perf_counter() - begin
    opened = best_ms(lambda: CaseReader(folder).close(), 3)
    with CaseReader(folder) as case:
        paired = _timed(case.pairs)
        chosen = np.random.default_rng(2).integers(0, count, 300)
        seeks = [_timed(partial(case.frame, Role.NIR, int(i))) for i in chosen]
    for part in part_paths(folder):
        index_path(part).unlink()
    scanned = _timed(lambda: CaseReader(folder).close())
    results = {
        "minutes": minutes,
        "records": 3.0 * count,
        "records_per_s_written": 3.0 * count / wrote,
        "open_ms": opened,
        "pairs_ms": paired,
        "seek_max_ms": max(seeks),
        "open_without_index_ms": scanned,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }
    print(
        f"{minutes:.0f} minutes of small frames ({results['records']:.0f} records, written at "
        f"{results['records_per_s_written']:.0f}/s): opens in {opened:.0f} ms, pairs in "
        f"{paired:.0f} ms, a seek at most {results['seek_max_ms']:.1f} ms; opens in "
        f"{scanned:.0f} ms without its indexes"
    )
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--folder", type=Path)
    told = parser.parse_args()
    main(quick=told.quick, minutes=told.minutes, folder=told.folder)
