"""After `warm_up` nothing is left to compile: the first frames of a procedure are not late."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest

from hardware.balance import Gains
from hardware.frame import PixelFormat
from hardware.phantom import Phantom
from hardware.rig import Calibration, Rig
from hardware.rig_files import load_rig, parse_rig
from sln_guide import compiling, pipeline
from sln_guide import warm_up as module
from sln_guide.compiling import Part
from sln_guide.core import grid
from sln_guide.core.draw import NEUTRAL
from sln_guide.drawing import Drawing
from sln_guide.engine import serving
from sln_guide.guidance import Pair, Settings, View
from sln_guide.warm_up import compilations, compile_all, compile_last, compiled_before, warm_up
from tests.kernels import kernels_of_the_core


def compiled() -> dict[str, int]:
    """Return how many variants of each kernel of the core exist in this process."""
    return {name: len(kernel.signatures) for name, kernel in kernels_of_the_core().items()}


@pytest.mark.parametrize("seconds", [1.0, 21.0, 35.0, 57.0])
def test_nothing_is_left_to_compile_on_the_demo(seconds: float) -> None:
    rig = load_rig("demo")
    warm_up(rig)
    nothing_is_compiled_late(rig, seconds, pipeline.Setup.from_rig(rig), NEUTRAL)


@pytest.mark.parametrize("refused", [False, True])
def test_nothing_is_left_to_compile_on_a_calibrated_rig(refused: bool) -> None:
    """What the rig names is as quick as what is left of it when it is refused."""
    demo = load_rig("demo")
    named = Calibration(dark="dark.npz", flat="flat.npz", white_balance="white.npz")
    rig = msgspec.structs.replace(demo, calibration=named)
    warm_up(rig)
    assert rig.phantom is not None
    shape = rig.phantom.height, rig.phantom.width
    maps = {"dark": np.full(shape, 64.0, np.float32), "flat": np.ones(shape, np.float32)}
    setup = pipeline.Setup.from_rig(rig, **({} if refused else maps))
    balance = NEUTRAL if refused else Gains(1.4, 1.0, 1.7, black=0.02)
    nothing_is_compiled_late(rig, 35.0, setup, balance)


def nothing_is_compiled_late(
    rig: Rig, seconds: float, setup: pipeline.Setup, balance: Gains
) -> None:
    before = compiled()
    assert sum(before.values()) > 20, "the kernels are found"
    assert rig.phantom is not None
    phantom = Phantom(rig.phantom, rig)
    state = pipeline.initial_state(setup)
    drawing = Drawing(rig.registration, white_balance=balance)
    for step in range(8):
        index = round(seconds * 30) + 2 * step
        pair = Pair(phantom.frame("nir", index), phantom.frame("white", index))
        settings = Settings(view=tuple(View)[step % 3])
        state, guidance = pipeline.step(state, pair, settings)
        drawing.picture(pair.nir, pair.white, guidance, settings)
        drawing.picture(None, phantom.frame("white", index + 1), guidance, Settings())
    after = compiled()
    late = {name: (before[name], count) for name, count in after.items() if count > before[name]}
    assert not late, f"compiled after the warm-up: {late}"


@pytest.mark.parametrize("nir", [f for f in PixelFormat if f.is_mono])
def test_every_format_of_a_rig_can_be_warmed_up(nir: PixelFormat) -> None:
    warm_up(rig_of(nir, PixelFormat.BAYER_BG8))


@pytest.mark.parametrize("white", [PixelFormat.BAYER_GB12, PixelFormat.BAYER_GR10])
def test_every_white_format_can_be_warmed_up(white: PixelFormat) -> None:
    warm_up(rig_of(PixelFormat.MONO12, white))


def rig_of(nir: PixelFormat, white: PixelFormat) -> Rig:
    return parse_rig(
        f'name="r"\n[nir]\nsource="basler"\nserial="1"\npixel_format="{nir}"\nexposure_us=1e4\n'
        f'[white]\nsource="basler"\nserial="2"\npixel_format="{white}"\nexposure_us=1e4\n',
        origin="test",
    )


def test_only_what_was_compiled_to_its_end_counts_as_compiled_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first start that was ended early must not have the next one's cameras wait."""
    rig = load_rig("demo")
    monkeypatch.setattr(module, "grid", SimpleNamespace(halve_into=kept_in(tmp_path)))
    assert not compiled_before(rig)
    with monkeypatch.context() as ended:
        ended.setattr(module, "_white", early_end)
        with pytest.raises(KeyboardInterrupt):
            warm_up(rig)
    assert not compiled_before(rig)
    warm_up(rig)
    assert compiled_before(rig)
    assert not compiled_before(rig_of(PixelFormat.MONO12P, PixelFormat.BAYER_GB12))


