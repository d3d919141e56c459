"""Calibration and metrology: what turns counts into measurements, and says when they are not.

No Qt and no numba here: guided flows are objects that a window or a command line drives.
"""
