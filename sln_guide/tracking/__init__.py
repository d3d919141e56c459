"""Identities that outlive a frame.

A pure function: `track` takes the state left by the previous frame and the spots of this one, and
returns the next state with this frame's detections. Coordinates are NIR px, (x, y).
"""

from sln_guide.tracking.state import Track, TrackField, TrackState
from sln_guide.tracking.tracker import track

__all__ = ["Track", "TrackField", "TrackState", "track"]
