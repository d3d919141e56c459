"""Real-time guidance for sentinel lymph node surgery. Research use only."""

__version__ = "0.1.0"
