"""Windows that pull."""
