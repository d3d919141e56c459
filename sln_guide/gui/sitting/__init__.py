"""A calibration sitting's window: its pages, and the parts of these."""
