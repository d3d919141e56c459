"""Light and cameras. Never imports ``sln_guide`` or Qt.

- What flows, and who gives it: `frame`, `camera`; `cameras` opens those of a rig.
- A rig: `rig`, `rig_files`, `rig_rules`, `toml_words`, `working_plane`, `balance`, `gating`.
- Basler through pylon: `basler`, `grabbing`, `buffers`, `call_watch`, `genicam`, `sfnc`,
  `pylon_words`, `shared_memory`; its emulator: `emulated`, `emulated_bench`.
- Simulated: `simulated`, `mock`, `faults`, `playback`, `images`; `phantom`; `bench`,
  `bench_camera`.
- This machine: `doctor`, `disk_trial`, `realtime`, `opencv`.
"""
