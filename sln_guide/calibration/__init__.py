"""Calibration and metrology: what turns counts into measurements, and says when they are not.

No Qt and no numba here: guided flows are objects that a window or a command line drives.

- What is measured: `dark`, `flat`, `photon_transfer`, `registration`, `lenses`, `balance`, `focus`,
  `probes`; the daily `check`, its `target` and `history`.
- What a measurement holds for, and what may be used: `binding`, `container`, `applied`, `errors`.
- While guiding: `gated` light, and `consistency` of the cameras with their registration.
- Guided: `flows`, `sensor_flows`, `board_flows`, `rig_flows`, with `frames`, `board`, `rig_file`;
  driven by `sitting`, for a window by `guide`, `stand`, `watched`, else by `command`, `arguments`.
- On paper: `paper`, `report`.
"""
