"""Codecs and file formats for two camera streams, ours and peers', in one run.

FFV1 in Matroska (PyAV), HDF5 (h5py) and Zarr (zarr) are what a laboratory would take instead.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hardware.frame import Frame
from hardware.rig import DEFAULT_JPEG_QUALITY, RecordingSpec
from hardware.rig_files import load_rig
from sln_guide.guidance import Role, Settings
from sln_guide.recording import CaseDescription, CaseWriter, Codec
from sln_guide.recording.codec import LOSSLESS, codec_for, decompress_into
from sln_guide.recording.packed import pack_frame

FPS = 60.0
Streams = dict[Role, list[Frame]]
Put = Callable[[dict[Role, Frame]], None]
JPEG_QUALITIES = (80, 90, DEFAULT_JPEG_QUALITY)
KINDS = {Role.NIR: "gray12le", Role.WHITE: "gray"}
"""What FFV1 takes them as: a mosaic as grey."""


def best_ms(action: Callable[[], object], repeats: int) -> float:
    """Return the least processor time of ``action`` [ms]: others share the machine."""
    times = []
    for _ in range(repeats):
        begin = time.thread_time()
        action()
        times.append(time.thread_time() - begin)
    return 1e3 * min(times)


def codecs(streams: Streams, repeats: int) -> dict[str, dict[str, float]]:
    """Time and size of every codec, and of FFV1 beside them."""
    results: dict[str, dict[str, float]] = {}
    size = f"{streams[Role.NIR][0].width}x{streams[Role.NIR][0].height}"
    print(f"codecs, {size}, processor ms a frame:")
    head = f"{'':26}{'nir in':>8}{'out':>7}{'ratio':>7}{'white in':>10}{'out':>7}{'ratio':>7}"
    print(head + f"{'MB/s at 60 fps':>16}{'cores in':>10}")
    for codec in LOSSLESS:
        row: dict[str, float] = {}
        for role in Role:
            row |= _codec_of(role, streams[role], codec, repeats)
        _print_codec(codec.value, row, results)
    for quality in JPEG_QUALITIES:
        white, psnr_db, most = _jpeg_of(streams[Role.WHITE], quality, repeats)
        row = {k: v for k, v in results[Codec.LZ4.value].items() if k.startswith("nir")} | white
        _print_codec(f"LZ4, white JPEG {quality}", row, results)
        row |= {"white_psnr_db": psnr_db, "white_most_counts": most}
        print(f"{'':26}white off by {psnr_db:.1f} dB PSNR, at most {most:.0f} counts")
    row = {}
    for role, kind in KINDS.items():
        row |= _ffv1_of(role, streams[role][:4], kind)
    _print_codec("ffv1 (a mosaic as grey)", row, results)
    return results


def _codec_of(role: Role, frames: list[Frame], codec: Codec, repeats: int) -> dict[str, float]:
    pack, unpack, size = [], [], 0
    for frame in frames:
        packed = pack_frame(role, frame, codec)
        size += packed.size
        out = np.empty_like(frame.pixels)
        used = codec_for(codec, frame.pixels.itemsize)
        pack.append(best_ms(partial(pack_frame, role, frame, codec), repeats))
        unpack.append(best_ms(partial(decompress_into, packed.payload, used, out), repeats))
        assert np.array_equal(out, frame.pixels)
    raw = sum(frame.pixels.nbytes for frame in frames)
    return _row(role, float(np.mean(pack)), float(np.mean(unpack)), raw / size, raw / len(frames))


def _jpeg_of(
    frames: list[Frame], quality: int, repeats: int
) -> tuple[dict[str, float], float, float]:
    """Return the row of white light as JPEG, and how far it comes back from what it was."""
    pack, unpack, size = [], [], 0
    errors = []
    for frame in frames:
        packed = pack_frame(Role.WHITE, frame, Codec.LZ4, quality)
        size += packed.size
        out = np.empty_like(frame.pixels)
        pack.append(best_ms(partial(pack_frame, Role.WHITE, frame, Codec.LZ4, quality), repeats))
        unpack.append(best_ms(partial(decompress_into, packed.payload, Codec.JPEG, out), repeats))
        errors.append(out.astype(np.float64) - frame.pixels)
    raw = sum(frame.pixels.nbytes for frame in frames)
    psnr_db = 10 * np.log10(255.0**2 / np.mean(np.square(errors)))
    ratio, each = raw / size, raw / len(frames)
    row = _row(Role.WHITE, float(np.mean(pack)), float(np.mean(unpack)), ratio, each)
    return row, float(psnr_db), float(np.abs(errors).max())


def _ffv1_of(role: Role, frames: list[Frame], kind: str) -> dict[str, float]:
    import av

    with tempfile.NamedTemporaryFile(suffix=".mkv") as file:
        begin = time.process_time()
        with av.open(file.name, "w", format="matroska") as container:
            stream: Any = container.add_stream("ffv1", rate=60)
            stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, kind
            stream.codec_context.thread_count = 1
            for frame in frames:
                picture = av.VideoFrame.from_ndarray(np.asarray(frame.pixels), format=kind)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        pack = 1e3 * (time.process_time() - begin) / len(frames)
        begin = time.process_time()
        with av.open(file.name) as container:
            container.streams.video[0].codec_context.thread_count = 1
            count = sum(1 for _ in container.decode(video=0))
        unpack = 1e3 * (time.process_time() - begin) / count
        raw = sum(frame.pixels.nbytes for frame in frames)
        return _row(role, pack, unpack, raw / os.stat(file.name).st_size, raw / len(frames))


def _row(role: Role, pack: float, unpack: float, ratio: float, raw: float) -> dict[str, float]:
    values = {"in_ms": pack, "out_ms": unpack, "ratio": ratio, "mb_s": raw / ratio * FPS / 1e6}
    return {f"{role.value}_{name}": value for name, value in values.items()}


def _print_codec(name: str, row: dict[str, float], results: dict[str, dict[str, float]]) -> None:
    results[name] = row
    rate = row["nir_mb_s"] + row["white_mb_s"]
    cores = (row["nir_in_ms"] + row["white_in_ms"]) * FPS / 1e3
    print(
        f"{name:26}{row['nir_in_ms']:8.2f}{row['nir_out_ms']:7.2f}{row['nir_ratio']:7.2f}"
        f"{row['white_in_ms']:10.2f}{row['white_out_ms']:7.2f}{row['white_ratio']:7.2f}"
        f"{rate:16.0f}{cores:10.2f}"
    )


def layout(place: Path, streams: Streams, count: int) -> dict[str, float]:
    """The cost of laying out and handing over one compressed NIR frame: ours and the library's."""
    from mcap.writer import CompressionType, Writer

    packed = pack_frame(Role.NIR, streams[Role.NIR][0], Codec.LZ4)
    data = bytes(packed.header + packed.payload)
    with CaseWriter(
        place / "w.case", CaseDescription(rig=load_rig("demo"), settings=Settings())
    ) as case:
        ours = best_ms(lambda: case.write_packed(packed), count)
    with (place / "library.mcap").open("wb", buffering=0) as file:
        writer = Writer(file, chunk_size=1, compression=CompressionType.NONE)
        writer.start()
        channel = writer.register_channel("nir", "x", 0)
        library = best_ms(lambda: writer.add_message(channel, 0, data, 0, 0), count)
        writer.finish()
    results = {"ours_ms": ours, "library_ms": library, "bytes": float(len(data))}
    print(
        f"one compressed frame of {len(data) / 1e6:.2f} MB to the kernel: {ours:.2f} ms with CRC "
        f"and chain; {library:.2f} ms through the mcap library with CRC alone"
    )
    return results


