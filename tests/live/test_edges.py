"""Cameras that move against each other take the overlay away; nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hardware.cameras import cameras_for
from hardware.frame import Frame, frozen_pixels
from hardware.phantom import Phantom
from hardware.rig import PhantomSpec, Rig
from hardware.rig_files import load_rig
from sln_guide.calibration.consistency import reduced
from sln_guide.export.as_seen import verify_as_seen
from sln_guide.export.recomputing import computed
from sln_guide.export.wish import Span
from sln_guide.guidance import Pair, Role, Settings
from sln_guide.health import Alignment, Health
from sln_guide.live import edges
from sln_guide.live.edges import EdgeWatch, look_at
from sln_guide.live.session import LiveSession
from sln_guide.recording import CaseReader
from sln_guide.replay.player import Player
from sln_guide.warm_up import warm_up
from tests.live.test_session import wait_until

KNOCK_PX = 25
"""5 mm in the small rig's NIR picture."""


def small_rig(scene: str, seed: int = 1, *, fps: float = 10.0) -> Rig:
    demo = load_rig("demo")
    assert demo.nir is not None
    assert demo.white is not None
    return msgspec.structs.replace(
        demo,
        nir=msgspec.structs.replace(demo.nir, frame_rate_hz=fps),
        white=msgspec.structs.replace(demo.white, frame_rate_hz=fps),
        phantom=PhantomSpec(scene=scene, seed=seed, width=640, height=512),
        optics=msgspec.structs.replace(demo.optics, mm_per_px=0.2),
    )


def shifted(frame: Frame, x_px: int) -> Frame:
    return replace(frame, pixels=frozen_pixels(np.roll(frame.pixels, x_px, axis=1)))


def pairs_of(scene: str, seed: int, seconds: tuple[float, ...]) -> Iterator[tuple[Rig, Pair]]:
    rig = small_rig(scene, seed)
    assert rig.phantom is not None
    phantom = Phantom(rig.phantom, rig)
    for index in (round(10.0 * s) for s in seconds):
        yield rig, Pair(phantom.frame("nir", index), phantom.frame("white", index))


@pytest.mark.parametrize(
    ("scene", "seed", "seconds"),
    [
        # injection, channel, nodes, the instrument coming, at work and going, the excision
        ("procedure", 1, (1.0, 9.0, 22.0, 30.0, 34.0, 37.0, 41.0, 55.0, 63.0)),
        ("static", 4, (0.5, 2.1)),
        ("hard", 2, (0.0,)),
        ("hard", 5, (4.1,)),
        ("empty", 1, (0.0, 2.0)),
        ("dark", 1, (0.0, 2.0)),
        ("flat", 1, (0.0, 2.0)),
    ],
)
def test_no_scene_is_taken_for_a_knock_and_bare_ones_are_not_told(
    scene: str, seed: int, seconds: tuple[float, ...]
) -> None:
    seen = [look_at(pair, rig) for rig, pair in pairs_of(scene, seed, seconds)]
    verdicts = {each.verdict for each in seen}
    assert "moved" not in verdicts
    if scene in ("dark", "flat"):
        assert verdicts == {"cannot tell"}
    if scene in ("procedure", "empty"):
        assert verdicts == {"holds"}
        limit_px = 1.1 / 0.2
        assert max(each.distance_px for each in seen) < 0.5 * limit_px


def test_a_knock_is_found_with_its_size_in_the_rig_s_own_px() -> None:
    for rig, pair in pairs_of("procedure", 1, (22.0, 37.0)):
        seen = look_at(replace(pair, nir=shifted(pair.nir, KNOCK_PX)), rig)
        assert seen.verdict == "moved"
        assert seen.shift_px == pytest.approx((-KNOCK_PX, 0.0), abs=2.0)


def test_reduced_pictures_know_where_their_px_lie() -> None:
    """A spot's centre of mass goes where the map says, in a mosaic as well."""
    rig = small_rig("flat")
    assert rig.phantom is not None
    phantom = Phantom(rig.phantom, rig)
    for role in ("nir", "white"):
        frame = phantom.frame(role, 0)
        rows, columns = np.mgrid[: frame.height, : frame.width]
        spot = 3000 * np.exp(-((columns - 317.3) ** 2 + (rows - 201.7) ** 2) / (2 * 9.0**2))
        top = 2**frame.bit_depth - 1
        pixels = np.minimum(spot, top).astype(frame.pixels.dtype)
        small, onto = reduced(replace(frame, pixels=frozen_pixels(pixels)))
        ys, xs = np.mgrid[: small.shape[0], : small.shape[1]]
        found = (small * xs).sum() / small.sum(), (small * ys).sum() / small.sum()
        assert found == pytest.approx((onto @ (317.3, 201.7, 1.0))[:2], abs=0.05)


