"""What recording costs: codecs, the writer, a live recording, reading back, opening and seeking.

    python -m benchmarks.recording [--quick] [--minutes N] [--folder DISK]

``--minutes`` records two 1280x1024 streams at 60 fps for so long (parts that are closed are
deleted as it goes) and watches losses, processor and memory.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.recording_codecs import FPS, Streams, best_ms, codecs, formats, layout
from hardware.frame import Frame
from hardware.rig import PhantomSpec, Rig, load_rig
from sln_guide.guidance import Guidance, Pair, Role, Settings
from sln_guide.recording import CaseReader, CaseWriter, Codec, prepare, records
from sln_guide.recording.folder import part_paths
from sln_guide.recording.part import index_path
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
        results["codecs"] = codecs(streams, repeats=3 if quick else 10)
        results["formats"] = formats(place, streams, 60 if quick else 240)
        results["layout"] = layout(place, streams, 60 if quick else 240)
        results["gil"] = gil(streams)
        seconds = (5.0 if quick else 30.0) if minutes is None else 60.0 * minutes
        results["live"] = live(place / "live.case", rig, streams, seconds, minutes is not None)
        if minutes is None:
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
        "compressing": longest_pause_ms(lambda: records.pack_frame(Role.NIR, frame, Codec.LZ4)),
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
    """Record both streams at 60 fps in real time, synced twice a second."""
    process = psutil.Process()
    ending = threading.Event()
    syncs: list[float] = []
    cpu: dict[str, float] = {}
    case = CaseWriter(folder, rig=rig, settings=Settings())

    def sync() -> None:
        while not ending.wait(0.5):
            syncs.append(_timed(case.sync))
            if forget:
                forget_closed_parts(folder)
        cpu["sync"] = time.thread_time()

    syncing = threading.Thread(target=sync, name="sync")
    late: list[float] = []
    memory: list[float] = []
    behind = 0
    begin_cpu = time.thread_time()
    with _running(syncing, ending):
        start_ns = time.monotonic_ns()
        for index, pair in enumerate(_paced(streams, start_ns, seconds)):
            with case.together():
                for role, frame in pair.items():
                    case.write_frame(role, frame)
                case.write_guidance(_guidance(index, pair, rig))
                case.write_shown(index, index, "merged", frame.host_time_ns, True)
            done_ms = (time.monotonic_ns() - start_ns - index * PERIOD_NS) / 1e6
            late.append(done_ms)
            behind = max(behind, int(done_ms / (1e3 / FPS)))
            if index % 60 == 30:
                memory.append(process.memory_info().rss / 1e6)
        elapsed = (time.monotonic_ns() - start_ns) / 1e9
        cpu["write"] = time.thread_time() - begin_cpu
    written = case.bytes_written
    summary = case.close()
    expected = int(seconds * FPS)
    results = {
        "seconds": elapsed,
        "lost": 2.0 * expected - sum(summary.frames.values()),
        "mb_s": written / elapsed / 1e6,
        "cores_writing": cpu["write"] / elapsed,
        "cores_syncing": cpu["sync"] / elapsed,
        "p50_ms": float(np.percentile(late, 50)),
        "p99_ms": float(np.percentile(late, 99)),
        "max_ms": max(late),
        "deepest_backlog_pairs": float(behind),
        "sync_max_ms": max(syncs, default=0.0),
        "rss_mb_begin": memory[min(2, len(memory) - 1)],
        "rss_mb_end": memory[-1],
    }
    print(
        f"live, {elapsed:.0f} s at 60 fps, both streams, guidance and shown logs, sync 2/s: "
        f"{results['lost']:.0f} frames lost, {results['mb_s']:.0f} MB/s, "
        f"{results['cores_writing']:.2f} + {results['cores_syncing']:.2f} cores (writing + sync), "
        f"a pair on disk after p50 {results['p50_ms']:.1f} / p99 {results['p99_ms']:.1f} / max "
        f"{results['max_ms']:.0f} ms, longest sync {results['sync_max_ms']:.0f} ms, "
        f"memory {results['rss_mb_begin']:.0f} → {results['rss_mb_end']:.0f} MB"
    )
    return results


@contextmanager
def _running(thread: threading.Thread, ending: threading.Event) -> Iterator[None]:
    thread.start()
    try:
        yield
    finally:
        ending.set()
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
        seeks = [_timed(lambda i=i: case.frame(Role.NIR, int(i))) for i in chosen]
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
    with CaseWriter(folder, rig=rig, settings=Settings(), roll_s=60.0) as case:
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
        seeks = [_timed(lambda i=i: case.frame(Role.NIR, int(i))) for i in chosen]
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
