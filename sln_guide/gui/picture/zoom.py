"""`Zoom`: which part of the picture fills the view. Pure geometry.

Picture coordinates are (x, y) in px of the picture, the centre of its top-left pixel at (0, 0);
view coordinates are logical px of the widget from its top-left corner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

Size = tuple[int, int]

MAX_SCALE = 16.0
WHEEL_STEP = 1.25


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the picture lies: ``x_view = left + (x + 0.5) * scale``, likewise ``top`` and y."""

    scale: float
    left: float
    top: float

    def to_view(self, x: float, y: float) -> tuple[float, float]:
        """Return the view point of a picture point."""
        return self.left + (x + 0.5) * self.scale, self.top + (y + 0.5) * self.scale

    def to_picture(self, x: float, y: float) -> tuple[float, float]:
        """Return the picture point of a view point."""
        return (x - self.left) / self.scale - 0.5, (y - self.top) / self.scale - 0.5


@dataclass(frozen=True, slots=True)
class Zoom:
    """``scale`` view px per picture px, None: fit. ``centre``: picture point in the middle."""

    scale: float | None = None
    centre: tuple[float, float] | None = None

    @property
    def fits(self) -> bool:
        """Whether the whole picture is shown, as large as it can be."""
        return self.scale is None

    def placed(self, picture: Size, view: Size) -> Placement:
        """Return where a picture of (width, height) lies in a view of (width, height)."""
        scale = self.scale
        if scale is None or self.centre is None:
            scale = _fit(picture, view)
            return Placement(
                scale, (view[0] - picture[0] * scale) / 2, (view[1] - picture[1] * scale) / 2
            )
        return Placement(
            scale,
            _kept_in(view[0] / 2 - (self.centre[0] + 0.5) * scale, picture[0] * scale, view[0]),
            _kept_in(view[1] / 2 - (self.centre[1] + 0.5) * scale, picture[1] * scale, view[1]),
        )

    def about(self, point: tuple[float, float], factor: float, picture: Size, view: Size) -> Zoom:
        """Return the zoom ``factor`` nearer, keeping the picture under view ``point`` in place.

        No farther than fit, no nearer than `MAX_SCALE`.
        """
        before = self.placed(picture, view)
        scale = min(before.scale * factor, max(MAX_SCALE, before.scale))
        if scale <= _fit(picture, view) * 1.0001:
            return Zoom()
        x, y = before.to_picture(*point)
        centre = (x + (view[0] / 2 - point[0]) / scale, y + (view[1] / 2 - point[1]) / scale)
        return Zoom(scale, centre)._settled(picture, view)

    def dragged(self, dx: float, dy: float, picture: Size, view: Size) -> Zoom:
        """Return the zoom after the picture was dragged by view px; a fitted one stays put."""
        if self.scale is None or self.centre is None:
            return self
        centre = (self.centre[0] - dx / self.scale, self.centre[1] - dy / self.scale)
        return replace(self, centre=centre)._settled(picture, view)

    def actual_size(self, device_ratio: float, picture: Size, view: Size) -> Zoom:
        """Return the zoom of one picture px a screen px about the middle of what is shown."""
        middle = self.placed(picture, view).to_picture(view[0] / 2, view[1] / 2)
        return Zoom(1.0 / device_ratio, middle)._settled(picture, view)

    def _settled(self, picture: Size, view: Size) -> Zoom:
        """Take the centre from where the picture really comes to lie."""
        placed = self.placed(picture, view)
        return replace(self, centre=placed.to_picture(view[0] / 2, view[1] / 2))


def _fit(picture: Size, view: Size) -> float:
    return max(min(view[0] / max(picture[0], 1), view[1] / max(picture[1], 1)), 1e-3)


def _kept_in(offset: float, length: float, room: float) -> float:
    """Keep a picture larger than the view covering it; centre a smaller one."""
    if length <= room:
        return (room - length) / 2
    return min(0.0, max(room - length, offset))
