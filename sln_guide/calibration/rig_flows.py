"""Guided flows for the whole rig: white balance, and the quality check."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

import numpy as np

from hardware.bench import CAP, Plane
from hardware.camera import Camera
from hardware.frame import Frame
from hardware.rig import Rig
from sln_guide.calibration.applied import Applied
from sln_guide.calibration.balance import WhiteBalance, black_level, white_balance
from sln_guide.calibration.binding import Binding
from sln_guide.calibration.check import measure, stream_figures
from sln_guide.calibration.errors import CaptureError
from sln_guide.calibration.flows import (
    Flow,
    Outcome,
    RoleName,
    Sight,
    Step,
    bound,
    free_running,
    refuse_unnamed_mode,
    spec_of,
)
from sln_guide.calibration.frames import Progress, grabbing, next_frame
from sln_guide.calibration.history import CheckRecord, append, read
from sln_guide.calibration.probes import lines_of
from sln_guide.calibration.report import (
    check_pages,
    text_page,
    write_report,
)
from sln_guide.calibration.target import Target, find_target

CHECK_FRAMES = 24
BALANCE_FRAMES = 5


class WhiteBalanceFlow(Flow):
    """Finds the factors that make a grey card grey in the white camera's picture."""

    title = "White balance"

    def __init__(self, rig: Rig, white: Camera, folder: Path, *, now: datetime) -> None:
        cap = "Cap the lens of the white camera: its black level comes off before it is balanced."
        told = (
            "Hold a grey card, or clean white paper, so that it fills the middle of the white "
            "camera's picture, under the light of the operation."
        )
        super().__init__((Step("cap", cap, CAP), Step("grey card", told, Plane())))
        self._spec = spec_of(rig, "white")
        self._white, self._folder, self._now = white, folder, now
        self._found: WhiteBalance | None = None
        self._black_counts = 0.0

    def cameras(self) -> tuple[Camera, ...]:
        """Return the white camera."""
        return (self._white,)

    def sight(self, role: RoleName, frame: Frame) -> Sight:
        """Say whether the lens is capped, then whether it may be a grey card."""
        try:
            if self.position == 0:
                return Sight(f"Dark: {black_level(frame):.2f} counts", good=True)
            red, _, blue = white_balance(frame, self._black_counts)
        except CaptureError as error:
            return Sight(f"Not yet: {error}", good=False)
        return Sight(f"Bright enough: red x {red:.2f}, blue x {blue:.2f}", good=True)

    def _do(self, index: int, progress: Progress, stop: threading.Event | None) -> str:
        found: list[tuple[float, ...]] = []
        with grabbing(self._white, free_running(self._spec)) as applied:
            next_frame(self._white, stop)
            for n in range(BALANCE_FRAMES):
                frame = next_frame(self._white, stop)
                if index == 0:
                    found.append((black_level(frame),))
                else:
                    found.append(white_balance(frame, self._black_counts))
                progress(n + 1, BALANCE_FRAMES)
        if index == 0:
            self._black_counts = float(np.median(found))
            return f"black level {self._black_counts:.2f} counts"
        red, green, blue = (float(v) for v in np.median(found, axis=0))
        self._found = WhiteBalance(
            binding=bound(self._white, "white", applied),
            made_at=self._now,
            factors=(red, green, blue),
            black_counts=self._black_counts,
        )
        return self._line(self._found)

    def _line(self, found: WhiteBalance) -> str:
        red, green, blue = found.factors
        return f"red x {red:.2f}, green x {green:.2f}, blue x {blue:.2f}"

    def finish(self) -> Outcome:
        """Save the factors."""
        found = self._found
        assert found is not None
        path = self._folder / "white-balance.npz"
        found.save(path)
        lines = (
            self._line(found),
            f"black level {found.black_counts:.2f} counts, taken off first",
            f"good for {found.valid_days:g} days, under this light",
        )
        page = text_page(f"White balance of camera {self._white.camera_id}", self._now, lines)
        reports = write_report(path, [page], "White balance")
        return Outcome("white_balance", path, lines, reports=reports, pages=(page,))


