"""The codec gives way when the processor is short, and only then."""

from __future__ import annotations

from sln_guide.recording.codec import Codec
from sln_guide.recording.effort import RAISE_AFTER_S, Effort


def test_lowered_when_compressing_is_what_takes_the_time_and_raised_when_calm() -> None:
    effort = Effort(Codec.LZ4, 200_000_000)
    assert effort.choose(0.0, 5_000_000, 0.9, 0.1)[0] is Codec.LZ4
    codec, why = effort.choose(1.0, 20_000_000, 0.9, 0.1)
    assert (codec, why) == (Codec.FAST, "20 MB of frames wait for the processor")
    assert effort.choose(2.0, 0, 0.1, 0.1)[0] is Codec.FAST
    assert effort.choose(RAISE_AFTER_S, 5_000_000, 0.1, 0.1)[0] is Codec.FAST, (
        "not calm: from the start"
    )
    assert effort.choose(40.0, 0, 0.1, 0.1)[0] is Codec.FAST
    assert effort.choose(39.0 + RAISE_AFTER_S, 1, 0.1, 0.1)[0] is Codec.FAST
    assert effort.choose(40.0 + RAISE_AFTER_S, 1, 0.1, 0.1)[0] is Codec.LZ4


def test_a_slow_disk_is_not_given_more_bytes() -> None:
    assert Effort(Codec.LZ4, 100).choose(0.0, 99, 0.1, 0.9)[0] is Codec.LZ4
