"""Derived files: tables and overlay video."""