def test_it_can_be_told_while_it_is_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends meanwhile must do so at once: a compiler does not survive its end."""
    told: list[bool] = []

    def white(*_: object) -> Any:
        told.append(module.under_way())
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_white", white)
    assert not module.under_way()
    with pytest.raises(KeyboardInterrupt):
        warm_up(load_rig("demo"))
    assert told == [True]
    assert not module.under_way()


def kept_in(folder: Path) -> SimpleNamespace:
    return SimpleNamespace(stats=SimpleNamespace(cache_path=str(folder)))


def early_end(*_: object) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize("probe_there", [False, True])
@pytest.mark.parametrize("all_there", [False, True])
def test_it_is_said_whenever_the_core_had_to_be_compiled(
    probe_there: bool,
    all_there: bool,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Also where the probe lay in the cache and others did not."""
    calls: list[str] = []

    def warm_up(rig: Rig) -> bool:
        calls.append(rig.name)
        return all_there or len(calls) > 1

    monkeypatch.setattr(serving, "compiled_before", lambda rig: probe_there)
    monkeypatch.setattr(serving, "warm_up", warm_up)
    monkeypatch.setattr(serving.gc, "freeze", lambda: None)
    serving._Ahead(load_rig("demo")).finish()
    assert calls == ["demo"], "once"
    assert ("prepared the core" in capfd.readouterr().err) is not all_there


def test_what_was_compiled_is_not_compiled_again() -> None:
    rig = load_rig("demo")
    warm_up(rig)
    assert warm_up(rig)


def test_the_second_process_compiles_what_the_first_needs_and_nothing_else() -> None:
    rig = load_rig("demo")
    warm_up(rig)
    before = variants()
    compile_last(rig)
    assert variants() == before


def variants() -> dict[str, set[Any]]:
    """Return the argument types for which each kernel of the core is there."""
    return {name: set(kernel.signatures) for name, kernel in kernels_of_the_core().items()}


def test_what_was_never_compiled_is_compiled_in_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiler holds the interpreter's lock, for which cameras wait, and keeps its memory."""
    rig, asked = load_rig("demo"), []
    monkeypatch.setattr(module, "grid", SimpleNamespace(halve_into=kept_in(tmp_path)))
    monkeypatch.setattr(compiling, "compile_elsewhere", lambda rig, name: asked.append(rig.name))
    assert not warm_up(rig)
    assert warm_up(rig)
    assert asked == ["demo"], "once"


def test_that_process_compiles_for_this_ones_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no home can be written each process has a temporary cache of its own."""
    given: list[dict[str, str]] = []

    def begin(words: list[str], *, env: dict[str, str], **_: Any) -> Any:
        given.append(env)
        raise OSError

    monkeypatch.setattr(compiling.subprocess, "Popen", begin)
    compiling.compile_elsewhere(load_rig("demo"), module.__name__)
    folder = Path(given[0]["NUMBA_CACHE_DIR"])
    kept = Path(grid.halve_into.stats.cache_path)
    assert kept.is_relative_to(folder)


@pytest.mark.parametrize("bare", [True, False])
def test_a_second_process_helps_only_where_nothing_was_compiled(
    bare: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, asked = load_rig("demo"), []

    @contextmanager
    def helped(rig: Rig, name: str, part: Part) -> Iterator[None]:
        assert (name, part) == (module.__name__, Part.LAST)
        asked.append(rig.name)
        yield

    monkeypatch.setattr(module, "grid", SimpleNamespace(halve_into=kept_in(tmp_path)))
    monkeypatch.setattr(compiling, "helped", helped)
    if not bare:
        (tmp_path / "whole-Mono8").touch()  # another rig's formats: most kernels are the same
    compile_all(rig)
    assert asked == (["demo"] if bare else [])


def test_the_second_process_ends_with_the_first_ones_work() -> None:
    """Else a first start that is ended early leaves a compiler running."""
    with compiling.helped(load_rig("demo"), module.__name__, Part.LAST):
        (process,) = (
            each for each in psutil.Process().children() if module.__name__ in each.cmdline()
        )
    assert not process.is_running()


def test_where_no_second_process_can_begin_the_first_does_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiling.sys, "executable", "/nowhere/python")
    done = []
    with compiling.helped(load_rig("demo"), module.__name__, Part.LAST):
        done.append(True)
    assert done


def test_all_that_compile_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "from hardware.rig_files import load_rig\n"
        "from sln_guide.compiling import compile_elsewhere\n"
        "compile_elsewhere(load_rig('demo'), 'sln_guide.warm_up')"
    )
    empty = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    parent = subprocess.Popen(
        [sys.executable, "-c", script], env=empty | {"XDG_CACHE_HOME": str(tmp_path)}
    )
    try:
        both: list[psutil.Process] = []
        while len(both) < 2:
            assert parent.poll() is None
            time.sleep(0.1)
            all_of_it = psutil.Process(parent.pid).children(recursive=True)
            both = [each for each in all_of_it if each.cmdline()[-2:-1] == [module.__name__]]
        assert [each.cmdline()[-1] for each in both] == list(Part)
    finally:
        parent.kill()
        parent.wait()
    for process in both:
        process.wait(timeout=20)


def test_other_threads_may_import_while_kernels_are_counted() -> None:
    """It ended the thread that loads the core beside the search for cameras."""
    ending, rounds = threading.Event(), 0

    def import_on() -> None:
        nonlocal rounds
        while not ending.is_set():
            for number in range(500):
                sys.modules[f"made_{number}"] = sys
            for number in range(500):
                del sys.modules[f"made_{number}"]
            rounds += 1

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    importing = threading.Thread(target=import_on)
    importing.start()
    try:
        while rounds < 100:
            compilations()
    finally:
        ending.set()
        importing.join()
        sys.setswitchinterval(before)