class CheckFlow(Flow):
    """The quality check: the reference target once, all figures, PDF, history."""

    title = "Quality check"

    def __init__(
        self,
        applied: Applied,
        cameras: dict[str, Camera],
        folder: Path,
        *,
        target: Target,
        now: datetime,
    ) -> None:
        rig = applied.rig
        spec_of(rig, "nir")
        distance = rig.optics.working_distance_mm
        laid = Plane(
            target.picture(0.1),
            0.1,
            0.12,
            np.eye(3),
            (-0.5 * target.width_mm, -0.5 * target.height_mm, distance),
            (1400.0, 1400.0),
            0.6,
        )
        super().__init__(
            (
                Step(
                    "target",
                    f"Lay the reference target flat at {distance:g} mm, all four marks in both "
                    "pictures, under the rig's own light.",
                    laid,
                ),
            )
        )
        self._applied, self._cameras, self._folder = applied, cameras, folder
        self._target, self._now = target, now
        self._record: CheckRecord | None = None

    def cameras(self) -> tuple[Camera, ...]:
        """Return the rig's cameras."""
        return tuple(self._cameras.values())

    def sight(self, role: RoleName, frame: Frame) -> Sight:
        """Say whether the target's marks are seen."""
        try:
            find_target(frame, self._target)
        except CaptureError as error:
            return Sight(f"Not yet: {error}", good=False)
        return Sight("Target seen: all four marks", good=True)

    def _do(self, index: int, progress: Progress, stop: threading.Event | None) -> str:
        taken: dict[str, list[Frame]] = {}
        bindings: list[Binding] = []
        rig = self._applied.rig
        roles: tuple[RoleName, ...] = ("nir", "white")
        for k, role in enumerate(role for role in roles if role in self._cameras):
            camera = self._cameras[role]
            spec = spec_of(rig, role)
            with grabbing(camera, free_running(spec)) as settings:
                refuse_unnamed_mode(camera, spec, settings)
                bindings.append(bound(camera, role, settings))
                next_frame(camera, stop)
                taken[role] = []
                for n in range(CHECK_FRAMES):
                    taken[role].append(next_frame(camera, stop))
                    progress(k * CHECK_FRAMES + n + 1, len(self._cameras) * CHECK_FRAMES)
        figures = measure(
            rig,
            self._target,
            taken["nir"],
            taken["white"][-1] if "white" in taken else None,
            dark=self._applied.dark,
            flat=self._applied.flat,
            streams=[stream_figures(frames) for frames in taken.values()],
        )
        self._record = CheckRecord(
            made_at=self._now,
            rig=rig.name,
            cameras=tuple(c.camera_id for c in self._cameras.values()),
            figures=figures,
            good=all(f.good is not False for f in figures)
            and any(f.good for f in figures)
            and not self._applied.problems,
            bindings=tuple(bindings),
            optics=rig.optics,
            registration=rig.registration,
            made_of=self._applied.made,
        )
        failed = [f.name for f in figures if f.good is False]
        return "failed: " + ", ".join(failed) if failed else f"{len(figures)} figures taken"

    def finish(self) -> Outcome:
        """Add it to the history, write the report."""
        record = self._record
        assert record is not None
        earlier, damaged = read(self._folder)
        append(self._folder, record)
        name = f"check-{record.made_at:%Y%m%d-%H%M%S}.pdf"
        pages = tuple(check_pages(record, earlier))
        reports = write_report(self._folder / name, pages, "Quality check")
        marks = {True: "ok  ", False: "BAD ", None: "?   "}
        lines = [f"{marks[f.good]}{f.text()}" for f in record.figures]
        lines += [f"BAD {problem}" for problem in self._applied.problems]
        lines += lines_of(self._applied.rig.light)
        if damaged:
            lines.append(f"?   {damaged} damaged lines in the history were passed over")
        return Outcome(
            "check", self._folder, tuple(lines), good=record.good, reports=reports, pages=pages
        )
