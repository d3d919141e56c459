"""Curves: what is kept of signals, and how it is drawn."""