# -- whole files ----------------------------------------------------------------------------------


def formats(place: Path, streams: Streams, pairs: int) -> dict[str, dict[str, float]]:
    """Write pairs through each format, as it is meant to be used; processor time of all threads."""
    kinds: list[tuple[str, Callable[[Path, dict[Role, Frame]], Any], int]] = [
        *((f"case, {codec.value}", _case(codec), pairs) for codec in (Codec.LZ4, Codec.FAST)),
        ("case, LZ4, white as JPEG", _case(Codec.LZ4, jpeg=True), pairs),
        ("HDF5, shuffle + LZF", _hdf5("lzf"), pairs),
        ("HDF5, not compressed", _hdf5(None), pairs),
        ("Zarr, Blosc bitshuffle LZ4", _zarr, pairs),
        ("Matroska, FFV1", _matroska, max(6, pairs // 10)),
    ]
    print("two streams into a file, processor ms a pair (least of many, all threads):")
    print(f"{'':34}{'least':>7}{'mean':>7}{'MB/s at 60 fps':>16}{'cores at 60 fps':>17}")
    results = {}
    for name, opened, count in kinds:
        path = place / name.replace(" ", "-")
        took = []
        first = {role: frames[0] for role, frames in streams.items()}
        with opened(path, first) as put:
            for pair in islice(_pairs(streams), count):
                begin = time.process_time()
                put(pair)
                took.append(1e3 * (time.process_time() - begin))
        size = sum(f.stat().st_size for f in (path.rglob("*") if path.is_dir() else [path]))
        rate = size / count * FPS / 1e6
        least, mean = min(took), float(np.mean(took))
        results[name] = {"least_ms": least, "mean_ms": mean, "mb_s": rate}
        print(f"{name:34}{least:7.1f}{mean:7.1f}{rate:16.0f}{mean * FPS / 1e3:17.2f}")
    return results


def _pairs(streams: Streams) -> Iterator[dict[Role, Frame]]:
    while True:
        for nir, white in zip(streams[Role.NIR], streams[Role.WHITE], strict=True):
            yield {Role.NIR: nir, Role.WHITE: white}


def _case(codec: Codec, *, jpeg: bool = False) -> Callable[[Path, dict[Role, Frame]], Any]:
    kept = RecordingSpec(white="jpeg" if jpeg else "lossless")
    rig = msgspec.structs.replace(load_rig("demo"), recording=kept)

    @contextmanager
    def opened(path: Path, first: dict[Role, Frame]) -> Iterator[Put]:
        del first
        with CaseWriter(path, CaseDescription(rig=rig, settings=Settings(), codec=codec)) as case:

            def put(pair: dict[Role, Frame]) -> None:
                with case.together():
                    for role, frame in pair.items():
                        case.write_frame(role, frame)

            yield put

    return opened


def _hdf5(compression: str | None) -> Callable[[Path, dict[Role, Frame]], Any]:
    @contextmanager
    def opened(path: Path, first: dict[Role, Frame]) -> Iterator[Put]:
        import h5py

        with h5py.File(path, "w") as file:
            sets = {
                role: file.create_dataset(
                    role.value,
                    (0, *frame.pixels.shape),
                    frame.pixels.dtype,
                    maxshape=(None, *frame.pixels.shape),
                    chunks=(1, *frame.pixels.shape),
                    compression=compression,
                    shuffle=compression is not None,
                )
                for role, frame in first.items()
            }

            def put(pair: dict[Role, Frame]) -> None:
                for role, frame in pair.items():
                    sets[role].resize(len(sets[role]) + 1, axis=0)
                    sets[role][-1] = frame.pixels
                file.flush()

            yield put

    return opened


@contextmanager
def _zarr(path: Path, first: dict[Role, Frame]) -> Iterator[Put]:
    import zarr
    from zarr.codecs import BloscCodec

    group = zarr.open_group(path, mode="w")
    sets = {
        role: group.create_array(
            role.value,
            shape=(1 << 20, *frame.pixels.shape),
            dtype=frame.pixels.dtype,
            chunks=(1, *frame.pixels.shape),
            compressors=BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle"),
        )
        for role, frame in first.items()
    }
    index = 0

    def put(pair: dict[Role, Frame]) -> None:
        nonlocal index
        for role, frame in pair.items():
            sets[role][index] = frame.pixels
        index += 1

    yield put


@contextmanager
def _matroska(path: Path, first: dict[Role, Frame]) -> Iterator[Put]:
    import av

    with av.open(path, "w", format="matroska") as container:
        streams: dict[Role, Any] = {}
        for role, frame in first.items():
            stream: Any = container.add_stream("ffv1", rate=60)
            stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, KINDS[role]
            stream.codec_context.thread_count = 1
            streams[role] = stream

        def put(pair: dict[Role, Frame]) -> None:
            for role, frame in pair.items():
                picture = av.VideoFrame.from_ndarray(np.asarray(frame.pixels), format=KINDS[role])
                container.mux(streams[role].encode(picture))

        yield put
        for stream in streams.values():
            container.mux(stream.encode(None))