def test_what_held_is_not_claimed_for_ever() -> None:
    """A lens cap, a drape: after the last look that said so, it is not told any more."""
    rig = small_rig("procedure")
    watch = EdgeWatch(rig, lambda told: None)
    ((_, seen),) = pairs_of("procedure", 1, (22.0,))
    ((_, bare),) = pairs_of("dark", 1, (0.0,))
    assert [watch.look(seen, Settings()).verdict for _ in range(3)][-1] == "holds"
    assert [watch.look(bare, Settings()).verdict for _ in range(5)] == ["holds"] * 4 + [
        "cannot tell"
    ]


def test_when_edges_last_coincided_is_kept_until_they_lie_apart() -> None:
    """Bare scenes that come and go change nothing of what was seen before them."""
    rig = small_rig("procedure")
    watch = EdgeWatch(rig, lambda told: None)
    ((_, seen),) = pairs_of("procedure", 1, (22.0,))
    ((_, bare),) = pairs_of("dark", 1, (0.0,))
    assert watch.look(seen, Settings()).held_ns is None, "one look is no verdict"
    held = [watch.look(seen, Settings()) for _ in range(2)][-1]
    assert held.held_ns == held.looked_ns
    assert {watch.look(bare, Settings()).held_ns for _ in range(6)} == {held.held_ns}
    apart = replace(seen, nir=shifted(seen.nir, KNOCK_PX))
    assert [watch.look(apart, Settings()) for _ in range(3)][-1].held_ns is None
    again = [watch.look(seen, Settings()) for _ in range(4)][-1]
    assert again.held_ns == again.looked_ns
    nudged = watch.look(bare, replace(Settings(), nudge_px=(2.0, 0.0)))
    assert nudged.held_ns is None, "it was seen of another registration"


class Knocked:
    """A camera that somebody has pushed aside, while `by_px` is not 0."""

    def __init__(self, camera: Any) -> None:
        self._camera = camera
        self.by_px = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._camera, name)

    def read(self, timeout_s: float) -> Frame:
        frame: Frame = self._camera.read(timeout_s)
        return shifted(frame, self.by_px) if self.by_px else frame


def test_a_knocked_camera_loses_the_overlay_and_gets_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live, in the recording, in its replay and in what is computed from it."""
    monkeypatch.setattr(edges, "LOOK_EVERY_S", 0.15)
    monkeypatch.setattr(edges, "CONFIRM_EVERY_S", 0.15)
    rig = small_rig("empty")
    cameras: dict[str, Any] = dict(cameras_for(rig))
    knocked = cameras["nir"] = Knocked(cameras["nir"])
    warm_up(rig)  # no wait below is for a compiler
    session = LiveSession(rig, cameras, cases=tmp_path)

    def told() -> Alignment | None:
        return session.health().alignment

    def overlaid() -> bool | None:
        picture = session.latest_picture()
        return None if picture is None or picture.guidance is None else picture.overlay_drawn

    try:
        session.start()
        wait_until(lambda: (t := told()) is not None and t.verdict == "holds", "it holds")
        assert overlaid()
        folder = session.start_recording()
        knocked.by_px = KNOCK_PX
        wait_until(lambda: overlaid() is False, "the overlay is gone")
        alignment = told()
        assert alignment is not None
        assert alignment.verdict == "moved"
        assert alignment.apart
        picture = session.latest_picture()
        assert picture is not None
        assert picture.guidance is not None
        assert picture.guidance.registration.kind == "none"
        health = session.health()
        assert health.white is not None
        assert health.white.health is Health.LIVE, "white light goes on"
        knocked.by_px = 0
        wait_until(overlaid, "the overlay is back")
        number = picture.number
        wait_until(lambda: (p := session.latest_picture()) and p.number > number + 3, "more")
    finally:
        session.close()
    details = [event.detail for event in session.events() if event.name == "registration"]
    assert [d.split(":")[0] for d in details] == ["withdrawn", "edges coincide again"]
    with CaseReader(folder) as case:
        kinds = [record.registration for record in case.guidance_log()]
        assert {"none", "calibrated"} == set(kinds)
        assert verify_as_seen(case).ok
        again = [c.guidance for c in computed(case, case.asked(), Span()) if c.guidance is not None]
        by_time = {g.pair.nir.mid_exposure_ns: g.registration.kind for g in again}
        pairs = tuple(case.pairs())
        player = Player(case, pairs)
        place = {nir: index for index, (nir, _) in enumerate(pairs)}
        for record in case.guidance_log():
            found = case.find(Role.NIR, record.nir)
            assert found is not None, "what a case logs rests on frames that are in it"
            index = place[found]
            assert by_time[record.nir.mid_exposure_ns] == record.registration
            if record.registration == "none":
                shown = player.at(index, case.asked())
                assert shown is not None
                assert not shown.overlay_drawn
        assert case.count(Role.WHITE) > 0
