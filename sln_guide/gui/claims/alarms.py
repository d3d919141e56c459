"""`Alarms`: sounds until somebody has taken notice. Silenced is never hidden. No Qt."""

from __future__ import annotations

from dataclasses import replace

from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.claims.screen_state import ScreenState
from sln_guide.gui.claims.verdict import Banner

SOUND_EVERY_S = 3.0


class Alarms:
    """Follows the red banners. A banner taken notice of is written small until it goes.

    One that comes back, or says something else, is a new one.
    """

    def __init__(self) -> None:
        self._silenced: frozenset[str] = frozenset()
        self._standing: frozenset[str] = frozenset()
        self._sounded_s: float | None = None

    @property
    def unheard(self) -> bool:
        """Whether a red banner stands that nobody has taken notice of."""
        return bool(self._standing - self._silenced)

    @property
    def silenced(self) -> bool:
        """Whether a red banner stands, and all that stand were taken notice of."""
        return bool(self._standing) and not self.unheard

    def follow(self, state: ScreenState) -> ScreenState:
        """Return the state with what was silenced written small: red, and in full words, still."""
        self._standing = frozenset(b.headline for b in state.banners if _alarms(b))
        self._silenced &= self._standing
        if not self._silenced:
            return state
        banners = tuple(
            replace(b, slim=True) if _alarms(b) and b.headline in self._silenced else b
            for b in state.banners
        )
        # what nobody has taken notice of comes first, and large
        return replace(state, banners=tuple(sorted(banners, key=lambda b: b.slim)))

    def silence(self) -> bool:
        """Take notice of all that stand now; False if nothing does."""
        self._silenced = self._standing
        self._sounded_s = None
        return bool(self._standing)

    def sounds(self, now_s: float) -> bool:
        """Whether to sound now: at once, and then every `SOUND_EVERY_S`."""
        if not self.unheard:
            self._sounded_s = None
            return False
        if self._sounded_s is not None and now_s - self._sounded_s < SOUND_EVERY_S:
            return False
        self._sounded_s = now_s
        return True


def _alarms(banner: Banner) -> bool:
    return banner.tone is Tone.ALARM
