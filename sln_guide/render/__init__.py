"""Rings, tags, scale bar and legend on a picture."""
