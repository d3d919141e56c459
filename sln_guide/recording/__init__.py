"""Case files: write, read, verify."""
