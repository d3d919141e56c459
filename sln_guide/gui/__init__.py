"""Windows that pull. `app` opens one; `window` joins its parts; `start` asks what to do.

`claims` decides what may be shown, `picture` paints it, `panels` and `plots` stand beside it, and
`hands` does what the operator wants; `sitting` is the window of a calibration.
"""
